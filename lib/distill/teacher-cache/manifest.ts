/** What a folder of cached teacher logits says of itself. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeAtomic } from '../../results/write-atomic.js';

const FORMAT = 'mambalab teacher logits 1';

const count = z.int().nonnegative();
const digest = z.string().regex(/^[0-9a-f]{64}$/);

const lost = z.strictObject({
  /** Mean probability of the tokens that were not kept. */
  mass: z.number(),
  /** Mean divergence, in nats, of the kept tokens alone, scaled to 1, from the true distribution. */
  truncationKL: z.number(),
  /**
   * Mean divergence, in nats, of the true distribution from the kept one with its rest spread evenly over all
   * other tokens: what is not known about the rest.
   */
  restKL: z.number(),
});

const shard = z.strictObject({
  /** The batches' tokens and log-probabilities, and their sizes and digests. */
  file: z.string(),
  bytes: count,
  sha256: digest,
  index: z.string(),
  indexSha256: digest,
  batches: count,
  positions: count,
  lost,
  /** Where the data goes on after it. */
  end: z.unknown(),
});

const manifest = z.strictObject({
  format: z.literal(FORMAT),
  teacher: z.strictObject({ fingerprint: z.string(), ref: z.string().nullable() }),
  /** SHA-256 of the files of the teacher's tokenizer; null where it came without one. */
  tokenizer: digest.nullable(),
  vocabSize: count,
  k: count,
  temperature: z.number().positive(),
  data: z.strictObject({
    /** What the caller said of it. */
    identity: z.record(z.string(), z.unknown()),
    /** Where it started. */
    start: z.unknown(),
  }),
  batches: count,
  /** Labels that count: each has a row. */
  positions: count,
  bytes: count,
  lost,
  shards: z.array(shard),
});

/** What the cut to k tokens loses, as means over positions. */
export type Lost = z.output<typeof lost>;
/** A file of some batches. */
export type ShardEntry = z.output<typeof shard>;
/** A folder of cached teacher logits. */
export type TeacherCacheManifest = z.output<typeof manifest>;

/** What makes a cache that cache and no other. */
export type CacheHead = Omit<
  TeacherCacheManifest,
  'format' | 'batches' | 'positions' | 'bytes' | 'lost' | 'shards'
>;

const pathOf = (folder: string) => join(folder, 'manifest.json');

/** Whether there is a cache in the folder. */
export function hasManifest(folder: string): boolean {
  return existsSync(pathOf(folder));
}

/** @throws Error naming the file and all that is wrong in it. */
export function readManifest(folder: string): TeacherCacheManifest {
  const path = pathOf(folder);
  if (!existsSync(path)) {
    throw new Error(`${path}: expected the manifest of cached teacher logits, found no such file`);
  }
  return readChecked(path, readFileSync(path, 'utf8'), manifest);
}

/** Writes the manifest of these shards. */
export function writeManifest(
  folder: string,
  head: CacheHead,
  shards: readonly ShardEntry[],
): TeacherCacheManifest {
  const total = (of: (shard: ShardEntry) => number) => shards.reduce((sum, s) => sum + of(s), 0);
  const positions = total((s) => s.positions);
  const mean = (name: keyof Lost) =>
    total((s) => s.positions * s.lost[name]) / Math.max(1, positions);
  const made: TeacherCacheManifest = {
    format: FORMAT,
    ...head,
    batches: total((s) => s.batches),
    positions,
    bytes: total((s) => s.bytes),
    lost: { mass: mean('mass'), truncationKL: mean('truncationKL'), restKL: mean('restKL') },
    shards: [...shards],
  };
  writeAtomic(pathOf(folder), `${JSON.stringify(made, undefined, 2)}\n`);
  return made;
}

/** The part of a manifest that tells its cache from others. */
export function headOf({
  teacher,
  tokenizer,
  vocabSize,
  k,
  temperature,
  data,
}: TeacherCacheManifest): CacheHead {
  return { teacher, tokenizer, vocabSize, k, temperature, data };
}

/** JSON that a schema takes, or an error naming the file and all that is wrong in it. */
export function readChecked<T extends z.ZodType>(
  path: string,
  text: string,
  schema: T,
): z.output<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${path}: no JSON: ${(error as Error).message}`);
  }
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const issues = checked.error.issues.map(({ path: at, message }) => `${at.join('.')}: ${message}`);
  throw new Error(`${path}: ${issues.join('; ')}`);
}

/** SHA-256 in hexadecimal digits. */
export function sha256(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}
