/** A run's completions by problem, as the measures read them. */
import { columnsOf, type ResultsTable } from '../../results/index.js';
import { groupAnswers, type VoteOptions } from './groups.js';

/** One problem's completions: entry i of each list is one completion, in the order of the samples. */
export interface ProblemSamples {
  readonly promptId: string;
  readonly level: number | undefined;
  /** Equal answers have one number, in the order of their first; -1 is no answer. */
  readonly groups: Int32Array;
  /** 1 where the answer is right; undecided ones are not. */
  readonly correct: Uint8Array;
  /** The reward model's scores; NaN where there are none. */
  readonly scores: Float64Array;
  readonly tokens: Int32Array;
  /** Of decoding, each. */
  readonly seconds: Float64Array;
  /** Of reading the prompt, once for all. */
  readonly promptSeconds: number;
}

/**
 * Parts a table by problem, in the order in which problems first appear. Seeds of one problem are more
 * samples of it, one seed after the other.
 *
 * @throws RangeError where the table holds more than one model or task: filter it first.
 */
export function problemSamples(table: ResultsTable, options: VoteOptions = {}): ProblemSamples[] {
  const c = columnsOf(table);
  const rows = new Map<string, number[]>();
  for (let i = 0; i < c.promptId.length; i++) {
    for (const name of ['model', 'task'] as const) {
      if (c[name][i] !== c[name][0]) {
        throw new RangeError(
          `problemSamples: a table of one ${name} expected, this one holds '${c[name][0]}' and '${c[name][i]}'`,
        );
      }
    }
    const id = c.promptId[i] as string;
    const known = rows.get(id);
    if (known) known.push(i);
    else rows.set(id, [i]);
  }
  return [...rows].map(([promptId, list]) => {
    list.sort(
      (a, b) =>
        (c.seed[a] as number) - (c.seed[b] as number) ||
        (c.sampleId[a] as number) - (c.sampleId[b] as number),
    );
    const promptTimes = list.map((i) => c.promptSeconds[i] as number);
    return {
      promptId,
      level: c.level[list[0] as number],
      groups: groupAnswers(
        list.map((i) => c.answer[i]),
        options,
      ),
      correct: Uint8Array.from(list, (i) => (c.correct[i] === true ? 1 : 0)),
      scores: Float64Array.from(list, (i) => c.reward[i] as number),
      tokens: Int32Array.from(list, (i) => c.tokens[i] as number),
      seconds: Float64Array.from(list, (i) => c.seconds[i] as number),
      promptSeconds: promptTimes.reduce((a, b) => a + b, 0) / promptTimes.length,
    };
  });
}
