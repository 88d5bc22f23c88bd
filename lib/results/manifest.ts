/** What a run is: the file that makes a folder a run of mambalab. */
import type { Shrink } from '../generate/index.js';
import { CheckpointError, show } from '../models/files/errors.js';
import { isObject, type JsonObject, readJsonObject } from '../models/files/json.js';

/** What the file's `format` says. */
export const RUN_FORMAT = 'mambalab run';

/** The layout that this version writes and reads. */
export const RUN_VERSION = 1;

/** A file of a checkpoint, by name and content. */
export interface HashedFile {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Where completions were drawn. */
export interface RunMachine {
  readonly device: string;
  readonly cpu: string;
  readonly threads: number;
  /** Instruction set. */
  readonly isa: string;
  readonly memoryBytes: number;
  readonly platform: string;
}

/** A run's place and time of sampling; a merged run has one for each shard. */
export interface RunPart {
  /** When it was begun, ISO 8601. */
  readonly created: string;
  /** The completions that it draws, counted prompt by prompt: all where it is not there. */
  readonly range?: { readonly from: number; readonly to: number };
  readonly machine: RunMachine;
  readonly versions: Readonly<Record<string, string>>;
  /** Rows decoded together. */
  readonly batchSize: number;
  /** Where memory ended on the way, and with how many rows it went on. */
  readonly shrunk?: readonly Shrink[];
}

/** The contents of `run.json`. */
export interface RunManifest {
  readonly format: typeof RUN_FORMAT;
  readonly version: typeof RUN_VERSION;
  /** The name of the model in tables and figures. */
  readonly name: string;
  readonly seed: number;
  /** Completions of each problem. */
  readonly n: number;
  readonly model: {
    readonly ref: string | undefined;
    readonly family: string;
    readonly bytes: number;
    readonly files: readonly HashedFile[];
  };
  readonly task: {
    readonly name: string;
    /** How its answers are read and compared: `gsm8k`, `math`. */
    readonly answers: string;
    readonly problems: number;
    /** Of `problems.jsonl`: questions, answers and prompts. */
    readonly sha256: string;
  };
  /** How the problems were asked. */
  readonly prompts: JsonObject;
  /**
   * Everything that the completions depend on: model, fingerprint of its weights, prompts, sampling.
   * Shards of a run have the same.
   */
  readonly identity: JsonObject;
  readonly parts: readonly RunPart[];
}

/**
 * Reads and checks a run's manifest.
 *
 * @throws CheckpointError naming the file and the field that is not as this version writes it.
 */
export function parseRunManifest(path: string): RunManifest {
  const found = readJsonObject(path);
  if (found.format !== RUN_FORMAT) {
    throw new CheckpointError(path, 'format', show(RUN_FORMAT), show(found.format));
  }
  if (found.version !== RUN_VERSION) {
    const expected = `${RUN_VERSION}, which this version of mambalab reads`;
    throw new CheckpointError(path, 'version', expected, show(found.version));
  }
  const { model, task, parts } = found;
  const checks: [where: string, expected: string, value: unknown, ok: boolean][] = [
    ['name', 'a text', found.name, isText(found.name)],
    ['seed', 'an integer from 0 up', found.seed, isWhole(found.seed, 0)],
    ['n', 'an integer from 1 up', found.n, isWhole(found.n, 1)],
    ['model', 'an object', model, isObject(model)],
    ['task', 'an object', task, isObject(task)],
    ['prompts', 'an object', found.prompts, isObject(found.prompts)],
    ['identity', 'an object', found.identity, isObject(found.identity)],
    ['parts', 'a list of at least one part', parts, isParts(parts)],
  ];
  if (isObject(task)) {
    checks.push(
      ['task.name', 'a text', task.name, isText(task.name)],
      ['task.answers', 'a text', task.answers, isText(task.answers)],
      ['task.problems', 'an integer from 1 up', task.problems, isWhole(task.problems, 1)],
      ['task.sha256', 'a text', task.sha256, isText(task.sha256)],
    );
  }
  for (const [where, expected, value, ok] of checks) {
    if (!ok) throw new CheckpointError(path, where, expected, show(value));
  }
  return found as unknown as RunManifest;
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function isWhole(value: unknown, least: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

function isParts(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every(
      (part) =>
        isObject(part) &&
        (part.range === undefined ||
          (isObject(part.range) && isWhole(part.range.from, 0) && isWhole(part.range.to, 1))),
    )
  );
}
