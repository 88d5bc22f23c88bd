import type { Problem } from './problem.js';
import { drawFrom } from './synthetic/draw.js';
import { easy } from './synthetic/easy.js';
import { hard } from './synthetic/hard.js';
import { medium } from './synthetic/medium.js';
import type { Difficulty, Template } from './synthetic/template.js';

export type { Difficulty };

/** Options of {@link wordProblems}. */
export interface WordProblemOptions {
  /** An integer; the same seed gives the same problems, now and with any `count`. */
  readonly seed: number;
  readonly count: number;
  /** Steps and size of numbers; default `mixed`, all of them alike. */
  readonly difficulty?: Difficulty | 'mixed';
}

const templates: Readonly<Record<Difficulty | 'mixed', readonly Template[]>> = {
  easy,
  medium,
  hard,
  mixed: [...easy, ...medium, ...hard],
};

/**
 * Makes arithmetic word problems out of some fifty templates, with answers that are integers and
 * solutions that spell out every calculation, in GSM8K's form. Two problems of one call differ, as
 * far as the templates go round.
 *
 * @returns `count` problems, with ids such as `synthetic-mixed-7-0` (difficulty, seed, number).
 * @throws RangeError for an option that makes no sense.
 */
export function wordProblems(options: WordProblemOptions): Problem[] {
  const { seed, count, difficulty = 'mixed' } = options;
  if (!Number.isSafeInteger(seed)) {
    throw new RangeError(`wordProblems: seed: expected an integer, got ${String(seed)}`);
  }
  if (!Number.isSafeInteger(count) || count < 1 || count > 10_000_000) {
    const expected = 'an integer from 1 to 10000000';
    throw new RangeError(`wordProblems: count: expected ${expected}, got ${String(count)}`);
  }
  if (!Object.hasOwn(templates, difficulty)) {
    const expected = Object.keys(templates).join(', ');
    throw new RangeError(`wordProblems: difficulty: expected ${expected}, got ${difficulty}`);
  }
  const seen = new Set<string>();
  const problems: Problem[] = [];
  for (let i = 0; i < count; i++) {
    const problem = problemAt(seed, difficulty, i, seen);
    seen.add(problem.question);
    problems.push(problem);
  }
  return problems;
}

// After this many draws a repetition is accepted: the templates are then close to exhausted.
const tries = 20;

function problemAt(
  seed: number,
  difficulty: Difficulty | 'mixed',
  index: number,
  seen: ReadonlySet<string>,
): Problem {
  const draw = drawFrom(seed, index);
  const id = `synthetic-${difficulty}-${seed}-${index}`;
  for (let attempt = 1; ; attempt++) {
    const { question, steps, answer } = draw.pick(templates[difficulty])(draw);
    if (attempt < tries && seen.has(question)) continue;
    return { id, question, answer: `${answer}`, solution: [...steps, `#### ${answer}`].join('\n') };
  }
}
