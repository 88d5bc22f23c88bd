/** One answer out of many completions of a problem. */
import { groupAnswers, UNPARSED, type VoteOptions } from './groups.js';

/** The answer that most completions give, and how many they are. */
export interface Majority {
  /** Undefined where no completion gives an answer. */
  readonly answer: string | undefined;
  readonly votes: number;
}

/** The answer that scores best, and its score. */
export interface Best {
  /** Undefined where no completion gives an answer. */
  readonly answer: string | undefined;
  /** The completion's score, or the sum of its answer's; minus infinity where there is no answer. */
  readonly score: number;
}

/**
 * Majority vote, or self-consistency (Wang et al. 2023): the answer that most completions give. Ties go
 * to the first seen; completions without an answer do not vote.
 *
 * @throws RangeError for an empty list, TypeError for an answer that is not a string.
 */
export function majorityVote(
  answers: readonly (string | undefined)[],
  options: VoteOptions = {},
): Majority {
  requireSome('majorityVote', answers);
  const sums = sumsOf(groupAnswers(answers, options), undefined);
  const winner = firstLargest(sums);
  return winner === undefined
    ? { answer: undefined, votes: 0 }
    : { answer: answers[winner.first], votes: winner.sum };
}

/**
 * Best of N: the answer of the completion with the highest score. Ties go to the first seen; a
 * completion without an answer never wins over one that has one.
 *
 * @throws RangeError for an empty list, as many scores as there are not answers, or a score that is NaN.
 */
export function bestOfN(answers: readonly (string | undefined)[], scores: ArrayLike<number>): Best {
  checkScores('bestOfN', answers, scores);
  let best = -1;
  for (let i = 0; i < answers.length; i++) {
    if (answers[i] === undefined) continue;
    if (best === -1 || (scores[i] as number) > (scores[best] as number)) best = i;
  }
  return best === -1
    ? { answer: undefined, score: Number.NEGATIVE_INFINITY }
    : { answer: answers[best], score: scores[best] as number };
}

/**
 * Weighted best of N (Li et al. 2023): the answer whose completions' scores have the largest sum. Ties
 * go to the first seen; completions without an answer do not count.
 *
 * @throws as {@link bestOfN}, and as {@link majorityVote}.
 */
export function weightedBestOfN(
  answers: readonly (string | undefined)[],
  scores: ArrayLike<number>,
  options: VoteOptions = {},
): Best {
  checkScores('weightedBestOfN', answers, scores);
  const winner = firstLargest(sumsOf(groupAnswers(answers, options), scores));
  return winner === undefined
    ? { answer: undefined, score: Number.NEGATIVE_INFINITY }
    : { answer: answers[winner.first], score: winner.sum };
}

interface GroupSum {
  readonly first: number;
  sum: number;
}

function sumsOf(groups: Int32Array, scores: ArrayLike<number> | undefined): GroupSum[] {
  const sums: GroupSum[] = [];
  groups.forEach((group, i) => {
    if (group === UNPARSED) return;
    const own = scores ? (scores[i] as number) : 1;
    const known = sums[group];
    if (known) known.sum += own;
    else sums[group] = { first: i, sum: own };
  });
  return sums;
}

function firstLargest(sums: readonly GroupSum[]): GroupSum | undefined {
  let best: GroupSum | undefined;
  for (const group of sums) if (!best || group.sum > best.sum) best = group;
  return best;
}

function requireSome(name: string, answers: readonly unknown[]): void {
  if (answers.length === 0) throw new RangeError(`${name}: expected at least one answer, got none`);
}

function checkScores(name: string, answers: readonly unknown[], scores: ArrayLike<number>): void {
  requireSome(name, answers);
  if (scores.length !== answers.length) {
    throw new RangeError(`${name}: ${answers.length} answers, but ${scores.length} scores`);
  }
  for (let i = 0; i < scores.length; i++) {
    if (Number.isNaN(scores[i]) || typeof scores[i] !== 'number') {
      throw new RangeError(`${name}: score ${i} is ${String(scores[i])}`);
    }
  }
}
