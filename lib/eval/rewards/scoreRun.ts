import {
  ColumnWriter,
  type CompletionRecord,
  type Run,
  readCompletions,
} from '../../results/index.js';
import { breather } from '../breather.js';
import type { PassOptions } from '../gradeRun.js';
import type { RewardModel } from './rewardModel.js';

/** What a scoring pass did. */
export interface ScoredRun {
  /** Completions that this pass scored; those that were scored before are not among them. */
  readonly scored: number;
  /** Steps that this pass scored. */
  readonly steps: number;
}

/** Steps' scores are kept to so many digits: float32 arithmetic has no more. */
const DIGITS = 7;

/**
 * Scores a run's completions into its column `scores.NAME`: of each the scores of its steps. The
 * completions of a problem are scored together, as soon as all of them have been read. Those that are
 * scored already are passed over, so that a pass that was killed goes on where it was.
 *
 * @param name of the column: letters, digits, `.`, `_` and `-`.
 * @throws CheckpointError where the column was made by another reward model; what {@link readCompletions}
 *   throws.
 */
export async function scoreRun(
  run: Run,
  model: RewardModel,
  name: string,
  options: PassOptions = {},
): Promise<ScoredRun> {
  const column = new ColumnWriter(run, 'scores', name, model.identity);
  const waiting = new Map<number, { place: number; record: CompletionRecord }[]>();
  const result = { scored: 0, steps: 0 };
  try {
    const breathe = breather(options.signal);
    const left = new Int32Array(run.problems.length).fill(run.n);
    const score = async (prompt: number) => {
      const rows = waiting.get(prompt) ?? [];
      waiting.delete(prompt);
      if (rows.length === 0) return;
      await breathe();
      const question = run.problems[prompt]?.question ?? '';
      const scores = model.score(
        question,
        rows.map(({ record }) => record.text),
      );
      for (const [i, { place }] of rows.entries()) {
        const steps = (scores[i] as number[]).map((step) => Number(step.toPrecision(DIGITS)));
        column.append(place, { steps });
        result.scored++;
        result.steps += steps.length;
        options.onProgress?.(result.scored);
      }
    };
    for (const { value: record, place } of readCompletions(run)) {
      const prompt = Math.floor(place / run.n);
      left[prompt] = (left[prompt] as number) - 1;
      if (column.done[place] !== 1) {
        waiting.set(prompt, [...(waiting.get(prompt) ?? []), { place, record }]);
      }
      if (left[prompt] === 0) await score(prompt);
    }
    for (const prompt of [...waiting.keys()]) await score(prompt);
  } finally {
    column.close();
  }
  return result;
}
