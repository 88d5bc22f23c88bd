/** What a rule's answer is worth when only k of n completions are there: expectations over subsets. */
import { passAtK } from '../passAtK.js';
import { randomIntegers } from '../random.js';
import { UNPARSED } from './groups.js';
import type { ProblemSamples } from './problemSamples.js';

/**
 * How one answer is chosen, or whether any is right: `coverage` (pass@k), `majority` vote, `best` of N
 * by score, `weighted` best of N.
 */
export type Measure = 'coverage' | 'majority' | 'best' | 'weighted';

/** Every measure. */
export const measures: readonly Measure[] = ['coverage', 'majority', 'best', 'weighted'];

/** Options of {@link expectedAccuracy}. */
export interface ExpectationOptions {
  /** Subsets drawn where they are too many to go through; default 200. */
  readonly draws?: number;
  /** Subsets up to this many are all gone through; default 2,000. */
  readonly exactUpTo?: number;
  /** Default 0. */
  readonly seed?: number;
}

/**
 * The chance that the measure's answer is right for k completions drawn from a problem's n without
 * replacement. Exact for `coverage` and `best` (in closed form) and where the subsets are few; else the
 * mean over seeded draws.
 *
 * @throws RangeError where k is not from 1 to n, or a score that the measure needs is NaN.
 */
export function expectedAccuracy(
  problem: ProblemSamples,
  measure: Measure,
  k: number,
  { draws = 200, exactUpTo = 2000, seed = 0 }: ExpectationOptions = {},
): number {
  const n = problem.groups.length;
  if (!Number.isInteger(k) || k < 1 || k > n) {
    throw new RangeError(
      `k must be an integer from 1 to the ${n} samples of problem ${problem.promptId}, got ${k}`,
    );
  }
  if (measure === 'coverage')
    return passAtK(
      n,
      problem.correct.reduce((a, b) => a + b, 0),
      k,
    );
  if (measure !== 'majority') requireScores(problem);
  if (measure === 'best') return expectedBest(problem, k);
  const vote = new Vote(problem, measure === 'weighted' ? problem.scores : undefined);
  if (k === n) return vote.isRight(identity(n), k);
  return subsets(n, k) <= exactUpTo
    ? everySubset(vote, n, k)
    : drawnSubsets(vote, n, k, draws, seed);
}

function requireScores({ scores, promptId }: ProblemSamples): void {
  const missing = scores.findIndex(Number.isNaN);
  if (missing !== -1) {
    throw new RangeError(
      `problem ${promptId}: completion ${missing} has no score; score the run first`,
    );
  }
}

const identity = (n: number): Int32Array => Int32Array.from({ length: n }, (_, i) => i);

/** C(n, k), or infinity. */
function subsets(n: number, k: number): number {
  let count = 1;
  for (let i = 1; i <= Math.min(k, n - k); i++) count *= (n - i + 1) / i;
  return count;
}

/**
 * The best of a subset is its first in the order of scores, earlier samples first among equals. Sample
 * r of that order is it in C(n - 1 - r, k - 1) of C(n, k) subsets; what has no answer comes last.
 */
function expectedBest({ groups, scores, correct }: ProblemSamples, k: number): number {
  const n = groups.length;
  const parsed = (i: number): number => (groups[i] === UNPARSED ? 0 : 1);
  const order = [...identity(n)].sort(
    (a, b) => parsed(b) - parsed(a) || (scores[b] as number) - (scores[a] as number) || a - b,
  );
  let [share, sum] = [k / n, 0];
  for (let r = 0; r <= n - k; r++) {
    sum += share * (correct[order[r] as number] as number);
    share *= (n - k - r) / (n - 1 - r);
  }
  return sum;
}

/** Votes of one problem, with memory that is used again. */
class Vote {
  private readonly sums: Float64Array;
  private readonly seen: Int32Array;
  /** The earliest of the picked samples of each group; -1 is none. */
  private readonly first: Int32Array;
  /** Whether a group's answer is right. */
  private readonly right: Uint8Array;

  constructor(
    private readonly problem: ProblemSamples,
    private readonly scores: Float64Array | undefined,
  ) {
    const { groups, correct } = problem;
    const most = groups.reduce((a, b) => Math.max(a, b), 0);
    this.sums = new Float64Array(most + 1);
    this.seen = new Int32Array(most + 1);
    this.first = new Int32Array(most + 1).fill(-1);
    this.right = new Uint8Array(most + 1);
    for (let i = groups.length - 1; i >= 0; i--) {
      const group = groups[i] as number;
      if (group !== UNPARSED) this.right[group] = correct[i] as number;
    }
  }

  /** 1 where the chosen answer of the first k of the picked samples is right; they come in any order. */
  isRight(picked: Int32Array, k: number): number {
    const { groups } = this.problem;
    const { sums, seen, first, scores } = this;
    let used = 0;
    for (let i = 0; i < k; i++) {
      const sample = picked[i] as number;
      const group = groups[sample] as number;
      if (group === UNPARSED) continue;
      const known = first[group] as number;
      if (known === -1) seen[used++] = group;
      if (known === -1 || sample < known) first[group] = sample;
      (sums[group] as number) += scores ? (scores[sample] as number) : 1;
    }
    let best = -1;
    for (let i = 0; i < used; i++) {
      const group = seen[i] as number;
      const lead = best === -1 ? 1 : (sums[group] as number) - (sums[best] as number);
      if (lead > 0 || (lead === 0 && (first[group] as number) < (first[best] as number)))
        best = group;
    }
    for (let i = 0; i < used; i++) {
      const group = seen[i] as number;
      sums[group] = 0;
      first[group] = -1;
    }
    return best === -1 ? 0 : (this.right[best] as number);
  }
}

function everySubset(vote: Vote, n: number, k: number): number {
  const picked = identity(k);
  let [right, count] = [0, 0];
  for (;;) {
    right += vote.isRight(picked, k);
    count++;
    let i = k - 1;
    while (i >= 0 && picked[i] === n - k + i) i--;
    if (i < 0) return right / count;
    picked[i] = (picked[i] as number) + 1;
    for (let j = i + 1; j < k; j++) picked[j] = (picked[j - 1] as number) + 1;
  }
}

function drawnSubsets(vote: Vote, n: number, k: number, draws: number, seed: number): number {
  const draw = randomIntegers(seed);
  const all = identity(n);
  let right = 0;
  for (let d = 0; d < draws; d++) {
    for (let i = 0; i < k; i++) {
      const j = i + draw(n - i);
      const kept = all[i] as number;
      all[i] = all[j] as number;
      all[j] = kept;
    }
    right += vote.isRight(all, k);
  }
  return right / draws;
}
