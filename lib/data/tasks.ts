/** Problem sets by name, as the command line and notebooks ask for them. */
import { loadGsm8k } from './gsm8k.js';
import { loadMath500 } from './math500.js';
import { type MiniFamily, miniProblems } from './mini.js';
import type { Problem } from './problem.js';
import { loadProblems } from './problems.js';
import { drawFrom } from './synthetic/draw.js';
import { wordProblems } from './synthetic.js';

/** How answers of a task are read and compared: numbers as GSM8K's, or LaTeX as MATH's. */
export type AnswerKind = 'gsm8k' | 'math';

/** Options of {@link loadTask}. */
export interface TaskOptions {
  /** How many problems; default all of a published set, 100 of a generated one. */
  readonly problems?: number;
  /** `test` (default) or `train`, of the tasks that have both. */
  readonly split?: 'train' | 'test';
  /** Takes the problems at random with this seed, in that order; default the first ones. */
  readonly shuffle?: number;
  /** Seed of generated problems; default 0. */
  readonly seed?: number;
  /** A file of problems in the form of the task's own. */
  readonly path?: string;
}

/** A problem set. */
export interface Task {
  readonly name: TaskName;
  readonly answers: AnswerKind;
  readonly problems: readonly Problem[];
}

interface Source {
  readonly answers: AnswerKind;
  /** Makes as many problems as are asked for. */
  readonly generated?: true;
  load(count: number | undefined, options: TaskOptions): Problem[];
}

const GENERATED = 100;

const mini = (family: MiniFamily, answers: AnswerKind): Source => ({
  answers,
  generated: true,
  load(count = GENERATED, { split = 'test', seed = 0, path }) {
    refuse(family, 'path', path);
    return miniProblems({ family, split, seed, count });
  },
});

const sources = {
  gsm8k: {
    answers: 'gsm8k',
    load: (limit, { split = 'test', path }) =>
      loadGsm8k({ split, ...(limit && { limit }), ...(path && { path }) }),
  },
  'math-500': {
    answers: 'math',
    load(limit, { split, path }) {
      if (split === 'train') throw new RangeError('math-500 has no training split');
      return loadMath500({ ...(limit && { limit }), ...(path && { path }) });
    },
  },
  'grade-school': {
    answers: 'gsm8k',
    load(limit, { split, path }) {
      if (split === 'train') throw new RangeError('grade-school has no training split');
      return loadProblems(path).slice(0, limit);
    },
  },
  synthetic: {
    answers: 'gsm8k',
    generated: true,
    load(count = GENERATED, { seed = 0, split, path }) {
      refuse('synthetic', 'path', path);
      refuse('synthetic', 'split', split);
      return wordProblems({ seed, count });
    },
  },
  stories: mini('stories', 'gsm8k'),
  algebra: mini('algebra', 'math'),
} as const satisfies Record<string, Source>;

/** The name of a problem set. */
export type TaskName = keyof typeof sources;

/** Every name that {@link loadTask} knows. */
export const taskNames = Object.keys(sources) as readonly TaskName[];

/**
 * Loads the problems of a task: `gsm8k`, `math-500`, the dozen of `grade-school`, or generated ones
 * (`synthetic` word problems, `stories` and `algebra` of the mini world).
 *
 * @throws RangeError for a name or an option that makes no sense; what the task's loader throws.
 */
export function loadTask(name: TaskName, options: TaskOptions = {}): Task {
  if (!Object.hasOwn(sources, name)) {
    throw new RangeError(`there is no task '${name}'; there are ${taskNames.join(', ')}`);
  }
  const { problems: count, shuffle } = options;
  for (const [option, value, least] of [
    ['problems', count, 1],
    ['shuffle', shuffle, 0],
  ] as const) {
    if (value !== undefined && (!Number.isSafeInteger(value) || value < least)) {
      throw new RangeError(
        `${name}: ${option}: expected an integer from ${least} up, got ${String(value)}`,
      );
    }
  }
  const source: Source = sources[name];
  // A published set is shuffled whole, so that the seed alone says which problems come.
  const all = source.load(shuffle === undefined || source.generated ? count : undefined, options);
  const chosen = shuffle === undefined ? all : shuffled(all, shuffle).slice(0, count);
  if (count !== undefined && chosen.length < count) {
    throw new RangeError(`${name} has ${chosen.length} problems, not ${count}`);
  }
  return { name, answers: source.answers, problems: chosen };
}

function refuse(task: string, option: string, value: unknown): void {
  if (value !== undefined) throw new RangeError(`${task} takes no ${option}, got ${String(value)}`);
}

/** Fisher and Yates' shuffle. */
function shuffled(problems: readonly Problem[], seed: number): Problem[] {
  const draw = drawFrom(seed, 0);
  const all = [...problems];
  for (let i = all.length - 1; i > 0; i--) {
    const j = draw.int(0, i);
    [all[i], all[j]] = [all[j] as Problem, all[i] as Problem];
  }
  return all;
}
