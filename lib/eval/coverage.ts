import { type BootstrapOptions, intervalOf, resample } from './bootstrap.js';
import { passAtK } from './passAtK.js';
import { mean } from './statistics.js';

/** One problem's completions, counted. */
export interface ProblemTally {
  readonly problem: string | number;
  readonly samples: number;
  readonly correct: number;
}

/** One point of a coverage curve: the mean pass@k over problems, with its bootstrap interval. */
export interface CoveragePoint {
  readonly k: number;
  readonly coverage: number;
  readonly low: number;
  readonly high: number;
}

/** Counts graded completions by problem, in the order in which problems first appear. */
export function tallyByProblem(
  graded: Iterable<{ readonly problem: string | number; readonly correct: boolean }>,
): ProblemTally[] {
  const counts = new Map<string | number, { samples: number; correct: number }>();
  for (const { problem, correct } of graded) {
    const count = counts.get(problem) ?? { samples: 0, correct: 0 };
    count.samples += 1;
    count.correct += correct ? 1 : 0;
    counts.set(problem, count);
  }
  return Array.from(counts, ([problem, count]) => ({ problem, ...count }));
}

/**
 * Coverage against k: pass@k averaged over problems, with a percentile bootstrap over problems.
 * All k share the resamples, so the band is that of whole curves.
 *
 * @param tallies one per problem
 * @param ks sizes to evaluate, each at most the fewest samples of any problem
 * @throws RangeError where there are no problems or a k exceeds a problem's samples
 */
export function coverageCurve(
  tallies: readonly ProblemTally[],
  ks: readonly number[],
  options: BootstrapOptions = {},
): CoveragePoint[] {
  if (tallies.length === 0) {
    throw new RangeError('coverageCurve: expected at least one problem, got none');
  }
  const passByK = ks.map((k) =>
    Float64Array.from(tallies, ({ problem, samples, correct }) => {
      if (k > samples) {
        throw new RangeError(
          `coverageCurve: k = ${k} needs ${k} samples of every problem, but problem ` +
            `${JSON.stringify(problem)} has ${samples}`,
        );
      }
      return passAtK(samples, correct, k);
    }),
  );
  const resampledByK = ks.map((): number[] => []);
  for (const indices of resample(tallies.length, options)) {
    passByK.forEach((pass, i) => {
      let sum = 0;
      for (const index of indices) {
        sum += pass[index] as number;
      }
      resampledByK[i]?.push(sum / indices.length);
    });
  }
  return ks.map((k, i) => {
    const { estimate, low, high } = intervalOf(
      mean(passByK[i] as Float64Array),
      resampledByK[i] as number[],
      options,
    );
    return { k, coverage: estimate, low, high };
  });
}

/** 1, 2, 4, ... up to and including `limit`, which is added where it is not a power of two. */
export function powersOfTwo(limit: number): number[] {
  if (!Number.isInteger(limit) || limit < 1) {
    throw new RangeError(`powersOfTwo: limit must be an integer of at least 1, got ${limit}`);
  }
  const powers: number[] = [];
  for (let power = 1; power < limit; power *= 2) {
    powers.push(power);
  }
  return [...powers, limit];
}
