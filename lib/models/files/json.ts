import { CheckpointError, show } from './errors.js';
import { withFile } from './source.js';

/** A JSON object as it came from a file; every value is still to be checked. */
export type JsonObject = { readonly [key: string]: unknown };

const largestJson = 256 * 2 ** 20;

/** Whether a value is a JSON object: neither null nor an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Reads a file that holds one JSON object.
 *
 * @throws CheckpointError when it is missing, larger than 256 MiB, not UTF-8, not JSON, or JSON of
 *   another kind.
 */
export function readJsonObject(path: string): JsonObject {
  return withFile(path, (source) => {
    if (source.size > largestJson) {
      const found = `${source.size} bytes`;
      throw new CheckpointError(path, 'file', `JSON of at most ${largestJson} bytes`, found);
    }
    const bytes = new Uint8Array(source.size);
    source.read(0, bytes);
    return parseJsonObject(path, bytes);
  });
}

/** The JSON object in UTF-8 bytes that came from `path`; `where` names the part of the file. */
export function parseJsonObject(path: string, bytes: Uint8Array, where = 'content'): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    const notText = error instanceof TypeError;
    const found = notText ? 'bytes that are not UTF-8' : (error as Error).message;
    throw new CheckpointError(path, where, 'one JSON object', found);
  }
  if (!isObject(value)) throw new CheckpointError(path, where, 'one JSON object', show(value));
  return value;
}

/**
 * The keys of the outermost object of valid JSON text, in order and with repetitions, which
 * JSON.parse hides.
 */
export function outerKeys(text: string): string[] {
  const keys: string[] = [];
  let depth = 0;
  let expectKey = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') {
      const start = i++;
      while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
      if (depth === 1 && expectKey) keys.push(JSON.parse(text.slice(start, i + 1)) as string);
      expectKey = false;
    } else if (char === '{' || char === '[') {
      depth++;
      expectKey = char === '{';
    } else if (char === '}' || char === ']') {
      depth--;
    } else if (char === ',') {
      expectKey = true;
    }
  }
  return keys;
}
