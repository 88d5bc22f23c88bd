import { describe, expect, it } from 'vitest';
import {
  accuracyCurve,
  bestOfN,
  expectedAccuracy,
  greedyAccuracy,
  type Measure,
  majorityVote,
  measures,
  overSeeds,
  type ProblemSamples,
  problemSamples,
  weightedBestOfN,
} from '../../lib/eval/index.js';
import { randomIntegers } from '../../lib/eval/random.js';
import { type CompletionRow, tableOf } from '../../lib/results/index.js';

describe('votes', () => {
  it('take the answer that most give, the first seen of a tie', () => {
    expect(majorityVote(['1', '2', '2'])).toEqual({ answer: '2', votes: 2 });
    expect(majorityVote(['2', '1', '1', '2'])).toEqual({ answer: '2', votes: 2 });
    expect(majorityVote(['1'])).toEqual({ answer: '1', votes: 1 });
  });

  it('count equal spellings together, or letter by letter where asked', () => {
    const answers = ['0.5', '\\frac12', '3', '3', '\\frac{1}{2}'];
    expect(majorityVote(answers)).toEqual({ answer: '0.5', votes: 3 });
    expect(majorityVote(answers, { equal: 'string' })).toEqual({ answer: '3', votes: 2 });
  });

  it('never let what was not parsed win', () => {
    expect(majorityVote([undefined, undefined, '7'])).toEqual({ answer: '7', votes: 1 });
    expect(majorityVote([undefined])).toEqual({ answer: undefined, votes: 0 });
    expect(bestOfN([undefined, '7'], [9, -9])).toEqual({ answer: '7', score: -9 });
    expect(weightedBestOfN([undefined, '7'], [9, -9])).toEqual({ answer: '7', score: -9 });
    expect(bestOfN([undefined], [1])).toEqual({ answer: undefined, score: -Infinity });
  });

  it('take the highest score and the largest sum, the first seen of a tie', () => {
    expect(bestOfN(['1', '2', '3'], [0.1, 0.7, 0.7])).toEqual({ answer: '2', score: 0.7 });
    const weighted = weightedBestOfN(['1', '2', '2'], [0.5, 0.25, 0.25]);
    expect(weighted).toEqual({ answer: '1', score: 0.5 });
    expect(weightedBestOfN(['1', '2', '2'], [0.5, 0.3, 0.3])).toEqual({ answer: '2', score: 0.6 });
  });

  it('add negative scores', () => {
    expect(weightedBestOfN(['1', '1', '2'], [-1, -1, -1.5])).toEqual({ answer: '2', score: -1.5 });
    expect(weightedBestOfN(['1', '2', '1'], [1, -0.5, -1])).toEqual({ answer: '1', score: 0 });
  });

  it('refuse empty lists, NaN and lists that do not fit', () => {
    expect(() => majorityVote([])).toThrow(/at least one answer, got none/);
    expect(() => bestOfN([], [])).toThrow(/at least one answer/);
    expect(() => bestOfN(['1', '2'], [1])).toThrow(/2 answers, but 1 scores/);
    expect(() => weightedBestOfN(['1', '2'], [1, Number.NaN])).toThrow(/score 1 is NaN/);
    expect(() => majorityVote([5 as never])).toThrow(/answer 0 must be a string/);
    expect(() => majorityVote(['5'], { equal: 'same' as never })).toThrow(/equal must be/);
  });
});

/** A random problem: few answers, so that ties happen; scores in halves, some negative. */
function problem(seed: number, n: number): ProblemSamples {
  const draw = randomIntegers(seed);
  const raw = Array.from({ length: n }, () => draw(4) - 1);
  const order: number[] = [];
  const groups = Int32Array.from(raw, (g) => {
    if (g === -1) return -1;
    if (!order.includes(g)) order.push(g);
    return order.indexOf(g);
  });
  const right = draw(3);
  return {
    promptId: `p${seed}`,
    level: undefined,
    groups,
    correct: Uint8Array.from(groups, (g) => (g === right ? 1 : 0)),
    scores: Float64Array.from({ length: n }, () => (draw(7) - 3) / 2),
    tokens: Int32Array.from({ length: n }, () => draw(100)),
    seconds: Float64Array.from({ length: n }, () => draw(10) / 10),
    promptSeconds: 0.1,
  };
}

/** The definition: the rule on the answers of every subset of k. */
function brute(p: ProblemSamples, measure: Measure, k: number): number {
  const n = p.groups.length;
  let [right, count] = [0, 0];
  for (let bits = 0; bits < 1 << n; bits++) {
    const picked = Array.from({ length: n }, (_, i) => i).filter((i) => bits & (1 << i));
    if (picked.length !== k) continue;
    count++;
    const answers = picked.map((i) => (p.groups[i] === -1 ? undefined : String(p.groups[i])));
    const scores = picked.map((i) => p.scores[i] as number);
    const string = { equal: 'string' } as const;
    if (measure === 'coverage') right += picked.some((i) => p.correct[i] === 1) ? 1 : 0;
    else {
      const { answer } =
        measure === 'majority'
          ? majorityVote(answers, string)
          : measure === 'best'
            ? bestOfN(answers, scores)
            : weightedBestOfN(answers, scores, string);
      const first = picked.find((i) => String(p.groups[i]) === answer);
      right += answer !== undefined && first !== undefined ? (p.correct[first] as number) : 0;
    }
  }
  return right / count;
}

