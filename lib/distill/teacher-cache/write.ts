/** Writing what a teacher says about the batches of a run, once, for all runs that read them. */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { tokenizerFiles } from '../../models/files/tokenizer-files.js';
import type { Model } from '../../models/index.js';
import { resolveModel } from '../../models/resolve.js';
import { lockFile } from '../../results/writer-lock.js';
import type { BatchSource } from '../batch.js';
import { expectSame, type Identity } from '../runs/run-folder.js';
import { digestOf } from './batch-digest.js';
import {
  type CacheHead,
  hasManifest,
  headOf,
  type Lost,
  readManifest,
  type ShardEntry,
  sha256,
  type TeacherCacheManifest,
  writeManifest,
} from './manifest.js';
import { type CachedBatch, writeShard } from './shard.js';
import { countedRows } from './teacher-rows.js';

/** A shard that holds more is written, so that memory stays small. */
const SHARD_BYTES = 64 << 20;

/** Options of {@link cacheTeacherLogits}. */
export interface TeacherCacheOptions {
  /** Tokens that are kept at each position, the likeliest ones. */
  readonly k: number;
  /** Where the cache is; one that is in it goes on. */
  readonly folder: string;
  /** Batches in all, those that are there included. */
  readonly steps: number;
  /** Divides the logits; a student must be trained at the same. Default 1. */
  readonly temperature?: number;
  /** What tells this data from other, such as the names of its files. */
  readonly identity?: Identity;
  /** Batches between writes: a kill loses no more; default 100. */
  readonly saveEvery?: number;
  /** Stops after the batch that is being read, with everything written. */
  readonly signal?: AbortSignal;
  /** Called after every batch; not for those that were there before. */
  readonly onBatch?: (done: number, total: number) => void;
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new RangeError(`cacheTeacherLogits: ${name} must be a positive integer, got ${value}`);
}

/**
 * Keeps a teacher's k likeliest next tokens at each counted position of the batches that a source gives, with
 * their log-probabilities and the mass of all other tokens: `4 (2 k + 1)` bytes a position. Goes on where an
 * earlier call stopped, or with more steps.
 *
 * @returns the manifest, which says what the cut loses.
 * @throws RangeError naming an option out of its range; Error where the folder holds a cache of something
 *   else, naming what differs, where another process writes it, or where a logit is not finite.
 */
export async function cacheTeacherLogits(
  teacher: Model,
  data: BatchSource,
  options: TeacherCacheOptions,
): Promise<TeacherCacheManifest> {
  const { folder, signal, temperature = 1 } = options;
  const { vocabSize } = teacher.config;
  const k = positive('k', options.k);
  const steps = positive('steps', options.steps);
  const saveEvery = positive('saveEvery', options.saveEvery ?? 100);
  if (k > vocabSize) {
    throw new RangeError(`cacheTeacherLogits: k is ${k}, the vocabulary has ${vocabSize} tokens`);
  }
  if (!(temperature > 0 && Number.isFinite(temperature))) {
    throw new RangeError(
      `cacheTeacherLogits: temperature must be a positive number, got ${temperature}`,
    );
  }
  const head = plain<CacheHead>({
    teacher: { fingerprint: teacher.fingerprint(), ref: teacher.ref ?? null },
    tokenizer: tokenizerDigest(teacher.ref),
    vocabSize,
    k,
    temperature,
    data: { identity: options.identity ?? {}, start: data.position() },
  });
  mkdirSync(folder, { recursive: true });
  const unlock = lockFile(join(folder, 'manifest.json'));
  try {
    for (const name of readdirSync(folder)) {
      if (name.includes('.new-')) rmSync(join(folder, name), { force: true });
    }
    let manifest = hasManifest(folder) ? goOn(folder, head) : writeManifest(folder, head, []);
    const last = manifest.shards.at(-1);
    if (last && manifest.batches < steps) await data.seek(last.end);
    let made: CachedBatch[] = [];
    let lost: Lost[] = [];
    const write = () => {
      if (made.length === 0) return;
      const means = { lost: meanOf(made, lost), end: data.position() };
      const entry = plain<ShardEntry>(writeShard(folder, manifest.shards.length, made, means));
      manifest = writeManifest(folder, head, [...manifest.shards, entry]);
      [made, lost] = [[], []];
    };
    let bytes = 0;
    for (let done = manifest.batches; done < steps; ) {
      if (signal?.aborted) {
        write();
        throw signal.reason;
      }
      const batch = await data.next();
      const rows = countedRows(teacher, batch, { k, temperature });
      const bad = rows.logProbs.findIndex((x, i) => i % (k + 1) === 0 && !Number.isFinite(x));
      if (bad >= 0) {
        write();
        const ids = batch.ids?.join(', ') ?? 'without ids';
        throw new Error(
          `cacheTeacherLogits: batch ${done + 1} (${ids}): the teacher's logits are not finite`,
        );
      }
      const { ids, logProbs } = rows;
      made.push({ digest: digestOf(batch, ids.length / k), ids, logProbs });
      lost.push(rows.lost);
      bytes += ids.byteLength + logProbs.byteLength;
      done++;
      if (done === steps || made.length === saveEvery || bytes > SHARD_BYTES) {
        write();
        bytes = 0;
      }
      options.onBatch?.(done, steps);
      await setImmediate();
    }
    return manifest;
  } finally {
    unlock();
  }
}

/** As JSON has it: what is compared with what was written must have gone the same way. */
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

function goOn(folder: string, head: CacheHead): TeacherCacheManifest {
  const manifest = readManifest(folder);
  expectSame(folder, plain(headOf(manifest)), head, 'cache');
  for (const { file, index } of manifest.shards) {
    for (const path of [join(folder, file), join(folder, index)]) {
      if (!existsSync(path)) throw new Error(`${path}: the manifest names it, and it is not there`);
    }
  }
  return manifest;
}

/** Means over positions of what some batches lose. */
function meanOf(batches: readonly CachedBatch[], lost: readonly Lost[]): Lost {
  const positions = batches.reduce((sum, { digest }) => sum + digest.counted, 0);
  const mean = (name: keyof Lost) =>
    lost.reduce((sum, l, i) => sum + l[name] * (batches[i]?.digest.counted ?? 0), 0) /
    Math.max(1, positions);
  return { mass: mean('mass'), truncationKL: mean('truncationKL'), restKL: mean('restKL') };
}

function tokenizerDigest(ref: string | undefined): string | null {
  if (ref === undefined) return null;
  const path = existsSync(join(ref, 'tokenizer.json')) ? ref : resolveModel(ref);
  const files = [...tokenizerFiles(path)];
  return files.length > 0 ? sha256(JSON.stringify(files)) : null;
}
