/** Accuracy against the number of completions, for every way to choose an answer. */
import { type BootstrapOptions, type Interval, intervalOf, resample } from './bootstrap.js';
import { mean, standardDeviation } from './statistics.js';
import { type ExpectationOptions, expectedAccuracy, type Measure } from './votes/expectation.js';
import type { ProblemSamples } from './votes/problemSamples.js';

/** Accuracy with k completions. */
export interface AccuracyPoint {
  readonly k: number;
  readonly accuracy: number;
  /** The bootstrap interval over problems. */
  readonly low: number;
  readonly high: number;
}

/** Options of {@link accuracyCurve}. */
export interface AccuracyOptions extends ExpectationOptions, BootstrapOptions {}

/** Each problem's expected accuracy at each k: `[k][problem]`. */
export function accuraciesByProblem(
  problems: readonly ProblemSamples[],
  measure: Measure,
  ks: readonly number[],
  options: ExpectationOptions = {},
): Float64Array[] {
  if (problems.length === 0) throw new RangeError('expected at least one problem, got none');
  return ks.map((k) =>
    Float64Array.from(problems, (p) => expectedAccuracy(p, measure, k, options)),
  );
}

/**
 * Accuracy against k: the expectation over subsets of each problem's completions, the mean over
 * problems, and its percentile bootstrap over problems. All k share the resamples.
 *
 * @throws RangeError where there are no problems, k exceeds a problem's samples or scores are missing.
 */
export function accuracyCurve(
  problems: readonly ProblemSamples[],
  measure: Measure,
  ks: readonly number[],
  options: AccuracyOptions = {},
): AccuracyPoint[] {
  const byK = accuraciesByProblem(problems, measure, ks, options);
  const values = ks.map((): number[] => []);
  for (const indices of resample(problems.length, options)) {
    byK.forEach((accuracies, i) => {
      let sum = 0;
      for (const index of indices) sum += accuracies[index] as number;
      values[i]?.push(sum / indices.length);
    });
  }
  return ks.map((k, i) => {
    const { estimate, low, high } = intervalOf(
      mean(byK[i] as Float64Array),
      values[i] as number[],
      options,
    );
    return { k, accuracy: estimate, low, high };
  });
}

/**
 * A statistic of runs that differ in their seeds alone: its mean, and the interval of that mean by the
 * normal approximation over seeds (a percentile bootstrap of three seeds would be too narrow).
 *
 * @throws RangeError for an empty list.
 */
export function overSeeds(values: readonly number[], z = 1.96): Interval {
  const estimate = mean(values);
  const standardError = standardDeviation(values) / Math.sqrt(values.length);
  return {
    estimate,
    low: estimate - z * standardError,
    high: estimate + z * standardError,
    standardError,
  };
}

/**
 * Greedy accuracy: the share of problems whose completion at temperature 0 is right, with its bootstrap
 * interval.
 *
 * @throws RangeError where a problem has more than one completion: those are samples.
 */
export function greedyAccuracy(
  problems: readonly ProblemSamples[],
  options: BootstrapOptions = {},
): AccuracyPoint {
  const several = problems.find((p) => p.correct.length !== 1);
  if (several) {
    throw new RangeError(
      `greedyAccuracy: one completion a problem expected, ${several.promptId} has ${several.correct.length}`,
    );
  }
  return accuracyCurve(problems, 'coverage', [1], options)[0] as AccuracyPoint;
}