describe('expectations over subsets', () => {
  it.each(measures)('of %s equal all subsets gone through', (measure) => {
    for (let seed = 0; seed < 12; seed++) {
      const n = 1 + (seed % 12);
      const p = problem(seed, n);
      for (let k = 1; k <= n; k++) {
        expect(expectedAccuracy(p, measure, k)).toBeCloseTo(brute(p, measure, k), 12);
      }
    }
  });

  it('by drawn subsets come near the exact ones, the same for the same seed', () => {
    for (const measure of ['majority', 'weighted'] as const) {
      const p = problem(3, 12);
      const options = { exactUpTo: 0, draws: 20_000, seed: 4 };
      const drawn = expectedAccuracy(p, measure, 5, options);
      expect(Math.abs(drawn - brute(p, measure, 5))).toBeLessThan(0.02);
      expect(expectedAccuracy(p, measure, 5, options)).toBe(drawn);
    }
  });

  it('refuse k beyond the samples and missing scores', () => {
    const p = problem(1, 5);
    expect(() => expectedAccuracy(p, 'coverage', 6)).toThrow(
      /from 1 to the 5 samples of problem p1, got 6/,
    );
    expect(() => expectedAccuracy(p, 'coverage', 0)).toThrow(/got 0/);
    const unscored = { ...p, scores: new Float64Array(5).fill(Number.NaN) };
    expect(() => expectedAccuracy(unscored, 'best', 2)).toThrow(/completion 0 has no score/);
    expect(expectedAccuracy(unscored, 'majority', 2)).toBeGreaterThanOrEqual(0);
  });
});

describe('curves', () => {
  const row = (
    promptId: string,
    sampleId: number,
    answer: string | undefined,
    seed = 0,
  ): CompletionRow => ({
    promptId,
    sampleId,
    answer,
    gold: '5',
    correct: answer === '5',
    reward: sampleId,
    tokens: 10,
    seconds: 1,
    promptSeconds: 0.5,
    stopReason: 'eos',
    model: 'm',
    seed,
    task: 'gsm8k',
    level: undefined,
  });

  it('part a table by problem, seeds one after the other', () => {
    const table = tableOf([
      row('a', 1, '5.0'),
      row('b', 0, '4'),
      row('a', 0, '5'),
      row('a', 0, undefined, 1),
    ]);
    const [a, b] = problemSamples(table);
    expect(a).toMatchObject({ promptId: 'a', promptSeconds: 0.5 });
    expect([...(a as ProblemSamples).groups]).toEqual([0, 0, -1]);
    expect([...(a as ProblemSamples).correct]).toEqual([1, 0, 0]);
    expect(b?.promptId).toBe('b');
    const other = tableOf([row('a', 0, '5'), { ...row('a', 1, '5'), model: 'n' }]);
    expect(() => problemSamples(other)).toThrow(/one model expected.*'m' and 'n'/);
  });

  it('have their interval around the mean over problems', () => {
    const problems = Array.from({ length: 40 }, (_, i) => problem(i, 8));
    const points = accuracyCurve(problems, 'majority', [1, 2, 8], { resamples: 500 });
    for (const { k, accuracy, low, high } of points) {
      const mean = problems.reduce((sum, p) => sum + brute(p, 'majority', k), 0) / 40;
      expect(accuracy).toBeCloseTo(mean, 12);
      expect(low).toBeLessThanOrEqual(accuracy);
      expect(high).toBeGreaterThanOrEqual(accuracy);
    }
    expect(() => accuracyCurve([], 'majority', [1])).toThrow(/at least one problem/);
  });

  it('greedy accuracy wants one completion a problem', () => {
    expect(
      greedyAccuracy(problemSamples(tableOf([row('a', 0, '5'), row('b', 0, '4')]))).accuracy,
    ).toBe(0.5);
    const two = problemSamples(tableOf([row('a', 0, '5'), row('a', 1, '5')]));
    expect(() => greedyAccuracy(two)).toThrow(/one completion a problem expected, a has 2/);
  });

  it('over seeds are a mean with its standard error', () => {
    const { estimate, standardError, low, high } = overSeeds([1, 2, 3]);
    expect([estimate, standardError]).toEqual([2, 1 / Math.sqrt(3)]);
    expect(high - low).toBeCloseTo((2 * 1.96) / Math.sqrt(3), 12);
  });
});
