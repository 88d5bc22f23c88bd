import { answersEqual } from './answers/answersEqual.js';
import type { Verdict } from './answers/verdict.js';
import { extractAnswer } from './extractAnswer.js';

/** What grading a completion of a LaTeX problem gives. */
export interface MathGrade {
  /** The source of the completion's answer; undefined where it gives none. */
  readonly answer: string | undefined;
  readonly correct: Verdict;
}

/**
 * Grades a completion against a gold answer in LaTeX, as MATH's are: {@link extractAnswer}, then
 * {@link answersEqual}. A completion without an answer is wrong.
 */
export function gradeMath(completion: string, gold: string): MathGrade {
  const answer = extractAnswer(completion, { task: 'math' });
  return { answer, correct: answer === undefined ? false : answersEqual(answer, gold) };
}
