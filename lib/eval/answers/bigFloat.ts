/**
 * Binary floating point of any precision on bigints: `m * 2^e`. Enough functions to tell two
 * constants apart, none of them fast.
 */
import { OverBudget, Unreadable } from './budget.js';
import { magnitude, type Rational } from './fraction.js';

export interface BigFloat {
  readonly m: bigint;
  readonly e: number;
}

/** Magnitudes beyond two to this are too large. */
const MOST_EXPONENT = 100_000;

/** Arithmetic that keeps `bits` bits. */
export class Precision {
  private readonly constants = new Map<string, BigFloat>();

  constructor(readonly bits: number) {}

  /** Cuts a number to the precision. */
  round(m: bigint, e: number): BigFloat {
    if (m === 0n) return { m: 0n, e: 0 };
    const length = magnitude(m).toString(2).length;
    if (Math.abs(e + length) > MOST_EXPONENT) throw new OverBudget();
    const extra = length - this.bits;
    return extra > 0 ? { m: m >> BigInt(extra), e: e + extra } : { m, e };
  }

  of(r: Rational | number): BigFloat {
    if (typeof r === 'number') return this.round(BigInt(r), 0);
    return this.round(
      (r.n << BigInt(this.bits + bitLength(r.d))) / r.d,
      -this.bits - bitLength(r.d),
    );
  }

  add(a: BigFloat, b: BigFloat): BigFloat {
    if (a.m === 0n) return b;
    if (b.m === 0n) return a;
    const [high, low] = a.e >= b.e ? [a, b] : [b, a];
    const gap = high.e - low.e;
    // The smaller one lies below the other's last bit.
    if (gap > 4 * this.bits) return this.round(high.m, high.e);
    return this.round((high.m << BigInt(gap)) + low.m, low.e);
  }

  neg = (a: BigFloat): BigFloat => ({ m: -a.m, e: a.e });
  sub = (a: BigFloat, b: BigFloat): BigFloat => this.add(a, this.neg(b));
  mul = (a: BigFloat, b: BigFloat): BigFloat => this.round(a.m * b.m, a.e + b.e);

  div(a: BigFloat, b: BigFloat): BigFloat {
    if (b.m === 0n) throw new Unreadable('a division by 0');
    const shift = this.bits + bitLength(b.m);
    return this.round((a.m << BigInt(shift)) / b.m, a.e - b.e - shift);
  }

  /** Below 0, 0 or above 0 as a is below, at or above b. */
  compare(a: BigFloat, b: BigFloat): number {
    const { m } = this.sub(a, b);
    return m < 0n ? -1 : m > 0n ? 1 : 0;
  }

  /** The exponent of the leading bit; minus infinity for 0. */
  size = (a: BigFloat): number => (a.m === 0n ? -Infinity : a.e + bitLength(a.m));

  toNumber(a: BigFloat): number {
    const extra = Math.max(0, bitLength(a.m) - 60);
    return Number(a.m >> BigInt(extra)) * 2 ** (a.e + extra);
  }

  sqrt(a: BigFloat): BigFloat {
    if (a.m < 0n) throw new Unreadable('a root of a negative number');
    if (a.m === 0n) return a;
    let shift = 2 * this.bits;
    if ((a.e - shift) % 2 !== 0) shift++;
    return this.round(rootOf(a.m << BigInt(shift)), (a.e - shift) / 2);
  }

  private constant(name: string, make: () => BigFloat): BigFloat {
    const known = this.constants.get(name);
    if (known) return known;
    const value = make();
    this.constants.set(name, value);
    return value;
  }

  /** 2 atanh(z) for a small z. */
  private logSeries(z: BigFloat): BigFloat {
    const square = this.mul(z, z);
    let [term, sum] = [z, z];
    for (let k = 3; this.size(term) > this.size(sum) - this.bits; k += 2) {
      term = this.mul(term, square);
      if (term.m === 0n) break;
      sum = this.add(sum, this.div(term, this.of(k)));
    }
    return this.mul(sum, this.of(2));
  }

  ln2 = (): BigFloat =>
    this.constant('ln2', () => this.logSeries(this.div(this.of(1), this.of(3))));

