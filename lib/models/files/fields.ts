import { CheckpointError, show } from './errors.js';
import { isObject, type JsonObject } from './json.js';

/** The fields of a JSON object. */
export function fieldsOf(json: JsonObject): Fields {
  return new Fields((key) => (Object.hasOwn(json, key) ? json[key] : undefined));
}

/** Bounds of a number in a configuration. */
export interface Bounds {
  readonly least: number;
  readonly most: number;
}

/**
 * Takes the fields of a configuration one by one and remembers every one that is missing or wrong,
 * so that the error at the end lists them all.
 */
export class Fields {
  readonly #get: (key: string) => unknown;
  readonly #problems: string[] = [];

  constructor(get: (key: string) => unknown) {
    this.#get = get;
  }

  has(key: string): boolean {
    const value = this.#get(key);
    return value !== undefined && value !== null;
  }

  integer(key: string, bounds: Bounds, fallback?: number): number {
    const expected = `an integer from ${bounds.least} to ${bounds.most}`;
    return this.#number(key, expected, fallback, (x) => Number.isInteger(x) && within(x, bounds));
  }

  number(key: string, bounds: Bounds, fallback?: number): number {
    const expected = `a number from ${bounds.least} to ${bounds.most}`;
    return this.#number(key, expected, fallback, (x) => within(x, bounds));
  }

  /** One of the values; the first one stands in for a missing field where `optional`. */
  oneOf<T extends string | boolean>(key: string, values: readonly T[], optional = false): T {
    const value = this.#get(key);
    const first = values[0] as T;
    if (optional && (value === undefined || value === null)) return first;
    const known = values.find((x) => x === value);
    if (known === undefined) this.problem(key, values.map(show).join(' or '), value);
    return known ?? first;
  }

  /** A token id, or a list of them, below `vocabSize`; empty where the field is missing. */
  tokens(key: string, vocabSize: number): number[] {
    const value = this.#get(key);
    if (value === undefined || value === null) return [];
    const ids: unknown[] = Array.isArray(value) ? value : [value];
    const valid = ids.every(
      (id) => Number.isInteger(id) && within(id as number, { least: 0, most: vocabSize - 1 }),
    );
    if (!valid) this.problem(key, `token ids below ${vocabSize}`, value);
    return valid ? (ids as number[]) : [];
  }

  /** The fields of an object inside this one, whose problems join these by `adopt`. */
  part(key: string): Fields {
    const value = this.#get(key);
    if (isObject(value)) return fieldsOf(value);
    this.problem(key, 'an object', value);
    return fieldsOf({});
  }

  /** Takes over the problems of a part. */
  adopt(key: string, part: Fields): void {
    for (const problem of part.problems()) this.#problems.push(`${key}.${problem}`);
  }

  problem(key: string, expected: string, found: unknown): void {
    this.#problems.push(
      `${key}: ${expected}, not ${found === undefined ? 'nothing' : show(found)}`,
    );
  }

  /** What was wrong so far, one sentence a field. */
  problems(): readonly string[] {
    return this.#problems;
  }

  /** @throws CheckpointError listing every problem so far, if there is any. */
  check(path: string, what: string): void {
    if (this.#problems.length === 0) return;
    throw new CheckpointError(path, what, 'valid fields', this.#problems.join('; '));
  }

  #number(
    key: string,
    expected: string,
    fallback: number | undefined,
    valid: (x: number) => boolean,
  ): number {
    const value = this.#get(key);
    if (fallback !== undefined && (value === undefined || value === null)) return fallback;
    if (typeof value === 'number' && valid(value)) return value;
    this.problem(key, expected, value);
    return fallback ?? 1;
  }
}

function within(value: number, { least, most }: Bounds): boolean {
  return value >= least && value <= most;
}
