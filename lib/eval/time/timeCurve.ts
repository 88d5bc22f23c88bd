/** Accuracy against the time that it takes. */
import { type AccuracyOptions, type AccuracyPoint, accuracyCurve } from '../accuracy.js';
import { mean } from '../statistics.js';
import type { Measure } from '../votes/expectation.js';
import type { ProblemSamples } from '../votes/problemSamples.js';
import { type Clock, recorded, secondsFor } from './clock.js';

/** Accuracy with k completions, and the mean seconds a problem that they take. */
export interface TimePoint extends AccuracyPoint {
  readonly seconds: number;
}

/**
 * Accuracy as a function of the time to generate k completions, one point for each k. The time is the
 * mean over problems; a problem's prompt is read once for all of its completions.
 *
 * @throws what {@link accuracyCurve} and {@link secondsFor} throw.
 */
export function timeCurve(
  problems: readonly ProblemSamples[],
  measure: Measure,
  ks: readonly number[],
  { clock = recorded, ...options }: AccuracyOptions & { readonly clock?: Clock } = {},
): TimePoint[] {
  return accuracyCurve(problems, measure, ks, options).map((point) => ({
    ...point,
    seconds: mean(problems.map((p) => secondsFor(p, point.k, clock))),
  }));
}
