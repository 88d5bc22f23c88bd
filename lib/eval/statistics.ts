/**
 * Arithmetic mean, by compensated summation.
 *
 * @throws RangeError for an empty list
 */
export function mean(values: ArrayLike<number>): number {
  requireSome('mean', values);
  let sum = 0;
  let compensation = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    const next = sum + value;
    compensation += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  return (sum + compensation) / values.length;
}

/**
 * Sample standard deviation (divisor count - 1); 0 for a single value.
 *
 * @throws RangeError for an empty list
 */
export function standardDeviation(values: ArrayLike<number>): number {
  const centre = mean(values);
  if (values.length === 1) {
    return 0;
  }
  const squares = Array.from(values, (value) => (value - centre) ** 2);
  return Math.sqrt((mean(squares) * values.length) / (values.length - 1));
}

/**
 * The q-quantile with linear interpolation between order statistics (type 7 of Hyndman and Fan
 * 1996, the default of NumPy and R).
 *
 * @param values in any order; not changed
 * @param q from 0 to 1
 * @throws RangeError for an empty list or a q outside [0, 1]
 */
export function quantile(values: ArrayLike<number>, q: number): number {
  requireSome('quantile', values);
  if (!(q >= 0 && q <= 1)) {
    throw new RangeError(`quantile: q must be from 0 to 1, got ${String(q)}`);
  }
  const sorted = Float64Array.from(values).sort();
  const position = (sorted.length - 1) * q;
  const below = Math.floor(position);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  return low === high || position === below ? low : low + (high - low) * (position - below);
}

/**
 * The middle value, or the mean of the two in the middle.
 *
 * @throws RangeError for an empty list
 */
export function median(values: ArrayLike<number>): number {
  return quantile(values, 0.5);
}

function requireSome(name: string, values: ArrayLike<number>): void {
  if (values.length === 0) {
    throw new RangeError(`${name}: expected at least one value, got an empty list`);
  }
}
