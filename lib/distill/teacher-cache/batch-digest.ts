/** What tells a batch from others without keeping it. */
import { z } from 'zod';
import type { Batch } from '../batch.js';
import { sha256 } from './manifest.js';

const ARRAYS = ['tokens', 'labels', 'mask', 'resets'] as const;

const hash = z.string().regex(/^[0-9a-f]{16}$/);

/** Schema of {@link BatchDigest}. */
export const batchDigest = z.strictObject({
  batch: z.int().positive(),
  length: z.int().positive(),
  /** Labels that count. */
  counted: z.int().nonnegative(),
  tokens: hash,
  labels: hash,
  mask: hash,
  resets: hash,
  documents: z.array(z.string()),
});

/** Sizes, digests of the arrays, and documents of a batch. */
export type BatchDigest = z.output<typeof batchDigest>;

/** The digest of a batch of which so many labels count. */
export function digestOf(batch: Batch, counted: number): BatchDigest {
  const of = ({ buffer, byteOffset, byteLength }: Int32Array | Float32Array) =>
    sha256(new Uint8Array(buffer, byteOffset, byteLength)).slice(0, 16);
  return {
    batch: batch.batch,
    length: batch.length,
    counted,
    tokens: of(batch.tokens),
    labels: of(batch.labels),
    mask: of(batch.mask),
    resets: of(batch.resets),
    documents: [...(batch.ids ?? [])],
  };
}

/** What differs between two batches, in words; nothing where they are the same. */
export function differenceOf(there: BatchDigest, here: BatchDigest): string | undefined {
  if (there.batch !== here.batch || there.length !== here.length) {
    const size = ({ batch, length }: BatchDigest) => `${batch} rows of ${length} tokens`;
    return `${size(there)} there, ${size(here)} here`;
  }
  const arrays = ARRAYS.filter((name) => there[name] !== here[name]);
  if (arrays.length === 0) return undefined;
  const documents = [there, here].map((digest) => listed(digest.documents));
  const which =
    documents[0] === documents[1]
      ? `of the documents ${documents[0]}`
      : `documents ${documents[0]} there, ${documents[1]} here`;
  return `${arrays.join(', ')} differ; ${which}`;
}

function listed(documents: readonly string[]): string {
  if (documents.length === 0) return 'without ids';
  const first = documents.slice(0, 3).join(', ');
  return documents.length > 3 ? `${first} and ${documents.length - 3} more` : first;
}
