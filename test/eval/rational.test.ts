import { describe, expect, it } from 'vitest';
import {
  addRational,
  divideRational,
  equalRational,
  formatRational,
  negateRational,
  rational,
} from '../../lib/eval/rational.js';

describe('rational', () => {
  it('is in lowest terms with a positive denominator', () => {
    expect(rational(6n, -4n)).toEqual({ numerator: -3n, denominator: 2n });
    expect(rational(-6n, -4n)).toEqual({ numerator: 3n, denominator: 2n });
    expect(rational(0n, -7n)).toEqual({ numerator: 0n, denominator: 1n });
    expect(() => rational(1n, 0n)).toThrow(/denominator of 1\/0 is zero/);
    expect(() => divideRational(rational(1n), rational(0n))).toThrow(RangeError);
  });

  it('obeys the laws of arithmetic over a grid', () => {
    const grid = Array.from({ length: 15 }, (_, i) => BigInt(i - 7));
    for (const a of grid) {
      for (const b of grid.filter((value) => value !== 0n)) {
        const x = rational(a, b);
        const y = rational(b + 8n, 3n);
        expect(equalRational(addRational(x, negateRational(x)), rational(0n))).toBe(true);
        expect(equalRational(addRational(x, y), addRational(y, x))).toBe(true);
        expect(equalRational(divideRational(x, y), rational(a * 3n, b * (b + 8n)))).toBe(true);
      }
    }
  });

  it.each([
    [5n, 1n, '5'],
    [-1n, 2n, '-0.5'],
    [1n, 3n, '1/3'],
    [-22n, 7n, '-22/7'],
    [1n, 8n, '0.125'],
    [1n, 1000n, '0.001'],
    [1n, 2n ** 30n, '0.000000000931322574615478515625'],
    [1n, 2n ** 31n, `1/${2n ** 31n}`],
  ])('spells %s / %s as %s', (numerator, denominator, text) => {
    expect(formatRational(rational(numerator, denominator))).toBe(text);
  });
});
