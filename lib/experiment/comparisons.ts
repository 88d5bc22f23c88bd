/** Two models on the same problems: differences and ratios with intervals over problems. */
import {
  accuracyAt,
  bootstrap,
  expectedAccuracy,
  type Interval,
  type Measure,
  mean,
  type ProblemSamples,
  powersOfTwo,
  recorded,
  secondsFor,
} from '../eval/index.js';

/** Problems of two models, one pair a problem. */
export type Pairs = readonly (readonly [one: ProblemSamples, other: ProblemSamples])[];

/** Options of intervals. */
export interface ComparisonOptions {
  readonly resamples: number;
  readonly seed: number;
}

/**
 * Two models' problems side by side.
 *
 * @throws RangeError where they have not answered the same problems.
 */
export function pairsOf(one: readonly ProblemSamples[], other: readonly ProblemSamples[]): Pairs {
  const byId = new Map(other.map((problem) => [problem.promptId, problem]));
  return one.map((problem) => {
    const same = byId.get(problem.promptId);
    if (same) return [problem, same] as const;
    throw new RangeError(`the other model has not answered ${problem.promptId}`);
  });
}

/** The first's accuracy less the second's, with k completions, in shares from -1 to 1. */
export function difference(
  pairs: Pairs,
  measure: Measure,
  k: number,
  options: ComparisonOptions,
): Interval {
  const gains = pairs.map(
    ([one, other]) => expectedAccuracy(one, measure, k) - expectedAccuracy(other, measure, k),
  );
  return bootstrap(gains, mean, options);
}

/** What a model gains by another measure, or by more completions. */
export function gain(
  problems: readonly ProblemSamples[],
  [from, fromK]: readonly [Measure, number],
  [to, toK]: readonly [Measure, number],
  options: ComparisonOptions,
): Interval {
  const gains = problems.map(
    (problem) => expectedAccuracy(problem, to, toK) - expectedAccuracy(problem, from, fromK),
  );
  return bootstrap(gains, mean, options);
}

/** The second's time of a completion over the first's: above 1 the first is faster. */
export function speedRatio(pairs: Pairs, options: ComparisonOptions): Interval {
  const times = pairs.map(([one, other]) => [mean(one.seconds), mean(other.seconds)] as const);
  const ratio = (some: readonly (readonly [number, number])[]) =>
    mean(some.map(([, other]) => other)) / mean(some.map(([one]) => one));
  return bootstrap(times, ratio, options);
}

/**
 * The first's accuracy less the second's where both are given the same time: that of all completions of
 * whichever is done first. Between powers of two accuracy is linear in the logarithm of time; who has not
 * finished one completion by then has answered nothing.
 */
export function differenceAtSameTime(
  pairs: Pairs,
  measure: Measure,
  options: ComparisonOptions,
): Interval {
  const n = pairs[0]?.[0].groups.length ?? 1;
  const ks = powersOfTwo(n);
  const points = pairs.map(
    (pair) =>
      pair.map((problem) =>
        ks.map((k) => ({
          accuracy: expectedAccuracy(problem, measure, k),
          seconds: secondsFor(problem, k, recorded),
        })),
      ) as [Point[], Point[]],
  );
  return bootstrap(
    points,
    (some) => {
      const [one, other] = ([0, 1] as const).map((side) =>
        ks.map((_, i) => ({
          accuracy: mean(some.map((pair) => (pair[side][i] as Point).accuracy)),
          seconds: mean(some.map((pair) => (pair[side][i] as Point).seconds)),
        })),
      ) as [Point[], Point[]];
      const at = Math.min(one.at(-1)?.seconds ?? 0, other.at(-1)?.seconds ?? 0);
      // Before its first completion is done a model has no answer.
      return (accuracyAt(one, at) ?? 0) - (accuracyAt(other, at) ?? 0);
    },
    options,
  );
}

interface Point {
  readonly accuracy: number;
  readonly seconds: number;
}
