/** Exact fractions, in lowest terms with a positive denominator. */
import { OverBudget } from './budget.js';

export interface Rational {
  readonly n: bigint;
  readonly d: bigint;
}

/** Numbers beyond this many bits are too large to compare. */
const MOST_BITS = 4096;

export const ZERO: Rational = { n: 0n, d: 1n };
export const ONE: Rational = { n: 1n, d: 1n };

export const magnitude = (n: bigint): bigint => (n < 0n ? -n : n);

/** Bits of a positive number, to four. */
export const bitsOf = (n: bigint): number => magnitude(n).toString(16).length * 4;

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [magnitude(a), magnitude(b)];
  while (y) [x, y] = [y, x % y];
  return x;
}

/** @throws OverBudget where the numbers are too large, RangeError where d is 0. */
export function fraction(n: bigint, d = 1n): Rational {
  if (d === 0n) throw new RangeError('a fraction over 0');
  if (bitsOf(n) > MOST_BITS || bitsOf(d) > MOST_BITS) throw new OverBudget();
  const by = gcd(n, d) * (d < 0n ? -1n : 1n);
  return by === 1n ? { n, d } : { n: n / by, d: d / by };
}

export const plus = (a: Rational, b: Rational) => fraction(a.n * b.d + b.n * a.d, a.d * b.d);
export const times = (a: Rational, b: Rational) => fraction(a.n * b.n, a.d * b.d);
export const inverse = (a: Rational) => fraction(a.d, a.n);
export const same = (a: Rational, b: Rational) => a.n === b.n && a.d === b.d;

/** A whole power. */
export function raised(a: Rational, exponent: number): Rational {
  const size = Math.max(magnitude(a.n) > 1n ? bitsOf(a.n) : 0, a.d > 1n ? bitsOf(a.d) : 0);
  if (size * Math.abs(exponent) > MOST_BITS) throw new OverBudget();
  const e = BigInt(Math.abs(exponent));
  return exponent >= 0 ? fraction(a.n ** e, a.d ** e) : fraction(a.d ** e, a.n ** e);
}

/** Reads digits with a decimal point: "12.50". */
export function decimal(text: string): Rational {
  const [whole = '', part = ''] = text.split('.');
  if (whole.length + part.length > MOST_BITS / 4) throw new OverBudget();
  return fraction(BigInt(`${whole}${part}` || '0'), 10n ** BigInt(part.length));
}

/** The whole number that a fraction is, where it is one that JavaScript counts with. */
export function wholeOf(a: Rational): number | undefined {
  const n = Number(a.n);
  return a.d === 1n && Number.isSafeInteger(n) ? n : undefined;
}
