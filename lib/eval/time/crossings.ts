/** Where a student's curve passes its teacher's, and how much less time it needs. */

import { accuraciesByProblem } from '../accuracy.js';
import { type BootstrapOptions, type Interval, intervalOf, resample } from '../bootstrap.js';
import type { ExpectationOptions, Measure } from '../votes/expectation.js';
import type { ProblemSamples } from '../votes/problemSamples.js';
import { type Clock, recorded, secondsFor } from './clock.js';
import type { Trade } from './pareto.js';

/** The accuracy of a curve at a time, linear in the logarithm of time; undefined outside of it. */
export function accuracyAt(curve: readonly Trade[], seconds: number): number | undefined {
  for (let i = 1; i < curve.length; i++) {
    const [a, b] = [curve[i - 1] as Trade, curve[i] as Trade];
    if (seconds < a.seconds || seconds > b.seconds) continue;
    const share =
      b.seconds === a.seconds ? 1 : Math.log(seconds / a.seconds) / Math.log(b.seconds / a.seconds);
    return a.accuracy + share * (b.accuracy - a.accuracy);
  }
  const [only] = curve;
  return curve.length === 1 && only?.seconds === seconds ? only.accuracy : undefined;
}

/** The least time at which a curve reaches an accuracy; infinity where it does not. */
export function timeToReach(curve: readonly Trade[], accuracy: number): number {
  for (const [i, point] of curve.entries()) {
    if (point.accuracy < accuracy) continue;
    const before = curve[i - 1];
    if (!before) return point.seconds;
    const share = (accuracy - before.accuracy) / (point.accuracy - before.accuracy);
    return before.seconds * (point.seconds / before.seconds) ** share;
  }
  return Number.POSITIVE_INFINITY;
}

/**
 * The least time from which the student is at least as good as the teacher, up to where both are known;
 * infinity where it never is, the start of the common range where it always is.
 */
export function crossing(student: readonly Trade[], teacher: readonly Trade[]): number {
  const times = [...student, ...teacher].map((p) => p.seconds).sort((a, b) => a - b);
  let from = Number.POSITIVE_INFINITY;
  let before: { seconds: number; lead: number } | undefined;
  for (const seconds of times) {
    const [own, other] = [accuracyAt(student, seconds), accuracyAt(teacher, seconds)];
    if (own === undefined || other === undefined) continue;
    const lead = own - other;
    if (lead < 0) from = Number.POSITIVE_INFINITY;
    else if (from === Number.POSITIVE_INFINITY) {
      const share = before ? -before.lead / (lead - before.lead) : 0;
      from = before ? before.seconds * (seconds / before.seconds) ** share : seconds;
    }
    before = { seconds, lead };
  }
  return from;
}

/** A student against its teacher, with intervals over problems. */
export interface Comparison {
  /** Seconds a problem from which the student is at least as good. */
  readonly crossing: Interval;
  /** The share of resamples in which it ever is. */
  readonly crosses: number;
  /**
   * The teacher's time over the student's for what the teacher reaches with all its completions: above
   * 1 the student is faster.
   */
  readonly speedup: Interval;
}

/** One model's completions and its clock. */
export interface Contender {
  readonly problems: readonly ProblemSamples[];
  readonly ks: readonly number[];
  readonly clock?: Clock;
}

/**
 * Compares two models on the same problems. Resamples draw problems, the same ones for both, so that
 * what both find hard does not widen the intervals.
 *
 * @throws RangeError where the models have not answered the same problems.
 */
export function compareInTime(
  student: Contender,
  teacher: Contender,
  measure: Measure,
  options: ExpectationOptions & BootstrapOptions = {},
): Comparison {
  const order = new Map(teacher.problems.map((p, i) => [p.promptId, i]));
  const missing = student.problems.find((p) => !order.has(p.promptId));
  if (missing || order.size !== student.problems.length) {
    throw new RangeError(
      `compareInTime: the models must have answered the same problems, ` +
        `${missing ? `the teacher lacks ${missing.promptId}` : 'the student lacks some'}`,
    );
  }
  const paired = student.problems.map((p) => teacher.problems[order.get(p.promptId) as number]);
  const curves = [
    curveMaker(student, student.problems, measure, options),
    curveMaker(teacher, paired as ProblemSamples[], measure, options),
  ] as const;
  const at = (indices: ArrayLike<number>) => {
    const [own, other] = curves.map((make) => make(indices)) as [Trade[], Trade[]];
    const goal = Math.max(...other.map((p) => p.accuracy));
    return {
      crossing: crossing(own, other),
      speedup: timeToReach(other, goal) / timeToReach(own, goal),
    };
  };
  const count = student.problems.length;
  const estimate = at(Uint32Array.from({ length: count }, (_, i) => i));
  // Each list of indices is overwritten by the next.
  const drawn: ReturnType<typeof at>[] = [];
  for (const indices of resample(count, options)) drawn.push(at(indices));
  const spread = (name: 'crossing' | 'speedup'): Interval =>
    intervalOf(
      estimate[name],
      drawn.map((d) => d[name]),
      options,
    );
  return {
    crossing: spread('crossing'),
    crosses: drawn.filter((d) => d.crossing < Number.POSITIVE_INFINITY).length / drawn.length,
    speedup: spread('speedup'),
  };
}

/** Makes the curve of any choice of problems from what is computed of each once. */
function curveMaker(
  { ks, clock = recorded }: Contender,
  problems: readonly ProblemSamples[],
  measure: Measure,
  options: ExpectationOptions,
): (indices: ArrayLike<number>) => Trade[] {
  const accuracies = accuraciesByProblem(problems, measure, ks, options);
  const seconds = ks.map((k) => Float64Array.from(problems, (p) => secondsFor(p, k, clock)));
  const meanOf = (values: Float64Array, indices: ArrayLike<number>): number => {
    let sum = 0;
    for (let i = 0; i < indices.length; i++) sum += values[indices[i] as number] as number;
    return sum / indices.length;
  };
  return (indices) =>
    ks.map((_, i) => ({
      seconds: meanOf(seconds[i] as Float64Array, indices),
      accuracy: meanOf(accuracies[i] as Float64Array, indices),
    }));
}
