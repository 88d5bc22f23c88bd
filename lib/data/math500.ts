import { CheckpointError, show } from '../models/files/errors.js';
import { isObject } from '../models/files/json.js';
import { readJsonl } from './jsonl.js';
import { locate } from './manifest.js';
import { type Problem, textFields } from './problem.js';

/** Options of {@link loadMath500}. */
export interface Math500Options {
  /** How many problems, from the first on; default all of them. */
  readonly limit?: number;
  /** A JSON Lines file as published; default the one in `MAMBALAB_DATA` or the cache. */
  readonly path?: string;
}

/**
 * Loads MATH-500 (Lightman et al. 2023, arXiv 2305.20050): 500 problems of the MATH test set
 * (Hendrycks et al. 2021), with subject and level.
 *
 * @returns problems in the published order; a problem's id is its file in MATH, `test/algebra/2584.json`.
 * @throws Error saying how to get the file when it is not there; CheckpointError naming the file and
 *   line of a row that is not as published; RangeError for an option that makes no sense.
 */
export function loadMath500({ limit, path }: Math500Options = {}): Problem[] {
  if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 1)) {
    throw new RangeError(`loadMath500: limit: expected a positive integer, got ${String(limit)}`);
  }
  const file = path ?? locate('math-500');
  const problems: Problem[] = [];
  const ids = new Set<string>();
  for (const { value, line } of readJsonl(file)) {
    const where = `line ${line}`;
    const keys = ['unique_id', 'problem', 'answer', 'solution', 'subject'] as const;
    const { unique_id: id, problem, ...rest } = textFields(file, where, value, keys);
    if (ids.has(id)) throw new CheckpointError(file, where, 'a new unique_id', id);
    ids.add(id);
    const level: unknown = isObject(value) ? value.level : undefined;
    if (!Number.isInteger(level)) {
      throw new CheckpointError(file, where, 'an integer level', show(level));
    }
    problems.push({ id, question: problem, ...rest, level: level as number });
    if (problems.length === limit) break;
  }
  return problems;
}
