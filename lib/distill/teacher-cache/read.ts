/** Batches with what a cache holds of the teacher. */
import { type Batch, type BatchSource, countedLabels, type TeacherRows } from '../batch.js';
import { differenceOf, digestOf } from './batch-digest.js';
import type { ShardEntry, TeacherCacheManifest } from './manifest.js';
import { type CachedBatch, readShard } from './shard.js';

/** Where {@link cachedBatches} goes on. */
export interface CachedPosition<Position = unknown> {
  readonly data: Position;
  /** Batches that were given. */
  readonly batch: number;
}

/** Shards one after another, the present one in memory. */
class Shards {
  private present: { readonly first: number; readonly batches: readonly CachedBatch[] } | undefined;

  constructor(
    private readonly folder: string,
    private readonly manifest: TeacherCacheManifest,
  ) {}

  /** The batches of the shard that holds a batch, and the number of the first of them. */
  around(number: number): { readonly first: number; readonly batches: readonly CachedBatch[] } {
    const { present, manifest } = this;
    if (present && number >= present.first && number < present.first + present.batches.length) {
      return present;
    }
    let first = 0;
    for (const entry of manifest.shards) {
      if (number < first + entry.batches) return this.open(first, entry);
      first += entry.batches;
    }
    throw new RangeError(
      `${this.folder}: batch ${number + 1} is asked for, the cache holds ${manifest.batches}`,
    );
  }

  private open(first: number, entry: ShardEntry) {
    this.present = undefined;
    const opened = { first, batches: readShard(this.folder, entry, this.manifest.k) };
    this.present = opened;
    return opened;
  }
}

/**
 * The batches of a source, each with the rows that a cache has of it. The source must give what it gave when
 * the cache was written, in the same order.
 *
 * @returns a source whose `next` throws an Error where a batch is not the cached one, naming what differs, or
 *   where a file is missing or altered, naming it.
 */
export function cachedBatches<Position>(
  data: BatchSource<Position>,
  folder: string,
  manifest: TeacherCacheManifest,
): BatchSource<CachedPosition<Position>> {
  const shards = new Shards(folder, manifest);
  let number = 0;
  return {
    async next() {
      const { first, batches } = shards.around(number);
      const cached = batches[number - first] as CachedBatch;
      const batch = await data.next();
      const here = digestOf(batch, countedLabels(batch, 0, batch.batch));
      const difference = differenceOf(cached.digest, here);
      if (difference !== undefined) {
        const other = batches.findIndex(({ digest }) => differenceOf(digest, here) === undefined);
        const order = other < 0 ? '' : `; it is batch ${first + other + 1} of the cache`;
        throw new Error(
          `${folder}: batch ${number + 1} of the data is not the cached one: ${difference}${order}`,
        );
      }
      number++;
      return { ...batch, teacher: spread(batch, cached, manifest.k) };
    },
    position: () => ({ data: data.position(), batch: number }),
    async seek(position) {
      await data.seek(position.data);
      number = position.batch;
    },
  };
}

/** The rows of counted positions where they belong in a batch. */
function spread({ mask }: Batch, { ids, logProbs }: CachedBatch, k: number): TeacherRows {
  const all = {
    k,
    ids: new Int32Array(mask.length * k),
    logProbs: new Float32Array(mask.length * (k + 1)),
  };
  let from = 0;
  for (const [i, counts] of mask.entries()) {
    if (counts === 0) continue;
    all.ids.set(ids.subarray(from * k, (from + 1) * k), i * k);
    all.logProbs.set(logProbs.subarray(from * (k + 1), (from + 1) * (k + 1)), i * (k + 1));
    from++;
  }
  return all;
}
