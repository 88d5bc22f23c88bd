/**
 * A run's completions on the disk: a JSON line each as they finish, and beside them what the run was
 * asked for, so that a killed run goes on where it was and no other run adds to its file.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { JsonlWriter, readJsonl } from '../data/index.js';
import { CheckpointError, show } from '../models/files/errors.js';
import { isObject, readJsonObject } from '../models/files/json.js';
import type { CausalModel } from '../models/index.js';
import type { Completion, StopReason } from './completion.js';
import type { Settings } from './options.js';
import type { Shrink } from './run-stats.js';

/** What decides which completions a run ends with. */
export interface RunIdentity {
  readonly [part: string]: unknown;
}

/** The identity of a run: everything that its completions depend on, and nothing else. */
export function identityOf(
  model: CausalModel,
  prompts: readonly (readonly number[])[],
  settings: Settings,
): RunIdentity {
  const { n, maxNewTokens, temperature, topK, topP, minP, seed, stop, range } = settings;
  const { statePrecision } = settings;
  return {
    model: { ...model.config },
    weights: model.fingerprint(),
    prompts: { count: prompts.length, sha256: sha256(JSON.stringify(prompts)) },
    sampling: { n, maxNewTokens, temperature, topK, topP, minP, seed, stop },
    // Left out where states are float32, as they were in runs that were begun without the option.
    ...(statePrecision !== 'f32' && { statePrecision }),
    ...(range && { range: { ...range } }),
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A run that a store is opened for. */
export interface OpenedRun {
  readonly identity: RunIdentity;
  /** Samples of each prompt. */
  readonly n: number;
  /** The completions that the run draws, `prompt * n + sample`: from `from` up to but without `to`. */
  readonly from: number;
  readonly to: number;
}

/** Where the completions of a run are kept as they finish. */
export interface CompletionStore {
  /**
   * The completions that are there already from the same run, in the order in which they finished.
   *
   * @throws CheckpointError where another run's are there, or something else.
   */
  open(run: OpenedRun): Iterable<Completion>;
  /** Writes a completion down before it returns, so that a kill loses none that was appended. */
  append(completion: Completion): void;
  /** Records that memory ended and the run goes on with fewer rows; its completions stay the same. */
  shrunk?(shrink: Shrink): void;
  /** Ends the writing, also of a run that was stopped. */
  close(): void;
}

/** A run's completions in a JSON Lines file; what was asked for beside it. */
export class RunFile implements CompletionStore {
  private writer: JsonlWriter | undefined;

  constructor(private readonly path: string) {}

  /** Opens a new run's file, or one that was killed; a line that it was writing is cut off. */
  open(run: OpenedRun): Iterable<Completion> {
    const manifest = `${this.path}.run.json`;
    if (existsSync(manifest)) checkIdentity(manifest, readJsonObject(manifest), run.identity);
    else {
      if (existsSync(this.path)) {
        throw new CheckpointError(this.path, 'file', `its run beside it (${manifest})`, 'none');
      }
      mkdirSync(dirname(this.path), { recursive: true });
      const temporary = `${manifest}.new-${process.pid}`;
      const content = `${JSON.stringify(run.identity, undefined, 2)}\n`;
      writeFileSync(temporary, content, { flush: true });
      renameSync(temporary, manifest);
    }
    this.writer = new JsonlWriter(this.path);
    return eachOnce(this.path, run, completionsOf(this.path));
  }

  append(completion: Completion): void {
    this.writer?.append(completion);
  }

  close(): void {
    this.writer?.close();
  }
}

function* completionsOf(path: string): Generator<[Completion, line: number]> {
  for (const { value, line } of readJsonl(path)) {
    if (!isCompletion(value)) {
      throw new CheckpointError(path, `line ${line}`, 'a completion', show(value));
    }
    yield [value, line];
  }
}

/**
 * Passes on the completions of a run's file.
 *
 * @throws CheckpointError naming the line of a completion that is not the run's or comes again.
 */
export function* eachOnce(
  path: string,
  { n, from, to }: OpenedRun,
  completions: Iterable<[Completion, line: number]>,
): Generator<Completion> {
  const seen = new Set<number>();
  for (const [completion, line] of completions) {
    const { prompt, sample } = completion;
    const found = `prompt ${prompt}, sample ${sample}`;
    const place = prompt * n + sample;
    if (sample >= n || place < from || place >= to) {
      const expected = `one of the completions ${from} to ${to - 1} of ${n} samples a prompt`;
      throw new CheckpointError(path, `line ${line}`, expected, found);
    }
    if (seen.has(place)) {
      throw new CheckpointError(path, `line ${line}`, 'each completion once', `${found} again`);
    }
    seen.add(place);
    yield completion;
  }
}

/**
 * Checks that a run is the one that was recorded: the same parts, with the same values.
 *
 * @param path where it was recorded, for the error.
 * @throws CheckpointError naming every part that differs.
 */
export function checkIdentity(path: string, recorded: RunIdentity, identity: RunIdentity): void {
  // As the file has them: what JSON drops is dropped on both sides.
  const asked = JSON.parse(JSON.stringify(identity)) as RunIdentity;
  const differing = differences(recorded, asked);
  if (differing.length === 0) return;
  const expected = 'the run that is asked for (give another run another file)';
  throw new CheckpointError(path, 'run', expected, `another ${differing.join(', another ')}`);
}

/** Names of the parts in which two identities differ. */
export function differences(a: RunIdentity, b: RunIdentity, prefix = ''): string[] {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].flatMap((key) => {
    const [x, y] = [a[key], b[key]];
    if (isObject(x) && isObject(y)) return differences(x, y, `${prefix}${key}.`);
    return JSON.stringify(x) === JSON.stringify(y) ? [] : [`${prefix}${key}`];
  });
}

const reasons: readonly StopReason[] = ['eos', 'stop', 'length'];

/** Whether a value has the fields of a completion. */
export function isCompletion(value: unknown): value is Completion {
  if (!isObject(value)) return false;
  const { prompt, sample, tokens, text, logProb, stopReason, timing } = value;
  const below = (x: unknown, end: number) =>
    typeof x === 'number' && Number.isInteger(x) && x >= 0 && x < end;
  return (
    below(prompt, 2 ** 31) &&
    below(sample, 2 ** 31) &&
    Array.isArray(tokens) &&
    tokens.every((t) => below(t, 2 ** 31)) &&
    typeof text === 'string' &&
    typeof logProb === 'number' &&
    reasons.includes(stopReason as StopReason) &&
    isObject(timing)
  );
}
