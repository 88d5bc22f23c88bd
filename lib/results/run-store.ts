/** Sampling into a run's folder. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { root } from '#setup/places.mjs';
import { init } from '../backend/index.js';
import { JsonlWriter } from '../data/index.js';
import type { Completion, CompletionStore, OpenedRun, Shrink } from '../generate/index.js';
import { checkIdentity } from '../generate/run-file.js';
import { CheckpointError } from '../models/files/errors.js';
import type { JsonObject } from '../models/files/json.js';
import { resolveModel } from '../models/index.js';
import { completionOf, readCompletions, recordOf } from './completions.js';
import {
  type HashedFile,
  parseRunManifest,
  RUN_FORMAT,
  RUN_VERSION,
  type RunMachine,
  type RunManifest,
  type RunPart,
} from './manifest.js';
import { encodeProblems, FILES, Run, type RunProblem } from './run.js';
import { writeAtomic } from './write-atomic.js';
import { lockFile } from './writer-lock.js';

/** What a run's folder says beside what its completions depend on. */
export interface RunAbout {
  /** The name of the model in tables and figures. */
  readonly name: string;
  readonly seed: number;
  readonly model: RunManifest['model'];
  readonly task: { readonly name: string; readonly answers: string };
  readonly problems: readonly RunProblem[];
  /** How the problems were asked. */
  readonly prompts: JsonObject;
  readonly batchSize: number;
}

/**
 * Keeps the completions of a sampling run in a folder: give it to `generate.sample` as `resume`. The
 * folder is made with the run's manifest; one that is there already goes on where it was, where it is
 * the same run.
 */
export class RunStore implements CompletionStore {
  private writer: JsonlWriter | undefined;
  private unlock: (() => void) | undefined;
  private opened: OpenedRun | undefined;

  constructor(
    readonly path: string,
    private readonly about: RunAbout,
  ) {}

  /**
   * @throws CheckpointError naming what differs where the folder holds another run; Error where
   *   another process samples into it.
   */
  open(opened: OpenedRun): Iterable<Completion> {
    mkdirSync(this.path, { recursive: true });
    this.opened = opened;
    this.unlock = lockFile(join(this.path, FILES.completions));
    try {
      return this.openLocked(opened);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  private openLocked(opened: OpenedRun): Iterable<Completion> {
    const completions = join(this.path, FILES.completions);
    const manifest = join(this.path, FILES.manifest);
    if (existsSync(join(this.path, FILES.packed))) {
      throw new CheckpointError(this.path, 'run', 'a run that is not packed', FILES.packed);
    }
    if (existsSync(manifest)) {
      const recorded = parseRunManifest(manifest);
      checkIdentity(manifest, recorded.identity, opened.identity);
      this.widen(manifest, recorded, opened);
    } else {
      if (existsSync(completions)) {
        throw new CheckpointError(completions, 'file', `its run beside it (${manifest})`, 'none');
      }
      this.create(manifest, opened);
    }
    const run = new Run(this.path);
    this.writer = new JsonlWriter(completions);
    return finished(run);
  }

  append(completion: Completion): void {
    const { id } = this.about.problems[completion.prompt] as RunProblem;
    this.writer?.append(recordOf(completion, id, this.about.seed));
  }

  /** Writes it into the manifest, in the part that is drawn. */
  shrunk(shrink: Shrink): void {
    const path = join(this.path, FILES.manifest);
    const manifest = parseRunManifest(path);
    const { from, to } = this.opened as OpenedRun;
    const part =
      manifest.parts.findLast(({ range }) => holds(range, from, to)) ?? manifest.parts.at(-1);
    const parts = manifest.parts.map((each) =>
      each === part ? { ...each, shrunk: [...(each.shrunk ?? []), shrink] } : each,
    );
    writeAtomic(path, `${JSON.stringify({ ...manifest, parts }, undefined, 2)}\n`);
  }

  close(): void {
    this.writer?.close();
    this.unlock?.();
    this.unlock = undefined;
  }

  /** Shards that were merged before all of them were there: what is drawn now is a part of its own. */
  private widen(path: string, manifest: RunManifest, { from, to }: OpenedRun): void {
    const { parts } = manifest;
    const ranges = parts.map(({ range }) => range ?? { from, to });
    const drawn = ranges.reduce((sum, range) => sum + range.to - range.from, 0);
    if (parts.some(({ range }) => holds(range, from, to)) || drawn >= to - from) return;
    const wider = { ...manifest, parts: [...parts, partOf(this.about.batchSize, undefined)] };
    writeAtomic(path, `${JSON.stringify(wider, undefined, 2)}\n`);
  }

  private create(path: string, { identity, n, from, to }: OpenedRun): void {
    const { name, seed, model, task, problems, prompts, batchSize } = this.about;
    const { text, sha256 } = encodeProblems(problems);
    const isWhole = from === 0 && to === problems.length * n;
    const manifest: RunManifest = {
      format: RUN_FORMAT,
      version: RUN_VERSION,
      name,
      seed,
      n,
      model,
      task: { ...task, problems: problems.length, sha256 },
      prompts,
      identity,
      parts: [partOf(batchSize, isWhole ? undefined : { from, to })],
    };
    // The manifest comes last: with it the folder is a run.
    writeAtomic(join(this.path, FILES.problems), text);
    writeAtomic(path, `${JSON.stringify(manifest, undefined, 2)}\n`);
  }
}

/** Whether a part draws these completions; without a range it draws all. */
function holds(range: RunPart['range'], from: number, to: number): boolean {
  return !range || (range.from <= from && range.to >= to);
}

function partOf(batchSize: number, range: RunPart['range']): RunPart {
  return {
    created: new Date().toISOString(),
    ...(range && { range }),
    machine: machine(),
    versions: versions(),
    batchSize,
  };
}

function* finished(run: Run): Generator<Completion> {
  for (const { value, place } of readCompletions(run)) {
    yield completionOf(value, Math.floor(place / run.n));
  }
}

/** The files of a model's checkpoint with their SHA-256, which takes a second or so per gigabyte. */
export async function checkpointFiles(ref: string): Promise<HashedFile[]> {
  const path = resolveModel(ref);
  const isFolder = statSync(path).isDirectory();
  const names = isFolder ? (await readdir(path)).sort() : [basename(path)];
  const read = names.filter((name) => !isFolder || /\.(safetensors|json|jinja)$/.test(name));
  return Promise.all(
    read.map(async (file) => {
      const full = isFolder ? join(path, file) : path;
      const hash = createHash('sha256');
      await pipeline(createReadStream(full, { highWaterMark: 1 << 20 }), hash);
      return { file, bytes: statSync(full).size, sha256: hash.digest('hex') };
    }),
  );
}

function machine(): RunMachine {
  const { device, threads, isa } = init();
  return {
    device,
    cpu: cpus()[0]?.model ?? 'unknown',
    threads,
    isa,
    memoryBytes: totalmem(),
    platform: `${process.platform} ${process.arch}`,
  };
}

function versions(): Record<string, string> {
  const { version, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return {
    mambalab: version,
    node: process.versions.node,
    tfjs: dependencies['@tensorflow/tfjs'],
  };
}
