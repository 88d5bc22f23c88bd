/** A run's folder: its manifest, its problems, and which completions it may hold. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseLine, splitLines } from '../data/jsonl.js';
import { CheckpointError, show } from '../models/files/errors.js';
import { isObject } from '../models/files/json.js';
import { memorySource } from '../models/files/source.js';
import { parseRunManifest, type RunManifest } from './manifest.js';

/** A problem as a run keeps it: all that grading and scoring need. */
export interface RunProblem {
  readonly id: string;
  readonly question: string;
  /** The right answer. */
  readonly answer: string;
  readonly level?: number;
  readonly subject?: string;
  /** What the model was given. */
  readonly prompt: string;
}

/** File names in a run's folder. */
export const FILES = {
  manifest: 'run.json',
  problems: 'problems.jsonl',
  completions: 'completions.jsonl',
  packed: 'completions.jsonl.gz',
} as const;

/** A run on the disk. */
export class Run {
  readonly manifest: RunManifest;
  readonly problems: readonly RunProblem[];
  private readonly places: ReadonlyMap<string, number>;

  /**
   * Opens a run's folder for reading.
   *
   * @throws CheckpointError naming the file that is missing or not as a run has it.
   */
  constructor(readonly path: string) {
    const file = join(path, FILES.manifest);
    if (!existsSync(file)) {
      const found = existsSync(path) ? describeFolder(path) : 'nothing (no such folder)';
      throw new CheckpointError(path, 'folder', `a run (${FILES.manifest})`, found);
    }
    this.manifest = parseRunManifest(file);
    this.problems = readProblems(path, this.manifest);
    this.places = new Map(this.problems.map(({ id }, i) => [id, i]));
  }

  /** Completions of each problem. */
  get n(): number {
    return this.manifest.n;
  }

  /** How many completions the whole run has when it is done, its other shards' among them. */
  get total(): number {
    return this.problems.length * this.n;
  }

  /** How many completions this folder has when it is done. */
  get expected(): number {
    const whole = this.manifest.parts.some(({ range }) => range === undefined);
    if (whole) return this.total;
    return this.manifest.parts.reduce(
      (sum, { range }) => sum + (range ? range.to - range.from : 0),
      0,
    );
  }

  /** The path of one of its files. */
  file(name: string): string {
    return join(this.path, name);
  }

  /** The index of a problem; undefined where the run has no such problem. */
  indexOf(promptId: string): number | undefined {
    return this.places.get(promptId);
  }

  /**
   * The place of a completion among all of the run, prompt by prompt.
   *
   * @param path @param line where it was read, for the error.
   * @throws CheckpointError naming file and line where it is not one of the run's.
   */
  placeOf(path: string, line: number, promptId: unknown, sampleId: unknown): number {
    const prompt = typeof promptId === 'string' ? this.places.get(promptId) : undefined;
    const isSample = Number.isInteger(sampleId) && (sampleId as number) >= 0;
    if (prompt === undefined || !isSample || (sampleId as number) >= this.n) {
      throw new CheckpointError(
        path,
        `line ${line}`,
        `one of the run's ${this.problems.length} problems and a sample below ${this.n}`,
        `promptId ${show(promptId)}, sampleId ${show(sampleId)}`,
      );
    }
    const place = prompt * this.n + (sampleId as number);
    if (!this.covers(place)) {
      const ranges = this.manifest.parts.map(
        ({ range }) => `${range?.from} to ${(range?.to ?? 0) - 1}`,
      );
      throw new CheckpointError(
        path,
        `line ${line}`,
        `a completion of this shard (${ranges.join(', ')} of ${this.total})`,
        `${show(promptId)}, sample ${sampleId}, which is number ${place}`,
      );
    }
    return place;
  }

  private covers(place: number): boolean {
    return this.manifest.parts.some(
      ({ range }) => range === undefined || (place >= range.from && place < range.to),
    );
  }
}

/** Whether a folder holds a run. */
export function isRun(path: string): boolean {
  return existsSync(join(path, FILES.manifest));
}

/** The lines of `problems.jsonl`, and their hash. */
export function encodeProblems(problems: readonly RunProblem[]): { text: string; sha256: string } {
  const text = problems.map((problem) => `${JSON.stringify(problem)}\n`).join('');
  return { text, sha256: createHash('sha256').update(text).digest('hex') };
}

function describeFolder(path: string): string {
  try {
    const names = readdirSync(path);
    return names.length === 0 ? 'an empty folder' : `only ${names.slice(0, 5).join(', ')}`;
  } catch {
    return 'no folder';
  }
}

function readProblems(folder: string, { task }: RunManifest): RunProblem[] {
  const path = join(folder, FILES.problems);
  if (!existsSync(path)) {
    throw new CheckpointError(path, 'file', 'the problems of the run', 'nothing (no such file)');
  }
  const bytes = readFileSync(path);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 !== task.sha256) {
    const expected = `the problems of the run (SHA-256 ${task.sha256})`;
    throw new CheckpointError(path, 'file', expected, `others (${sha256})`);
  }
  const problems: RunProblem[] = [];
  for (const { bytes: content, line } of splitLines(memorySource(path, bytes))) {
    const value = parseLine(path, line, content);
    const texts = ['id', 'question', 'answer', 'prompt'] as const;
    if (!isObject(value) || texts.some((key) => typeof value[key] !== 'string')) {
      throw new CheckpointError(
        path,
        `line ${line}`,
        `a problem (${texts.join(', ')})`,
        show(value),
      );
    }
    problems.push(value as unknown as RunProblem);
  }
  if (problems.length !== task.problems) {
    throw new CheckpointError(path, 'file', `${task.problems} problems`, `${problems.length}`);
  }
  return problems;
}
