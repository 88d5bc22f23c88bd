import type { Bundle } from '../link/messages.js';
import { tableBundle, tableOf } from './tables.js';
import { isTensor, tensorBundle } from './tensors.js';
import { messageOf, shortened, textOf } from './text.js';
import { isVegaLite, vegaLiteBundle } from './vegaLite.js';

/** Method by which any object says how it looks in a notebook. */
export const displaySymbol = Symbol.for('Jupyter.display');

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
  const say = (got: string): TypeError =>
    new TypeError(`[Symbol.for('Jupyter.display')]: expected a MIME bundle, got ${got}`);
  if (typeof shown !== 'object' || shown === null || Array.isArray(shown)) {
    throw say(textOf(shown).slice(0, 200));
  }
  const bundle: Bundle = {};
  for (const [type, data] of Object.entries(shown)) {
    if (!mimeType.test(type)) throw say(`the key ${JSON.stringify(type)}`);
    if (data === undefined) continue;
    bundle[type] = data instanceof Uint8Array ? Buffer.from(data).toString('base64') : data;
  }
  let size = 0;
  try {
    for (const data of Object.values(bundle)) size += JSON.stringify(data).length;
  } catch (error) {
    throw say(`data that is not JSON: ${messageOf(error)}`);
  }
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
