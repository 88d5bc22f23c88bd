import { randomIntegers } from './random.js';
import { quantile, standardDeviation } from './statistics.js';

/** Options of {@link bootstrap}. */
export interface BootstrapOptions {
  /** Resamples drawn; 2,000 by default. */
  readonly resamples?: number;
  /** Mass inside the interval, between 0 and 1; 0.95 by default. */
  readonly confidence?: number;
  /** The same seed gives the same interval; 0 by default. */
  readonly seed?: number;
}

/** A statistic with its percentile interval, in the statistic's own unit. */
export interface Interval {
  /** The statistic of the data as they are. */
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
  /** Standard deviation of the statistic over the resamples. */
  readonly standardError: number;
}

/**
 * Percentile bootstrap (Efron and Tibshirani 1993, section 13.3): the statistic over resamples of
 * the items with replacement. Resample whole problems, not completions: completions of one problem
 * are not independent of each other.
 *
 * @throws RangeError where there are no items or an option is out of range
 */
export function bootstrap<T>(
  items: readonly T[],
  statistic: (sample: readonly T[]) => number,
  options: BootstrapOptions = {},
): Interval {
  const values: number[] = [];
  for (const indices of resample(items.length, options)) {
    values.push(statistic(Array.from(indices, (index) => items[index] as T)));
  }
  return intervalOf(statistic(items), values, options);
}

/**
 * The resamples of `count` items, as lists of indices. Each list is only valid until the next one
 * is drawn.
 */
export function* resample(count: number, options: BootstrapOptions): Generator<Uint32Array> {
  const { resamples = 2000, seed = 0 } = options;
  if (count < 1) {
    throw new RangeError('bootstrap: expected at least one item, got none');
  }
  if (!Number.isInteger(resamples) || resamples < 1) {
    throw new RangeError(
      `bootstrap: resamples must be an integer of at least 1, got ${String(resamples)}`,
    );
  }
  const draw = randomIntegers(seed);
  const indices = new Uint32Array(count);
  for (let r = 0; r < resamples; r++) {
    for (let i = 0; i < count; i++) {
      indices[i] = draw(count);
    }
    yield indices;
  }
}

/** The percentile interval of resampled values around the estimate from the data. */
export function intervalOf(
  estimate: number,
  values: ArrayLike<number>,
  options: BootstrapOptions,
): Interval {
  const { confidence = 0.95 } = options;
  if (!(confidence > 0 && confidence < 1)) {
    throw new RangeError(
      `bootstrap: confidence must be between 0 and 1, got ${String(confidence)}`,
    );
  }
  const tail = (1 - confidence) / 2;
  return {
    estimate,
    low: quantile(values, tail),
    high: quantile(values, 1 - tail),
    standardError: standardDeviation(values),
  };
}
