/** Training data that a teacher writes: solutions that reach the answer. */
import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  JsonlWriter,
  type Problem,
  type PromptStyle,
  promptFor,
  type Task,
  type Tokenizer,
} from '../data/index.js';
import { sha256Of } from '../data/manifest.js';
import { gradeGsm8k, gradeMath } from '../eval/index.js';
import { type Completion, type SamplingOptions, sample } from '../generate/index.js';
import type { CausalModel } from '../models/index.js';
import { writeAtomic } from '../results/write-atomic.js';
import { lockFile } from '../results/writer-lock.js';

/** Options of {@link synthesize}. */
export interface SynthesizeOptions extends Pick<SamplingOptions, 'topK' | 'topP' | 'minP'> {
  /** Where everything is written; the same call goes on with what is there. */
  readonly folder: string;
  /** Solutions that are sampled of each problem; default 4. */
  readonly n?: number;
  /** Solutions of a problem that are kept at most; default all that are right. */
  readonly most?: number;
  /** Default 0.8. */
  readonly temperature?: number;
  /** Longest solution in tokens; default 512. */
  readonly maxNewTokens?: number;
  /** How problems are asked; default `question`. */
  readonly style?: PromptStyle;
  /** Default 0. */
  readonly seed?: number;
  /** As of `generate.sample`. */
  readonly batchSize?: number;
  readonly memory?: number;
  /** Called as solutions are sampled, with those of an earlier call first. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** What became of the solutions: the counts after `sampled` add up to it. */
export interface SynthesizedCounts {
  readonly problems: number;
  /** Problems of which a solution was kept. */
  readonly solved: number;
  readonly sampled: number;
  /** Longer than `maxNewTokens`. */
  readonly unfinished: number;
  /** Without the answer, or with one that could not be compared. */
  readonly wrong: number;
  /** Right, and the same but for spaces as one before. */
  readonly duplicates: number;
  /** Right and new, but more than `most` of their problem. */
  readonly surplus: number;
  readonly kept: number;
}

/** The contents of `manifest.json`: the same call on the same machine writes the same bytes. */
export interface SynthesizedManifest {
  readonly format: 'mambalab solutions';
  readonly version: 1;
  readonly teacher: { readonly ref: string | undefined; readonly fingerprint: string };
  readonly task: {
    readonly name: string;
    readonly answers: string;
    /** Of ids, questions and answers. */
    readonly sha256: string;
  };
  readonly options: {
    readonly n: number;
    readonly most: number | undefined;
    readonly style: PromptStyle;
    readonly seed: number;
    readonly temperature: number;
    readonly topK: number | undefined;
    readonly topP: number | undefined;
    readonly minP: number | undefined;
    readonly maxNewTokens: number;
  };
  readonly counts: SynthesizedCounts;
  readonly file: { readonly name: string; readonly bytes: number; readonly sha256: string };
}

/** What {@link synthesize} wrote. */
export interface Synthesized {
  /** The rows: `prompt`, `answer`, `problem`. */
  readonly path: string;
  readonly manifest: SynthesizedManifest;
}

const FILES = {
  completions: 'completions.jsonl',
  solutions: 'solutions.jsonl',
  manifest: 'manifest.json',
};

const graders = { gsm8k: gradeGsm8k, math: gradeMath } as const;

/**
 * Lets a teacher solve training problems and keeps the solutions that are finished and right by the
 * grader, each once (rejection sampling, Yuan et al. 2023, arXiv 2308.01825). They are written to
 * `solutions.jsonl`, a row with `prompt` (the question alone, whatever style it was asked in), `answer`
 * and the `problem`'s id, in the order of problems and samples; `manifest.json` says what made them. Both
 * are there whole or not at all. Completions are kept in `completions.jsonl` as they finish, and a call
 * that was stopped goes on there.
 *
 * @throws CheckpointError where the folder has completions of another teacher, task or options; RangeError
 *   for options that make no sense; Error where another process writes into the folder.
 */
export async function synthesize(
  teacher: CausalModel,
  tokenizer: Tokenizer,
  task: Task,
  options: SynthesizeOptions,
): Promise<Synthesized> {
  const { folder, n = 4, most, temperature = 0.8, maxNewTokens = 512, seed = 0 } = options;
  const { style = 'question', topK, topP, minP, batchSize, memory, signal, onProgress } = options;
  if (most !== undefined && (!Number.isSafeInteger(most) || most < 1)) {
    throw new RangeError(`synthesize: most: expected a positive integer, got ${String(most)}`);
  }
  const { name, answers, problems } = task;
  const prompts = problems.map((problem) => promptFor(tokenizer, problem, { style, answers }));
  mkdirSync(folder, { recursive: true });
  const resume = join(folder, FILES.completions);
  const unlock = lockFile(resume);
  try {
    const samples = sample(teacher, prompts, {
      ...{ n, temperature, maxNewTokens, seed, resume },
      ...(topK !== undefined && { topK }),
      ...(topP !== undefined && { topP }),
      ...(minP !== undefined && { minP }),
      ...(batchSize !== undefined && { batchSize }),
      ...(memory !== undefined && { memory }),
      ...(signal && { signal }),
    });
    const sorted = new Sorted(task, n);
    for await (const completion of samples) {
      sorted.add(completion);
      onProgress?.(sorted.sampled, problems.length * n);
    }
    const { counts, rows } = sorted.chosen(most);
    const path = join(folder, FILES.solutions);
    writeRows(path, rows);
    const manifest: SynthesizedManifest = {
      format: 'mambalab solutions',
      version: 1,
      teacher: {
        ref: teacher.ref === undefined ? undefined : basename(teacher.ref),
        fingerprint: teacher.fingerprint(),
      },
      task: { name, answers, sha256: hashOf(problems) },
      options: { n, most, style, seed, temperature, topK, topP, minP, maxNewTokens },
      counts,
      file: {
        name: FILES.solutions,
        bytes: statSync(path).size,
        sha256: await sha256Of(path),
      },
    };
    writeAtomic(join(folder, FILES.manifest), `${JSON.stringify(manifest, undefined, 2)}\n`);
    return { path, manifest };
  } finally {
    unlock();
  }
}

interface Row {
  readonly prompt: string;
  readonly answer: string;
  readonly problem: string;
}

/** Completions sorted by what they are worth, whatever the order in which they come. */
class Sorted {
  sampled = 0;
  private unfinished = 0;
  private wrong = 0;
  /** Of each problem the right solutions, by sample. */
  private readonly right: (string | undefined)[][];

