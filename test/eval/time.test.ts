import { describe, expect, it } from 'vitest';
import {
  accuracyAt,
  compareInTime,
  crossing,
  type ProblemSamples,
  paretoFront,
  secondsFor,
  timeCurve,
  timeToReach,
} from '../../lib/eval/index.js';

function problem(promptId: string, right: number, n: number, seconds: number): ProblemSamples {
  return {
    promptId,
    level: undefined,
    groups: Int32Array.from({ length: n }, (_, i) => (i < right ? 0 : 1)),
    correct: Uint8Array.from({ length: n }, (_, i) => (i < right ? 1 : 0)),
    scores: new Float64Array(n),
    tokens: new Int32Array(n).fill(20),
    seconds: new Float64Array(n).fill(seconds),
    promptSeconds: 0.5,
  };
}

describe('clocks', () => {
  it('count the prompt once', () => {
    expect(secondsFor(problem('a', 1, 4, 2), 3)).toBe(6.5);
  });

  it('of a throughput count tokens', () => {
    const rates = { promptTokensPerSecond: 100, tokensPerSecond: 10 };
    const clock = { kind: 'throughput' as const, rates, promptTokens: () => 50 };
    expect(secondsFor(problem('a', 1, 4, 2), 3, clock)).toBe(0.5 + 6);
    const none = { ...clock, rates: { ...rates, tokensPerSecond: 0 } };
    expect(() => secondsFor(problem('a', 1, 4, 2), 3, none)).toThrow(
      /tokensPerSecond must be positive, got 0/,
    );
  });

  it('give curves their times', () => {
    const problems = [problem('a', 1, 4, 1), problem('b', 2, 4, 3)];
    const [one, four] = timeCurve(problems, 'coverage', [1, 4], { resamples: 50 });
    expect(one).toMatchObject({ k: 1, seconds: 2.5, accuracy: 0.375 });
    expect(four).toMatchObject({ k: 4, seconds: 8.5, accuracy: 1 });
  });
});

describe('curves against each other', () => {
  const at = (pairs: readonly (readonly [number, number])[]) =>
    pairs.map(([seconds, accuracy]) => ({ seconds, accuracy }));
  const teacher = at([
    [1, 0.3],
    [2, 0.4],
    [4, 0.5],
    [8, 0.6],
  ]);

  it('are linear in the logarithm of time', () => {
    expect(accuracyAt(teacher, Math.SQRT2)).toBeCloseTo(0.35, 12);
    expect(accuracyAt(teacher, 0.5)).toBeUndefined();
    expect(timeToReach(teacher, 0.45)).toBeCloseTo(2 * Math.SQRT2, 12);
    expect(timeToReach(teacher, 0.3)).toBe(1);
    expect(timeToReach(teacher, 0.7)).toBe(Infinity);
  });

  it('cross where the student is as good from there on', () => {
    const student = at([
      [1, 0.2],
      [2, 0.4],
      [4, 0.6],
    ]);
    expect(crossing(student, teacher)).toBeCloseTo(2, 12);
    expect(
      crossing(
        at([
          [1, 0.1],
          [8, 0.2],
        ]),
        teacher,
      ),
    ).toBe(Infinity);
    expect(
      crossing(
        at([
          [1, 0.4],
          [8, 0.9],
        ]),
        teacher,
      ),
    ).toBe(1);
    // Ahead, behind, ahead again: the second time counts.
    const late = crossing(
      at([
        [1, 0.35],
        [2, 0.35],
        [4, 0.55],
        [8, 0.7],
      ]),
      teacher,
    );
    expect(late).toBeGreaterThan(2);
    expect(late).toBeLessThan(4);
  });

  it('pair problems, and say how much faster the student is', () => {
    const slow = Array.from({ length: 30 }, (_, i) => problem(`p${i}`, 1 + (i % 5), 8, 1));
    const fast = slow.map((p) => ({
      ...p,
      seconds: new Float64Array(8).fill(0.25),
      promptSeconds: 0.125,
    }));
    const ks = [1, 2, 4, 8];
    const result = compareInTime(
      { problems: [...fast].reverse(), ks },
      { problems: slow, ks },
      'coverage',
      { resamples: 200 },
    );
    expect(result.speedup.estimate).toBeCloseTo(4, 9);
    expect(result.speedup.low).toBeCloseTo(4, 9);
    expect(result.crosses).toBe(1);
    // Problems of which some are four times as fast and some not at all: resamples differ.
    const mixed = slow.map((p, i) => (i % 2 === 0 ? p : (fast[i] as ProblemSamples)));
    const spread = compareInTime({ problems: mixed, ks }, { problems: slow, ks }, 'coverage', {
      resamples: 200,
    }).speedup;
    expect(spread.low).toBeLessThan(spread.estimate);
    expect(spread.high).toBeGreaterThan(spread.estimate);
    expect(() =>
      compareInTime({ problems: fast.slice(1), ks }, { problems: slow, ks }, 'coverage'),
    ).toThrow(/same problems, the student lacks some/);
  });
});

it('the Pareto front keeps what nothing beats', () => {
  const points = [
    { seconds: 1, accuracy: 0.3, name: 'a' },
    { seconds: 2, accuracy: 0.2, name: 'b' },
    { seconds: 2, accuracy: 0.5, name: 'c' },
    { seconds: 1, accuracy: 0.3, name: 'd' },
    { seconds: 9, accuracy: 0.5, name: 'e' },
  ];
  expect(paretoFront(points).map((p) => p.name)).toEqual(['a', 'c']);
  expect(paretoFront([])).toEqual([]);
  expect(() => paretoFront([{ seconds: Number.NaN, accuracy: 1 }])).toThrow(/point 0/);
});
