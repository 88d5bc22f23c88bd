import { extractChoice } from './answers/extractChoice.js';
import { extractMath } from './answers/extractMath.js';
import { type FoundNumber, findNumbers } from './numbers.js';
import { plainMath } from './plainMath.js';
import { equalRational, formatRational, type Rational } from './rational.js';
import { ownTurn } from './turn.js';

/** Options of {@link extractAnswer}. */
export interface ExtractOptions {
  /**
   * Which conventions to follow: `gsm8k` reads a number, `math` a LaTeX answer as MATH boxes it,
   * `choice` the letter of a choice.
   */
  readonly task: 'gsm8k' | 'math' | 'choice';
}

/** What a completion answers, and whether that is right. */
export interface Grade {
  /** The completion's answer in its one spelling; undefined where it gives none. */
  readonly answer: string | undefined;
  readonly correct: boolean;
}

const PHRASE =
  /(?<!\bthis\s)\banswer\b(?:\s+(?:to|for|of)\b[^.\n]{0,80}?)?[\s*_]*(?:\bis\b|\bwas\b|\bequals\b|\b(?:would|will|should) be\b|=|:)/gi;

/** From a number to the last equals sign of the equation that it starts; x may mean times. */
const EQUATION = /^(?:(?:[^\p{L}=]|(?<=[\s\d])x(?=[\s\d]))*=)+/u;

/** An answer is not longer than this, nor further from the phrase that announces it. */
const REACH = 300;

/**
 * The final answer that a completion gives.
 *
 * - `gsm8k`: the one spelling of its value: "$1,200.00" becomes "1200", "\frac{2}{4}" becomes "0.5",
 *   "4/6" becomes "2/3". Looked for in this order: the last number after `####` (the mark of GSM8K's
 *   own solutions, Cobbe et al. 2021); the last balanced `\boxed{}` or `\fbox{}`; the last "the answer
 *   is"; the last number. Signs, thousands separators, decimals, fractions and mixed numbers are read;
 *   currency, percent signs and units are dropped.
 * - `math`: the source inside of the last balanced `\boxed{}` or `\fbox{}`, else what follows the last
 *   "the (final) answer is".
 * - `choice`: a capital letter, from the box, after "the answer is", or alone on the first line.
 *
 * Only the completion's own turn counts: text after an end-of-turn token, or after the header of a
 * further question that the model made up, is not its answer.
 *
 * @returns undefined where the completion gives no answer
 * @throws TypeError where the text is not a string, RangeError for a task that is not known
 */
export function extractAnswer(text: string, options: ExtractOptions): string | undefined {
  if (typeof text !== 'string') {
    throw new TypeError(`extractAnswer: text must be a string, got ${typeof text}`);
  }
  switch (options?.task) {
    case 'gsm8k': {
      const value = extractValue(text);
      return value && formatRational(value);
    }
    case 'math':
      return extractMath(ownTurn(text));
    case 'choice':
      return extractChoice(ownTurn(text));
    default:
      throw new RangeError(
        `extractAnswer: task must be 'gsm8k', 'math' or 'choice', got ${JSON.stringify(options?.task)}`,
      );
  }
}

/**
 * Grades a completion against a GSM8K gold answer, exactly: equal as rational numbers, whatever
 * their spelling, and never by rounding.
 *
 * @param gold the answer alone ("1,200") or the dataset's worked solution, which ends "#### 1200"
 * @throws RangeError where the gold answer holds no number
 */
export function gradeGsm8k(completion: string, gold: string): Grade {
  const expected = extractValue(gold);
  if (expected === undefined) {
    throw new RangeError(
      `gradeGsm8k: the gold answer must hold a number, got ${JSON.stringify(gold.slice(0, 80))}`,
    );
  }
  const value = extractValue(completion);
  return {
    answer: value && formatRational(value),
    correct: value !== undefined && equalRational(value, expected),
  };
}

function extractValue(text: string): Rational | undefined {
  const turn = ownTurn(text);
  const plain = plainMath(turn);
  const found =
    afterMark(plain) ?? insideBox(turn) ?? afterPhrase(plain) ?? findNumbers(plain).at(-1);
  return found?.value;
}

function afterMark(plain: string): FoundNumber | undefined {
  const lines = Array.from(plain.matchAll(/(?<!#)####(?!#)(.*)/g), (match) => match[1] ?? '');
  for (const line of lines.reverse()) {
    const number = findNumbers(line)[0];
    const isFirst = number && /^[^\p{L}\p{N}]*$/u.test(line.slice(0, number.start));
    // "#### 2. Add the costs" is a numbered heading, not an answer.
    if (isFirst && !/^\s*[.):]\s*\p{L}/u.test(line.slice(number.end))) {
      return number;
    }
  }
  return undefined;
}

function insideBox(turn: string): FoundNumber | undefined {
  const boxes = Array.from(turn.matchAll(/\\(?:boxed|fbox)\s*(?:\{|(?=[-\d]))/g));
  const closings = boxes.length === 0 ? undefined : closingBraces(turn);
  for (const box of boxes.reverse()) {
    const start = box.index + box[0].length;
    const end = box[0].endsWith('{') ? closings?.get(start - 1) : start + 32;
    if (end !== undefined && end - start <= REACH) {
      const number = resultOf(plainMath(turn.slice(start, end)));
      if (number !== undefined) {
        return number;
      }
    }
  }
  return undefined;
}

function afterPhrase(plain: string): FoundNumber | undefined {
  for (const phrase of Array.from(plain.matchAll(PHRASE)).reverse()) {
    const start = phrase.index + phrase[0].length;
    const reach = plain.slice(start, start + REACH).replace(/^[\s*_:]+/, '');
    const sentence = reach.split(/[.!?]\s+(?=\p{Lu})|\n\s*\n/u)[0] ?? '';
    const number = resultOf(sentence);
    if (number !== undefined) {
      return number;
    }
  }
  return undefined;
}

/** The first number of a statement, or the right-hand side of the equation that it starts. */
function resultOf(statement: string): FoundNumber | undefined {
  const numbers = findNumbers(statement);
  const first = numbers[0];
  const equation = first && EQUATION.exec(statement.slice(first.start));
  if (!equation) {
    return first;
  }
  const side = first.start + equation[0].length;
  return numbers.find(({ start }) => start >= side) ?? first;
}

/** Where each brace that is closed closes: its place to its partner's. */
function closingBraces(text: string): Map<number, number> {
  const closings = new Map<number, number>();
  const open: number[] = [];
  for (const { 0: token, index } of text.matchAll(/\\.|[{}]/gs)) {
    if (token === '{') {
      open.push(index);
    } else if (token === '}') {
      const start = open.pop();
      if (start !== undefined) {
        closings.set(start, index);
      }
    }
  }
  return closings;
}
