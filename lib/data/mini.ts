import { subjects } from './mini/algebra.js';
import { type Drawn, type Kind, type Level, levels } from './mini/problem.js';
import { story } from './mini/stories.js';
import type { Problem } from './problem.js';
import { type Draw, drawFrom } from './synthetic/draw.js';

export { type AtlasQuestion, atlasQuestions, atlasText } from './mini/atlas.js';
export type { Level };

/** The two families of problems: `stories` are as GSM8K's, `algebra` as MATH's. */
export type MiniFamily = 'stories' | 'algebra';

/** A problem of the mini world. */
export interface MiniProblem extends Problem {
  readonly family: MiniFamily;
  /** `stories`, or a subject of algebra such as `geometry`. */
  readonly subject: string;
  readonly level: Level;
}

/** Options of {@link miniProblems}. */
export interface MiniOptions {
  readonly family: MiniFamily;
  readonly split: 'train' | 'test';
  /** An integer; the same seed gives the same problems, now and with any `count`. */
  readonly seed: number;
  readonly count: number;
  /** Only problems of this level; default all of them alike. */
  readonly level?: Level;
}

/** One in this many problems, names and wording aside, belongs to the test split. */
const TEST_SHARE = 8;

/**
 * Makes problems of the mini world: `stories` with distractors, units and one to five steps, whose
 * answers are integers after `####`; `algebra` of some twenty kinds with LaTeX answers in `\boxed`.
 *
 * Training and test problems are disjoint by construction: which split a problem belongs to follows
 * from its operations and numbers, whatever its names and wording.
 *
 * @returns `count` problems, no question twice, with ids such as `stories-test-7-0`.
 * @throws RangeError for an option that makes no sense.
 */
export function miniProblems(options: MiniOptions): MiniProblem[] {
  check(options);
  const { family, split, seed, count, level } = options;
  const seen = new Set<string>();
  const problems: MiniProblem[] = [];
  for (let i = 0; i < count; i++) {
    const draw = drawFrom(seed, i);
    const { subject, at, drawn } = drawProblem(draw, options, seen);
    seen.add(drawn.question);
    const id = `${family}-${split}-${seed}-${level === undefined ? '' : `level${level}-`}${i}`;
    const { question, answer } = drawn;
    problems.push({
      id,
      question,
      answer,
      solution: solution(family, drawn),
      family,
      subject,
      level: at,
    });
  }
  return problems;
}

/** The split of a problem, from what is left when names and wording are taken away. */
export function splitOf(key: string): 'train' | 'test' {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash >>> 8) % TEST_SHARE === 0 ? 'test' : 'train';
}

// Enough for the rarest plots; past it the kind is as good as exhausted.
const TRIES = 5000;

function drawProblem(
  draw: Draw,
  { family, split, level }: MiniOptions,
  seen: ReadonlySet<string>,
): { subject: string; at: Level; drawn: Drawn } {
  const at = level ?? draw.pick(levels);
  for (let i = 0; i < TRIES; i++) {
    const [subject, kind] = drawKind(draw, family);
    const drawn = kind(draw, at);
    if (drawn && splitOf(`${subject} ${drawn.key}`) === split && !seen.has(drawn.question)) {
      return { subject, at, drawn };
    }
  }
  throw new RangeError(
    `miniProblems: count: there are no further ${split} problems of ${family} at level ${at} after ${seen.size}`,
  );
}

function drawKind(draw: Draw, family: MiniFamily): [string, Kind] {
  if (family === 'stories') return ['stories', story];
  const every = Object.entries(subjects).flatMap(([subject, kinds]) =>
    kinds.map((kind): [string, Kind] => [subject, kind]),
  );
  return draw.pick(every);
}

function solution(family: MiniFamily, { steps, answer }: Drawn): string {
  const last =
    family === 'stories' ? `#### ${answer}` : `The final answer is $\\boxed{${answer}}$.`;
  // A blank line ends a step, as reward models of the process expect it.
  return [...steps, last].join('\n\n');
}

function check({ family, split, seed, count, level }: MiniOptions): void {
  const fail = (name: string, expected: string, got: unknown) => {
    throw new RangeError(`miniProblems: ${name}: expected ${expected}, got ${String(got)}`);
  };
  if (family !== 'stories' && family !== 'algebra') fail('family', 'stories or algebra', family);
  if (split !== 'train' && split !== 'test') fail('split', 'train or test', split);
  if (!Number.isSafeInteger(seed)) fail('seed', 'an integer', seed);
  if (!Number.isSafeInteger(count) || count < 1 || count > 10_000_000) {
    fail('count', 'an integer from 1 to 10000000', count);
  }
  if (level !== undefined && !levels.includes(level)) fail('level', levels.join(', '), level);
}
