import type { Bundle } from '../link/messages.js';
import { tableBundle, tableOf } from './tables.js';
import { isTensor, tensorBundle } from './tensors.js';
import { messageOf, shortened, textOf } from './text.js';
import { isVegaLite, vegaLiteBundle } from './vegaLite.js';

/** Method by which any object says how it looks in a notebook. */
export const displaySymbol = Symbol.for('Jupyter.display');

/** Types whose data is any JSON; that of all others is text, in notebooks and in front ends. */
const jsonType = /[/+]json(;.*)?$/;

const mimeType = /^[\w.+-]+\/[\w.+-]+(;.*)?$/;

/** Characters of one representation that can be sent to a front end without killing it. */
const mostData = 100_000_000;

/**
 * A value as a MIME bundle: what its `Symbol.for('Jupyter.display')` method returns or resolves
 * to; data frames as tables, tensors with their statistics, Vega-Lite specifications as charts;
 * anything else as its text.
 *
 * @throws TypeError when the method returns something that is no MIME bundle.
 */
export function bundleOf(value: unknown): Bundle | Promise<Bundle> {
  const show = showMethod(value);
  if (show !== undefined) {
    const shown = show.call(value);
    return shown instanceof Promise
      ? shown.then((bundle) => checked(bundle, value))
      : checked(shown, value);
  }
  return (known(value) ?? { 'text/plain': shortened(textOf(value)) }) as Bundle | Promise<Bundle>;
}

/** How objects of libraries look that have no display method; undefined for all others. */
function known(value: unknown): Bundle | Promise<Bundle> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  try {
    if (isTensor(value)) return tensorBundle(value);
    const table = tableOf(value);
    if (table !== undefined) return tableBundle(table);
    if (isVegaLite(value)) return vegaLiteBundle(value);
  } catch {
    // It only looked like one of them, or resists being read: its text will do.
  }
  return undefined;
}

function showMethod(value: unknown): (() => unknown) | undefined {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) {
    return undefined;
  }
  let method: unknown;
  try {
    method = (value as Record<symbol, unknown>)[displaySymbol];
  } catch {
    // A proxy or a getter that refuses.
    return undefined;
  }
  return typeof method === 'function' ? (method as () => unknown) : undefined;
}

function checked(shown: unknown, value: unknown): Bundle {
  const what = "[Symbol.for('Jupyter.display')]";
  const { bundle, size } = checkedBundle(shown, what);
  const text = bundle['text/plain'];
  bundle['text/plain'] =
    typeof text === 'string' ? shortened(text) : (text ?? textOf(value).slice(0, 1000));
  if (size > mostData) {
    const characters = size.toLocaleString('en');
    const note = `[a display of ${characters} characters is too large to be shown]\n`;
    return { 'text/plain': note + String(bundle['text/plain']).slice(0, 1000) };
  }
  return bundle;
}

/**
 * A MIME bundle in the form in which it is sent: bytes as base64, without what is undefined.
 *
 * @param what Whose bundle it is, for the message.
 * @returns The bundle, and its length in characters.
 * @throws TypeError saying what is wrong when it is no MIME bundle.
 */
export function checkedBundle(shown: unknown, what: string): { bundle: Bundle; size: number } {
  const say = (got: string): TypeError =>
    new TypeError(`${what}: expected a MIME bundle, got ${got}`);
  if (typeof shown !== 'object' || shown === null || Array.isArray(shown)) {
    throw say(textOf(shown).slice(0, 200));
  }
  const bundle: Bundle = {};
  let size = 0;
  for (const [type, data] of Object.entries(shown)) {
    if (!mimeType.test(type)) throw say(`the key ${JSON.stringify(type)}`);
    if (data === undefined) continue;
    const sent = data instanceof Uint8Array ? Buffer.from(data).toString('base64') : data;
    if (!jsonType.test(type) && !isText(sent)) {
      throw say(`${textOf(data).slice(0, 200)} as ${type}, which has to be text`);
    }
    size += lengthAsJson(sent, say);
    bundle[type] = sent;
  }
  return { bundle, size };
}

function lengthAsJson(data: unknown, say: (got: string) => TypeError): number {
  let text: string | undefined;
  try {
    text = JSON.stringify(data);
  } catch (error) {
    throw say(`data that is not JSON: ${messageOf(error)}`);
  }
  if (text === undefined) throw say(`data that is not JSON: ${textOf(data)}`);
  return text.length;
}

/** Text as notebooks keep it: a string, or its lines. */
function isText(data: unknown): boolean {
  return (
    typeof data === 'string' ||
    (Array.isArray(data) && data.every((line) => typeof line === 'string'))
  );
}
