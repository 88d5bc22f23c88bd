import { readFileSync } from 'node:fs';
import type { Bundle } from '../link/messages.js';
import { displaySymbol } from './bundle.js';
import { pngOf } from './png.js';
import { plainTable, tableBundle } from './tables.js';
import { isTensor, type TensorLike } from './tensors.js';
import { escapeHtml, textOf } from './text.js';
import { type VegaLiteSpec, vegaLiteBundle } from './vegaLite.js';

/** A value made to be shown: a cell's last expression, an argument of `display`, or inside HTML. */
export class Shown {
  readonly #bundle: () => Bundle | Promise<Bundle>;

  constructor(bundle: () => Bundle | Promise<Bundle>) {
    this.#bundle = bundle;
  }

  [displaySymbol](): Bundle | Promise<Bundle> {
    return this.#bundle();
  }
}

/** Markup that has been escaped where it had to be, so that more markup may hold it as it is. */
class Markup extends Shown {
  readonly text: string;

  constructor(type: string, text: string) {
    super(() => ({ [type]: text, 'text/plain': text }));
    this.text = text;
  }
}

type Text = string | TemplateStringsArray;

/** The text of a call or of a tagged template; a template's values are escaped. */
function markupText(first: Text, values: unknown[]): string {
  if (typeof first === 'string') return first;
  return first.reduce((out, piece, i) => {
    const value = values[i - 1];
    return out + (value instanceof Markup ? value.text : escapeHtml(String(value))) + piece;
  });
}

function rawText(first: Text, values: unknown[]): string {
  return typeof first === 'string' ? first : String.raw(first, ...values);
}

/** HTML, as a template whose values are escaped or as one text. */
export const html = (first: Text, ...values: unknown[]): Shown =>
  new Markup('text/html', markupText(first, values));

/** SVG, as a template whose values are escaped or as one text. */
export const svg = (first: Text, ...values: unknown[]): Shown =>
  new Markup('image/svg+xml', markupText(first, values));

/** Markdown. */
export const md = (first: Text, ...values: unknown[]): Shown => {
  const text =
    typeof first === 'string'
      ? first
      : first.reduce((out, piece, i) => out + String(values[i - 1]) + piece);
  return new Shown(() => ({ 'text/markdown': text, 'text/plain': text }));
};

/** LaTeX; a formula without dollar signs or an environment is set on a line of its own. */
export const latex = (first: Text, ...values: unknown[]): Shown => {
  const text = rawText(first, values);
  const framed = /\$|\\begin\{|\\\[|\\\(/.test(text) ? text : `$$${text}$$`;
  return new Shown(() => ({ 'text/latex': framed, 'text/plain': text }));
};

/** JSON as a tree that can be opened. */
export const json = (value: unknown): Shown =>
  new Shown(() => ({ 'application/json': value, 'text/plain': textOf(value) }));

/** A Vega-Lite chart. */
export const vegaLite = (spec: VegaLiteSpec): Shown => new Shown(() => vegaLiteBundle(spec));

/**
 * Rows or columns as a table.
 *
 * @throws TypeError for what has neither.
 */
export const table = (data: unknown, options: { limit?: number } = {}): Shown => {
  const view = plainTable(data);
  if (view === undefined) {
    throw new TypeError(
      `table: expected rows, columns or a data frame, got ${textOf(data).slice(0, 80)}`,
    );
  }
  return new Shown(() => tableBundle(view, options));
};

/** First bytes of the image formats that browsers show. */
const signatures: [type: string, start: string][] = [
  ['image/png', '\x89PNG'],
  ['image/jpeg', '\xff\xd8\xff'],
  ['image/gif', 'GIF8'],
  ['image/webp', 'RIFF'],
];

/**
 * An image: the bytes of a PNG, JPEG, GIF or WebP file, a file's path, or a tensor.
 *
 * @throws TypeError for what is none of these.
 */
export const image = (
  source: string | Uint8Array | TensorLike,
  options: { width?: number; height?: number; alt?: string } = {},
): Shown => {
  const bytes =
    source instanceof Uint8Array
      ? source
      : typeof source === 'string'
        ? readFileSync(source)
        : isTensor(source)
          ? pngOf(source)
          : undefined;
  const start = Buffer.from(bytes?.subarray(0, 4) ?? []).toString('latin1');
  const isSvg = /^\s*<(svg|\?xml)/.test(Buffer.from(bytes?.subarray(0, 100) ?? []).toString());
  const type = isSvg ? 'image/svg+xml' : signatures.find(([, s]) => start.startsWith(s))?.[0];
  if (bytes === undefined || type === undefined) {
    throw new TypeError(
      'image: expected the bytes or the path of a PNG, JPEG, GIF, WebP or SVG file, or a tensor',
    );
  }
  const { width, height, alt = 'image' } = options;
  const data = Buffer.from(bytes).toString('base64');
  if (width === undefined && height === undefined && type !== 'image/webp') {
    return new Shown(() => ({
      [type]: type === 'image/svg+xml' ? Buffer.from(bytes).toString() : data,
      'text/plain': `[${alt}]`,
    }));
  }
  const size = [
    ...(width === undefined ? [] : [` width="${Number(width)}"`]),
    ...(height === undefined ? [] : [` height="${Number(height)}"`]),
  ].join('');
  const tag = `<img src="data:${type};base64,${data}"${size} alt="${escapeHtml(alt)}">`;
  return new Shown(() => ({ 'text/html': tag, 'text/plain': `[${alt}]` }));
};
