import { describe, expect, it } from 'vitest';
import { bootstrap, mean, median, quantile, standardDeviation } from '../../lib/eval/index.js';
import { randomIntegers } from '../../lib/eval/random.js';

describe('statistics', () => {
  it('computes textbook values', () => {
    const values = [2, 4, 4, 4, 5, 5, 7, 9];
    expect(mean(values)).toBe(5);
    expect(standardDeviation(values)).toBeCloseTo(Math.sqrt(32 / 7), 15);
    expect(median(values)).toBe(4.5);
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(quantile(values, 0)).toBe(2);
    expect(quantile(values, 1)).toBe(9);
    expect(quantile([10, 20], 0.25)).toBe(12.5);
    expect(standardDeviation([3])).toBe(0);
  });

  it('keeps the small among the large', () => {
    expect(mean([1e16, 1, -1e16, 1])).toBe(0.5);
    expect(mean(Array.from({ length: 1_000_000 }, () => 0.1))).toBe(0.1);
  });

  it('leaves its argument in order', () => {
    const values = [3, 1, 2];
    quantile(values, 0.5);
    expect(values).toEqual([3, 1, 2]);
  });

  it('refuses empty lists and impossible quantiles', () => {
    expect(() => mean([])).toThrow(/mean: expected at least one value/);
    expect(() => median([])).toThrow(RangeError);
    expect(() => quantile([1], 1.5)).toThrow(/q must be from 0 to 1, got 1.5/);
    expect(() => quantile([1], Number.NaN)).toThrow(RangeError);
  });
});

describe('randomIntegers', () => {
  it('draws every value equally often', () => {
    const draw = randomIntegers(7);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) {
      const value = draw(10);
      counts[value] = (counts[value] ?? Number.NaN) + 1;
    }
    const chiSquare = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    // The 99.9 % point of the chi-square distribution with 9 degrees of freedom.
    expect(chiSquare).toBeLessThan(27.9);
  });

  it('repeats by seed and differs between seeds', () => {
    const draws = (seed: number) => {
      const draw = randomIntegers(seed);
      return Array.from({ length: 20 }, () => draw(1_000_000));
    };
    expect(draws(1)).toEqual(draws(1));
    expect(draws(1)).not.toEqual(draws(2));
    expect(() => randomIntegers(0.5)).toThrow(/seed must be an integer, got 0.5/);
  });
});

describe('bootstrap', () => {
  const average = (sample: readonly number[]) => mean(sample);

  it('finds the standard error of a mean', () => {
    const draw = randomIntegers(3);
    const items = Array.from({ length: 200 }, () => draw(1000) / 1000);
    const { estimate, low, high, standardError } = bootstrap(items, average, { resamples: 4000 });
    const expected = standardDeviation(items) / Math.sqrt(items.length);
    expect(estimate).toBe(mean(items));
    expect(standardError / expected).toBeGreaterThan(0.93);
    expect(standardError / expected).toBeLessThan(1.07);
    expect((high - low) / (2 * 1.96 * expected)).toBeGreaterThan(0.9);
    expect((high - low) / (2 * 1.96 * expected)).toBeLessThan(1.1);
  });

  it('holds the true mean about as often as it says', () => {
    let held = 0;
    const trials = 200;
    for (let trial = 0; trial < trials; trial++) {
      const draw = randomIntegers(1000 + trial);
      const items = Array.from({ length: 60 }, () => (draw(100) < 30 ? 1 : 0));
      const { low, high } = bootstrap(items, average, { resamples: 400, seed: trial });
      held += low <= 0.3 && 0.3 <= high ? 1 : 0;
    }
    expect(held / trials).toBeGreaterThan(0.88);
    expect(held / trials).toBeLessThan(0.995);
  });

  it('repeats by seed, narrows with less confidence', () => {
    const items = [1, 2, 3, 4, 5, 6, 7];
    expect(bootstrap(items, average, { seed: 4 })).toEqual(bootstrap(items, average, { seed: 4 }));
    const wide = bootstrap(items, average, { confidence: 0.99 });
    const narrow = bootstrap(items, average, { confidence: 0.5 });
    expect(narrow.high - narrow.low).toBeLessThan(wide.high - wide.low);
  });

  it('has no width where items do not differ', () => {
    const { estimate, low, high, standardError } = bootstrap([2, 2, 2], average);
    expect([estimate, low, high, standardError]).toEqual([2, 2, 2, 0]);
  });

  it('refuses empty data and bad options', () => {
    expect(() => bootstrap([], average)).toThrow(/at least one item/);
    expect(() => bootstrap([1], average, { resamples: 0 })).toThrow(/resamples .* got 0/);
    expect(() => bootstrap([1], average, { confidence: 1 })).toThrow(/confidence .* got 1/);
    expect(() => bootstrap([1], average, { seed: 0.1 })).toThrow(/seed .* got 0.1/);
  });
});