  constructor(
    private readonly task: Task,
    n: number,
  ) {
    this.right = task.problems.map(() => new Array<string | undefined>(n).fill(undefined));
  }

  add({ prompt, sample, text, stopReason }: Completion): void {
    this.sampled++;
    const { answer } = this.task.problems[prompt] as Problem;
    if (stopReason === 'length') this.unfinished++;
    else if (graders[this.task.answers](text, answer).correct !== true) this.wrong++;
    else (this.right[prompt] as (string | undefined)[])[sample] = text.trim();
  }

  /** The rows that are kept: of each problem the first `most` different ones. */
  chosen(most = Number.POSITIVE_INFINITY): { counts: SynthesizedCounts; rows: Row[] } {
    const { problems } = this.task;
    const rows: Row[] = [];
    let [solved, duplicates, surplus] = [0, 0, 0];
    for (const [i, { id, question }] of problems.entries()) {
      const different = new Set<string>();
      for (const answer of this.right[i] as (string | undefined)[]) {
        if (answer === undefined) continue;
        const words = answer.replaceAll(/\s+/g, ' ');
        if (different.has(words)) {
          duplicates++;
          continue;
        }
        different.add(words);
        if (different.size > most) surplus++;
        else rows.push({ prompt: question, answer, problem: id });
      }
      solved += Number(different.size > 0);
    }
    const { sampled, unfinished, wrong } = this;
    const counts = {
      ...{ problems: problems.length, solved, sampled, unfinished, wrong, duplicates, surplus },
      kept: rows.length,
    };
    return { counts, rows };
  }
}

function writeRows(path: string, rows: readonly Row[]): void {
  const temporary = `${path}.new-${process.pid}`;
  rmSync(temporary, { force: true });
  const writer = new JsonlWriter(temporary);
  try {
    for (const row of rows) writer.append(row);
  } finally {
    writer.close();
  }
  renameSync(temporary, path);
}

function hashOf(problems: readonly Problem[]): string {
  const told = problems.map(({ id, question, answer }) => [id, question, answer]);
  return createHash('sha256').update(JSON.stringify(told)).digest('hex');
}
