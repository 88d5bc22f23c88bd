/** A file of some batches of cached logits, and its index. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeAtomic } from '../../results/write-atomic.js';
import { type BatchDigest, batchDigest } from './batch-digest.js';
import { type Lost, readChecked, type ShardEntry, sha256 } from './manifest.js';

/** What is kept of a teacher at the counted positions of a batch, in their order. */
export interface CountedRows {
  /** `[counted, k]`. */
  readonly ids: Int32Array;
  /** `[counted, k + 1]`: log-probabilities and, last, that of all other tokens together. */
  readonly logProbs: Float32Array;
}

/** A batch of a cache. */
export interface CachedBatch extends CountedRows {
  readonly digest: BatchDigest;
}

const index = z.strictObject({ batches: z.array(batchDigest) });

const bytesOf = ({ buffer, byteOffset, byteLength }: Int32Array | Float32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);

/**
 * Writes a shard: of each batch `counted * k` int32 and `counted * (k + 1)` float32, little-endian, one batch
 * after another; and their digests as JSON. Both are there whole or not at all.
 */
export function writeShard(
  folder: string,
  number: number,
  batches: readonly CachedBatch[],
  { lost, end }: { readonly lost: Lost; readonly end: unknown },
): ShardEntry {
  const name = `shard-${String(number).padStart(5, '0')}`;
  const content = Buffer.concat(
    batches.flatMap(({ ids, logProbs }) => [bytesOf(ids), bytesOf(logProbs)]),
  );
  const lines = `${JSON.stringify({ batches: batches.map(({ digest }) => digest) })}\n`;
  writeAtomic(join(folder, `${name}.bin`), content);
  writeAtomic(join(folder, `${name}.json`), lines);
  return {
    file: `${name}.bin`,
    bytes: content.length,
    sha256: sha256(content),
    index: `${name}.json`,
    indexSha256: sha256(lines),
    batches: batches.length,
    positions: batches.reduce((sum, { digest }) => sum + digest.counted, 0),
    lost,
    end,
  };
}

/**
 * Reads a shard whole.
 *
 * @throws Error naming the file that is missing, cut short or altered.
 */
export function readShard(folder: string, entry: ShardEntry, k: number): CachedBatch[] {
  const content = read(join(folder, entry.file), entry.sha256, entry.bytes);
  const path = join(folder, entry.index);
  const { batches } = readChecked(path, read(path, entry.indexSha256).toString('utf8'), index);
  const rows = batches.reduce((sum, { counted }) => sum + counted, 0);
  const want = 4 * rows * (2 * k + 1);
  if (batches.length !== entry.batches || content.length !== want) {
    throw new Error(
      `${join(folder, entry.file)}: ${want} bytes of ${batches.length} batches expected, got ` +
        `${content.length} of ${entry.batches}`,
    );
  }
  // Node may hand out memory that does not begin at whole numbers.
  const numbers = new ArrayBuffer(content.length);
  new Uint8Array(numbers).set(content);
  let at = 0;
  return batches.map((digest) => {
    const ids = new Int32Array(numbers, at, digest.counted * k);
    at += ids.byteLength;
    const logProbs = new Float32Array(numbers, at, digest.counted * (k + 1));
    at += logProbs.byteLength;
    return { digest, ids, logProbs };
  });
}

function read(path: string, digest: string, bytes?: number): Buffer {
  if (!existsSync(path)) throw new Error(`${path}: the manifest names it, and it is not there`);
  const content = readFileSync(path);
  if (bytes !== undefined && content.length !== bytes) {
    throw new Error(`${path}: ${bytes} bytes expected, got ${content.length}`);
  }
  const found = sha256(content);
  if (found !== digest) throw new Error(`${path}: expected SHA-256 ${digest}, found ${found}`);
  return content;
}
