/** Answers that are the same, under one number. */
import { answersEqual } from '../answers/answersEqual.js';

/** Which answers count as the same: as mathematics, or letter by letter. */
export type AnswerEquality = 'math' | 'string';

/** Options of the votes. */
export interface VoteOptions {
  /** Default `math`: {@link answersEqual}; an undecided pair is two answers. */
  readonly equal?: AnswerEquality;
}

/** An answer that a completion did not give. */
export const UNPARSED = -1;

/** An integer in its one plain spelling: two such texts that differ are two numbers. */
const PLAIN_INTEGER = /^(?:0|-?[1-9]\d*)$/;

/**
 * Numbers the groups of equal answers in the order in which they first appear; what was not parsed is
 * {@link UNPARSED}. An answer joins the first group whose first answer it equals.
 */
export function groupAnswers(
  answers: readonly (string | undefined)[],
  { equal = 'math' }: VoteOptions = {},
): Int32Array {
  if (equal !== 'math' && equal !== 'string') {
    throw new RangeError(`equal must be 'math' or 'string', got ${JSON.stringify(equal)}`);
  }
  const byText = new Map<string, number>();
  const firsts: string[] = [];
  const groupOf = (answer: string): number => {
    const known = byText.get(answer);
    if (known !== undefined) return known;
    const isPlain = PLAIN_INTEGER.test(answer);
    const joins = (first: string): boolean =>
      !(isPlain && PLAIN_INTEGER.test(first)) && answersEqual(first, answer) === true;
    const same = equal === 'math' ? firsts.findIndex(joins) : -1;
    const group = same === -1 ? firsts.push(answer) - 1 : same;
    byText.set(answer, group);
    return group;
  };
  return Int32Array.from(answers, (answer, i) => {
    if (answer === undefined || answer === null) return UNPARSED;
    if (typeof answer !== 'string') {
      throw new TypeError(`answer ${i} must be a string or undefined, got ${typeof answer}`);
    }
    return groupOf(answer);
  });
}
