import { CheckpointError, show } from '../models/files/errors.js';
import { isObject } from '../models/files/json.js';

/** A question with an answer that can be checked. */
export interface Problem {
  /** Unique within its data set. */
  readonly id: string;
  readonly question: string;
  /** The final answer alone: "1200", without separators or units; in MATH as LaTeX. */
  readonly answer: string;
  /** How one gets there; in GSM8K's form it ends with `#### ` and the answer, in MATH's it boxes it. */
  readonly solution: string;
  /** How hard it is, where the data set says so: 1 to 5 in MATH. */
  readonly level?: number;
  /** What it is about, where the data set says so: `Algebra`. */
  readonly subject?: string;
}

/**
 * The text fields of a row of a data set.
 *
 * @param where the row, for errors: `line 12`.
 * @throws CheckpointError when the row is no object or a field is missing, empty or not text.
 */
export function textFields<K extends string>(
  path: string,
  where: string,
  row: unknown,
  keys: readonly K[],
): Record<K, string> {
  const expected = `an object with the texts ${keys.join(', ')}`;
  if (!isObject(row)) throw new CheckpointError(path, where, expected, show(row));
  const fields = {} as Record<K, string>;
  for (const key of keys) {
    const value = Object.hasOwn(row, key) ? row[key] : undefined;
    if (typeof value !== 'string' || value.trim() === '') {
      const found = value === undefined ? `no ${show(key)}` : `${show(key)}: ${show(value)}`;
      throw new CheckpointError(path, where, expected, found);
    }
    fields[key] = value;
  }
  return fields;
}

/**
 * The answer after the last `####` of a worked solution, without thousands separators.
 *
 * @throws CheckpointError when there is none or it is no number.
 */
export function goldAnswer(path: string, where: string, solution: string): string {
  const mark = solution.lastIndexOf('####');
  const text = mark < 0 ? '' : solution.slice(mark + 4).trim();
  const answer = text.replaceAll(',', '');
  if (/^-?\d+(\.\d+)?$/.test(answer)) return answer;
  const found = mark < 0 ? 'no ####' : `#### ${show(text)}`;
  throw new CheckpointError(path, where, 'a solution that ends with #### and a number', found);
}
