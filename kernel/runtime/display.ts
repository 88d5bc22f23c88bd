import { inspect } from 'node:util';
import type { Bundle } from './protocol.js';

/** The method that shows an object in notebooks; Deno's kernel speaks it too. */
const displaySymbol = Symbol.for('Jupyter.display');

/** Longest text of one value; the rest is counted and not sent. */
const mostText = 1_000_000;

function textOf(value: unknown): string {
  let text: string;
  try {
    text = inspect(value, { depth: 4, maxArrayLength: 100, maxStringLength: 100_000 });
  } catch (error) {
    text = `[a value that cannot be shown: ${String(error)}]`;
  }
  if (text.length <= mostText) return text;
  return `${text.slice(0, mostText)}... ${text.length - mostText} more characters`;
}

function isBundle(value: unknown): value is Bundle {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.keys(value).every((key) => /^[\w.+-]+\/[\w.+*-]+$/.test(key))
  );
}

/**
 * How a value is shown: by its `Symbol.for('Jupyter.display')` method, which may be asynchronous,
 * else as text.
 *
 * @throws Error where the method gives something other than a MIME bundle.
 */
export async function bundleOf(value: unknown): Promise<Bundle> {
  const method =
    (typeof value === 'object' || typeof value === 'function') && value !== null
      ? (value as Record<symbol, unknown>)[displaySymbol]
      : undefined;
  if (typeof method !== 'function') return { 'text/plain': textOf(value) };
  const bundle: unknown = await method.call(value);
  if (!isBundle(bundle)) {
    throw new TypeError(
      `Symbol.for('Jupyter.display') must give an object of media types, got ${inspect(bundle)}`,
    );
  }
  return bundle;
}
