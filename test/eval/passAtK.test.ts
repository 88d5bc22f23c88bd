import { describe, expect, it } from 'vitest';
import { passAtK } from '../../lib/eval/index.js';

/** 1 - C(n - c, k) / C(n, k) as an exact fraction of integers, rounded to 40 decimal places. */
function exactPass(n: number, c: number, k: number): number {
  let missing = 1n;
  let all = 1n;
  for (let i = 0; i < k; i++) {
    missing *= BigInt(Math.max(0, n - c - i));
    all *= BigInt(n - i);
  }
  const scale = 10n ** 40n;
  return Number(((all - missing) * scale) / all) / 1e40;
}

/** The share of k-subsets of n completions, the first c correct, that hold a correct one. */
function bruteForce(n: number, c: number, k: number): number {
  let subsets = 0;
  let covered = 0;
  for (let mask = 0; mask < 2 ** n; mask++) {
    const members = Array.from({ length: n }, (_, i) => i).filter((i) => mask & (1 << i));
    if (members.length === k) {
      subsets += 1;
      covered += members.some((i) => i < c) ? 1 : 0;
    }
  }
  return covered / subsets;
}

describe('passAtK', () => {
  it('is the share of subsets that hold a correct completion', () => {
    for (let n = 1; n <= 8; n++) {
      for (let c = 0; c <= n; c++) {
        for (let k = 1; k <= n; k++) {
          expect(passAtK(n, c, k)).toBeCloseTo(bruteForce(n, c, k), 14);
        }
      }
    }
  });

  it.each([1, 2, 3, 7, 16, 100, 257, 1000])('agrees with exact arithmetic at n = %i', (n) => {
    const grid = [1, 2, 3, 5, n >> 3, n >> 2, n >> 1, n - 2, n - 1, n];
    const sizes = [...new Set(grid)].filter((value) => value >= 1 && value <= n);
    for (const c of [0, ...sizes]) {
      for (const k of sizes) {
        const exact = exactPass(n, c, k);
        expect(Math.abs(passAtK(n, c, k) - exact)).toBeLessThanOrEqual(1e-14);
        expect(Math.abs(passAtK(n, c, k) - exact)).toBeLessThanOrEqual(1e-13 * exact);
      }
    }
  });

  it.each([
    [10_000, 1, 1],
    [10_000, 1, 9_999],
    [10_000, 3, 128],
    [10_000, 17, 1_000],
    [10_000, 128, 3],
    [10_000, 2_500, 2_500],
    [10_000, 5_000, 2],
    [10_000, 5_000, 5_000],
    [10_000, 9_999, 1],
    [9_999, 4_444, 5],
  ])('agrees with exact arithmetic to 1e-12 at n = %i, c = %i, k = %i', (n, c, k) => {
    expect(Math.abs(passAtK(n, c, k) - exactPass(n, c, k))).toBeLessThanOrEqual(1e-12);
  });

  it('is c / n at k = 1, and certain or impossible at the ends', () => {
    for (const n of [1, 10, 999, 10_000]) {
      for (const c of [0, 1, n >> 1, n]) {
        expect(passAtK(n, c, 1)).toBeCloseTo(c / n, 15);
      }
      expect(passAtK(n, 0, n)).toBe(0);
      expect(passAtK(n, 1, n)).toBe(1);
      expect(passAtK(n, n, 1)).toBe(1);
    }
  });

  it('never falls as c or k grows, and stays a probability', () => {
    const n = 60;
    for (let c = 0; c < n; c++) {
      for (let k = 1; k < n; k++) {
        const pass = passAtK(n, c, k);
        expect(pass).toBeGreaterThanOrEqual(0);
        expect(pass).toBeLessThanOrEqual(1);
        expect(passAtK(n, c + 1, k)).toBeGreaterThanOrEqual(pass);
        expect(passAtK(n, c, k + 1)).toBeGreaterThanOrEqual(pass - 1e-15);
        expect(passAtK(n, k, Math.max(c, 1))).toBeCloseTo(passAtK(n, Math.max(c, 1), k), 14);
      }
    }
  });

  it.each([
    [0, 0, 1, /n must be an integer at least 1, got 0/],
    [2.5, 1, 1, /n must be an integer at least 1, got 2.5/],
    [Number.NaN, 1, 1, /n must be .* got NaN/],
    [Number.POSITIVE_INFINITY, 1, 1, /n must be .* got Infinity/],
    [4, -1, 1, /c must be an integer from 0 to 4, got -1/],
    [4, 5, 1, /c must be an integer from 0 to 4, got 5/],
    [4, 1, 0, /k must be an integer from 1 to 4, got 0/],
    [4, 1, 5, /k must be an integer from 1 to 4, got 5/],
    [4, 1, 1.5, /k must be an integer from 1 to 4, got 1.5/],
  ])('refuses n = %d, c = %d, k = %d', (n, c, k, message) => {
    expect(() => passAtK(n, c, k)).toThrow(message);
    expect(() => passAtK(n, c, k)).toThrow(RangeError);
  });
});
