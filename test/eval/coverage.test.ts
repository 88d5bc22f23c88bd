import { describe, expect, it } from 'vitest';
import { coverageCurve, passAtK, powersOfTwo, tallyByProblem } from '../../lib/eval/index.js';

const tallies = [
  { problem: 'a', samples: 16, correct: 16 },
  { problem: 'b', samples: 16, correct: 4 },
  { problem: 'c', samples: 20, correct: 1 },
  { problem: 'd', samples: 16, correct: 0 },
];

describe('tallyByProblem', () => {
  it('counts by problem in order of appearance', () => {
    const graded = [
      { problem: 7, correct: false },
      { problem: 3, correct: true },
      { problem: 7, correct: true },
      { problem: 7, correct: true },
    ];
    expect(tallyByProblem(graded)).toEqual([
      { problem: 7, samples: 3, correct: 2 },
      { problem: 3, samples: 1, correct: 1 },
    ]);
    expect(tallyByProblem([])).toEqual([]);
  });
});

describe('coverageCurve', () => {
  it('averages pass@k over problems', () => {
    for (const { k, coverage } of coverageCurve(tallies, [1, 4, 16])) {
      const expected = tallies.map(({ samples, correct }) => passAtK(samples, correct, k));
      expect(coverage).toBeCloseTo(expected.reduce((sum, pass) => sum + pass, 0) / 4, 14);
    }
  });

  it('brackets each point, rises with k and repeats by seed', () => {
    const many = Array.from({ length: 40 }, (_, i) => ({
      problem: i,
      samples: 16,
      correct: (i * 7) % 17,
    }));
    const curve = coverageCurve(many, powersOfTwo(16), { seed: 5 });
    expect(curve.map(({ k }) => k)).toEqual([1, 2, 4, 8, 16]);
    curve.forEach(({ coverage, low, high }, i) => {
      expect(low).toBeLessThanOrEqual(coverage);
      expect(high).toBeGreaterThanOrEqual(coverage);
      expect(coverage).toBeGreaterThanOrEqual(curve[i - 1]?.coverage ?? 0);
    });
    expect(coverageCurve(many, powersOfTwo(16), { seed: 5 })).toEqual(curve);
    expect(coverageCurve(many, powersOfTwo(16), { seed: 6 })).not.toEqual(curve);
  });

  it('has no width for one problem', () => {
    const [point] = coverageCurve([{ problem: 0, samples: 4, correct: 1 }], [2]);
    expect(point).toEqual({ k: 2, coverage: 0.5, low: 0.5, high: 0.5 });
  });

  it('names the problem that has too few samples', () => {
    expect(() => coverageCurve(tallies, [1, 18])).toThrow(
      /k = 18 needs 18 samples of every problem, but problem "a" has 16/,
    );
    expect(() => coverageCurve([], [1])).toThrow(/at least one problem/);
    expect(() => coverageCurve(tallies, [0])).toThrow(/k must be an integer/);
  });
});

describe('powersOfTwo', () => {
  it('ends at its limit', () => {
    expect(powersOfTwo(1)).toEqual([1]);
    expect(powersOfTwo(16)).toEqual([1, 2, 4, 8, 16]);
    expect(powersOfTwo(12)).toEqual([1, 2, 4, 8, 12]);
    expect(() => powersOfTwo(0)).toThrow(/limit .* got 0/);
  });
});
