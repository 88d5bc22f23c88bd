import { readJsonl } from './jsonl.js';
import { locate } from './manifest.js';
import { goldAnswer, type Problem, textFields } from './problem.js';

/** Options of {@link loadGsm8k}. */
export interface Gsm8kOptions {
  readonly split: 'train' | 'test';
  /** How many problems, from the first on; default all of them. */
  readonly limit?: number;
  /** A JSON Lines file as published; default the split's in `MAMBALAB_DATA` or the cache. */
  readonly path?: string;
}

/**
 * Loads GSM8K (Cobbe et al. 2021, arXiv 2110.14168): 7,473 training and 1,319 test problems. The
 * answer is the number after `####` of the published solution.
 *
 * @returns problems in the published order, with ids such as `gsm8k-test-0`.
 * @throws Error saying how to get the file when it is not there; CheckpointError naming the file and
 *   line of a row that is not as published; RangeError for an option that makes no sense.
 */
export function loadGsm8k({ split, limit, path }: Gsm8kOptions): Problem[] {
  if (split !== 'train' && split !== 'test') {
    throw new RangeError(`loadGsm8k: split: expected 'train' or 'test', got ${String(split)}`);
  }
  if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 1)) {
    throw new RangeError(`loadGsm8k: limit: expected a positive integer, got ${String(limit)}`);
  }
  const file = path ?? locate('gsm8k', `${split}.jsonl`);
  const problems: Problem[] = [];
  for (const { value, line } of readJsonl(file)) {
    const where = `line ${line}`;
    const { question, answer } = textFields(file, where, value, ['question', 'answer']);
    const id = `gsm8k-${split}-${problems.length}`;
    problems.push({ id, question, answer: goldAnswer(file, where, answer), solution: answer });
    if (problems.length === limit) break;
  }
  return problems;
}
