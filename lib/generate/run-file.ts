/**
 * A run's completions on the disk: a JSON line each as they finish, and beside them what the run was
 * asked for, so that a killed run goes on where it was and no other run adds to its file.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { JsonlWriter, readJsonl } from '../data/index.js';
import { CheckpointError } from '../models/files/errors.js';
import { isObject, readJsonObject } from '../models/files/json.js';
import type { CausalModel } from '../models/index.js';
import type { Completion, StopReason } from './completion.js';
import type { Settings } from './options.js';

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
  const { n, maxNewTokens, temperature, topK, topP, minP, seed, stop } = settings;
  return {
    model: { ...model.config },
    weights: model.fingerprint(),
    prompts: { count: prompts.length, sha256: sha256(JSON.stringify(prompts)) },
    sampling: { n, maxNewTokens, temperature, topK, topP, minP, seed, stop },
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The file of a run. */
export class RunFile {
  /** Completions that were there when it was opened, in the order in which they finished. */
  readonly finished: readonly Completion[];
  private readonly writer: JsonlWriter;

  /**
   * Opens a new run's file, or one that was killed; a line that it was writing is cut off.
   *
   * @throws CheckpointError where the file is another run's or a line is no completion of it.
   */
  constructor(
    private readonly path: string,
    identity: RunIdentity,
    prompts: number,
    n: number,
  ) {
    const manifest = `${path}.run.json`;
    if (existsSync(manifest)) checkIdentity(manifest, identity);
    else {
      if (existsSync(path)) {
        throw new CheckpointError(path, 'file', `its run beside it (${manifest})`, 'none');
      }
      mkdirSync(dirname(path), { recursive: true });
      const temporary = `${manifest}.new-${process.pid}`;
      const content = `${JSON.stringify(identity, undefined, 2)}\n`;
      writeFileSync(temporary, content, { flush: true });
      renameSync(temporary, manifest);
    }
    this.writer = new JsonlWriter(path);
    this.finished = this.read(prompts, n);
  }

  append(completion: Completion): void {
    this.writer.append(completion);
  }

  close(): void {
    this.writer.close();
  }

  private read(prompts: number, n: number): Completion[] {
    const seen = new Set<number>();
    const found: Completion[] = [];
    for (const { value, line } of readJsonl(this.path)) {
      const completion = completionOf(value, prompts, n);
      if (!completion) {
        const expected = `a completion of ${prompts} prompts with ${n} samples each`;
        throw new CheckpointError(this.path, `line ${line}`, expected, 'another value');
      }
      const { prompt, sample } = completion;
      if (seen.has(prompt * n + sample)) {
        const found = `prompt ${prompt}, sample ${sample} again`;
        throw new CheckpointError(this.path, `line ${line}`, 'each completion once', found);
      }
      seen.add(prompt * n + sample);
      found.push(completion);
    }
    return found;
  }
}

/** The parts that two identities have in common must be equal, and both must have the same parts. */
function checkIdentity(path: string, identity: RunIdentity): void {
  const recorded = readJsonObject(path);
  // As the file has them: what JSON drops is dropped on both sides.
  const asked = JSON.parse(JSON.stringify(identity)) as RunIdentity;
  const differing = differences(recorded, asked);
  if (differing.length === 0) return;
  const expected = 'the run that is asked for (give another run another file)';
  throw new CheckpointError(path, 'run', expected, `another ${differing.join(', another ')}`);
}

function differences(a: RunIdentity, b: RunIdentity, prefix = ''): string[] {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].flatMap((key) => {
    const [x, y] = [a[key], b[key]];
    if (isObject(x) && isObject(y)) return differences(x, y, `${prefix}${key}.`);
    return JSON.stringify(x) === JSON.stringify(y) ? [] : [`${prefix}${key}`];
  });
}

const reasons: readonly StopReason[] = ['eos', 'stop', 'length'];

function completionOf(value: unknown, prompts: number, n: number): Completion | undefined {
  if (!isObject(value)) return undefined;
  const { prompt, sample, tokens, text, logProb, stopReason, timing } = value;
  const below = (x: unknown, end: number) =>
    typeof x === 'number' && Number.isInteger(x) && x >= 0 && x < end;
  const valid =
    below(prompt, prompts) &&
    below(sample, n) &&
    Array.isArray(tokens) &&
    tokens.every((t) => below(t, 2 ** 31)) &&
    typeof text === 'string' &&
    typeof logProb === 'number' &&
    reasons.includes(stopReason as StopReason) &&
    isObject(timing);
  return valid ? (value as unknown as Completion) : undefined;
}
