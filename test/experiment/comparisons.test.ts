import { describe, expect, it } from 'vitest';
import type { ProblemSamples } from '../../lib/eval/index.js';
import {
  difference,
  differenceAtSameTime,
  gain,
  pairsOf,
  speedRatio,
  verdictOf,
} from '../../lib/experiment/index.js';

const OPTIONS = { resamples: 400, seed: 3 };

/** A problem whose first `right` of 8 completions are right, each taking so long. */
function problem(i: number, right: number, seconds: number): ProblemSamples {
  return {
    promptId: `p${i}`,
    level: undefined,
    groups: Int32Array.from({ length: 8 }, (_, at) => (at < right ? 0 : 1 + at)),
    correct: Uint8Array.from({ length: 8 }, (_, at) => Number(at < right)),
    scores: Float64Array.from({ length: 8 }, (_, at) => (at < right ? 0.9 : 0.1)),
    tokens: new Int32Array(8).fill(10),
    seconds: new Float64Array(8).fill(seconds),
    promptSeconds: 0,
  };
}

const one = Array.from({ length: 40 }, (_, i) => problem(i, 1 + (i % 4), 1));
const other = one.map((p, i) => problem(i, p.correct.reduce((a, b) => a + b, 0) + 2, 2));

describe('comparisons', () => {
  it('pair problems by their ids, whatever the order', () => {
    expect(pairsOf(one, [...other].reverse()).every(([a, b]) => a.promptId === b.promptId)).toBe(
      true,
    );
    expect(() => pairsOf(one, other.slice(1))).toThrow(/has not answered p0/);
  });

  it('give the exact difference with one completion: two right of eight more', () => {
    const { estimate, low, high } = difference(pairsOf(other, one), 'coverage', 1, OPTIONS);
    // Every pair differs by exactly a quarter, so that no resample differs.
    expect([estimate, low, high]).toEqual([0.25, 0.25, 0.25]);
  });

  it('give the ratio of times', () => {
    expect(speedRatio(pairsOf(one, other), OPTIONS)).toMatchObject({
      estimate: 2,
      low: 2,
      high: 2,
    });
  });

  it('compare at the same time: eight of the fast ones against four of the slow', () => {
    const same = one.map((p) => ({ ...p, seconds: new Float64Array(8).fill(2) }));
    const { estimate } = differenceAtSameTime(pairsOf(one, same), 'coverage', OPTIONS);
    const more = gain(one, ['coverage', 4], ['coverage', 8], OPTIONS);
    expect(estimate).toBeCloseTo(more.estimate, 9);
    expect(estimate).toBeGreaterThan(0);
  });

  it('give nothing to a model that is not done with one completion by then', () => {
    const slow = one.map((p) => ({ ...p, seconds: new Float64Array(8).fill(100) }));
    const { estimate, low, high } = differenceAtSameTime(pairsOf(slow, one), 'coverage', OPTIONS);
    expect(estimate).toBeCloseTo(-1, 9);
    expect([low, high].every(Number.isFinite)).toBe(true);
  });

  it('have intervals that hold the estimate where problems differ', () => {
    const { estimate, low, high } = gain(one, ['majority', 1], ['weighted', 8], OPTIONS);
    expect(low).toBeLessThan(estimate);
    expect(high).toBeGreaterThan(estimate);
  });
});

describe('verdicts', () => {
  const interval = (low: number, high: number) => ({
    estimate: (low + high) / 2,
    low,
    high,
    standardError: 0,
  });

  it.each([
    [interval(0.1, 0.2), { above: 0 }, 'supported'],
    [interval(-0.1, 0.2), { above: 0 }, 'undecided'],
    [interval(-0.2, -0.1), { above: 0 }, 'not supported'],
    [interval(-0.3, -0.2), { below: -0.1 }, 'supported'],
    [interval(-0.05, 0), { below: -0.1 }, 'not supported'],
    [interval(-0.02, 0.02), { between: [-0.03, 0.03] }, 'supported'],
    [interval(0.1, 0.2), { between: [-0.03, 0.03] }, 'not supported'],
    [interval(0.01, 0.2), { between: [-0.03, 0.03] }, 'undecided'],
    [interval(Number.NaN, Number.NaN), { above: 0 }, 'undecided'],
  ] as const)('of %o against %o: %s', (found, claimed, verdict) => {
    expect(verdictOf(found, claimed)).toBe(verdict);
  });
});