  ln(a: BigFloat): BigFloat {
    if (a.m <= 0n) throw new Unreadable('a logarithm of a number that is not positive');
    let shift = this.size(a);
    let x: BigFloat = { m: a.m, e: a.e - shift };
    if (this.compare(x, this.of({ n: 3n, d: 4n })) < 0) {
      x = { m: x.m, e: x.e + 1 };
      shift--;
    }
    const one = this.of(1);
    const part = this.logSeries(this.div(this.sub(x, one), this.add(x, one)));
    return this.add(part, this.mul(this.of(shift), this.ln2()));
  }

  exp(a: BigFloat): BigFloat {
    const times = Math.round(this.toNumber(a) / Math.LN2);
    if (!(Math.abs(times) < MOST_EXPONENT)) throw new OverBudget();
    const rest = this.sub(a, this.mul(this.of(times), this.ln2()));
    const halvings = 12;
    const small: BigFloat = { m: rest.m, e: rest.e - halvings };
    let sum = this.series(small, (k) => k);
    for (let i = 0; i < halvings; i++) sum = this.mul(sum, sum);
    return { m: sum.m, e: sum.e + times };
  }

  /** 1 + x / d(1) + x^2 / (d(1) d(2)) + ... */
  private series(x: BigFloat, divisor: (k: number) => number): BigFloat {
    let [term, sum] = [this.of(1), this.of(1)];
    for (let k = 1; term.m !== 0n && this.size(term) > -this.bits - 8; k++) {
      term = this.div(this.mul(term, x), this.of(divisor(k)));
      sum = this.add(sum, term);
    }
    return sum;
  }

  pi = (): BigFloat =>
    this.constant('pi', () => {
      const at = (n: number) => this.atanSmall(this.div(this.of(1), this.of(n)));
      // Machin 1706: 16 atan(1/5) - 4 atan(1/239).
      return this.sub(this.mul(this.of(16), at(5)), this.mul(this.of(4), at(239)));
    });

  private atanSmall(z: BigFloat): BigFloat {
    const square = this.neg(this.mul(z, z));
    let [term, sum] = [z, z];
    for (let k = 3; term.m !== 0n && this.size(term) > this.size(sum) - this.bits; k += 2) {
      term = this.mul(term, square);
      sum = this.add(sum, this.div(term, this.of(k)));
    }
    return sum;
  }

  atan(a: BigFloat): BigFloat {
    const one = this.of(1);
    let x = a;
    let doublings = 0;
    // atan x = 2 atan(x / (1 + sqrt(1 + x^2))).
    while (this.size(x) > -3) {
      x = this.div(x, this.add(one, this.sqrt(this.add(one, this.mul(x, x)))));
      doublings++;
    }
    const part = this.atanSmall(x);
    return { m: part.m, e: part.e + doublings };
  }

  /** Sine and cosine. */
  turn(a: BigFloat): { sin: BigFloat; cos: BigFloat } {
    const half = { ...this.pi(), e: this.pi().e - 1 };
    const quarters = Math.round(this.toNumber(a) / (Math.PI / 2));
    if (!(Math.abs(quarters) < 1e12)) throw new OverBudget();
    const x = this.sub(a, this.mul(this.of(quarters), half));
    const square = this.neg(this.mul(x, x));
    const cos = this.series(square, (k) => (2 * k - 1) * 2 * k);
    const sin = this.mul(
      x,
      this.series(square, (k) => 2 * k * (2 * k + 1)),
    );
    const turned = [
      { sin, cos },
      { sin: cos, cos: this.neg(sin) },
      { sin: this.neg(sin), cos: this.neg(cos) },
      { sin: this.neg(cos), cos: sin },
    ];
    return turned[((quarters % 4) + 4) % 4] as { sin: BigFloat; cos: BigFloat };
  }
}

function bitLength(n: bigint): number {
  return magnitude(n).toString(2).length;
}

/** The whole part of a square root, by Newton's steps. */
function rootOf(n: bigint): bigint {
  let x = 1n << BigInt(Math.ceil(bitLength(n) / 2));
  for (;;) {
    const next = (x + n / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}
