/** Data for tests of training: rows that look random, the same for the same step. */
import type { Batch, BatchSource } from '../../lib/distill/index.js';

export const VOCAB = 97;

/** A batch of rows of two documents each, some labels left out. */
export function batchOf(seed: number, batch = 4, length = 12): Batch {
  const n = batch * length;
  const tokens = Int32Array.from(
    { length: n },
    (_, i) => (Math.imul(i % 7, seed + 3) + (i % length) * 5 + seed * 31) % VOCAB,
  );
  const column = (i: number) => i % length;
  const row = (i: number) => Math.floor(i / length);
  return {
    tokens,
    labels: tokens.map((_, i) => tokens[(i + 1) % n] as number),
    mask: Float32Array.from(tokens, (_, i) => Number(column(i) % 5 !== row(i))),
    resets: tokens.map((_, i) => Number(column(i) === 0 || column(i) === 5)),
    batch,
    length,
    ids: [`batch ${seed}`],
  };
}

/** Batches 0, 1, 2, ... of `period` different ones; `change` may alter one before it is given. */
export function source(period = 8, change: (batch: Batch, index: number) => Batch = (b) => b) {
  let index = 0;
  const made: BatchSource & { readonly given: number[] } = {
    given: [],
    next() {
      this.given.push(index);
      const batch = batchOf(index % period);
      return Promise.resolve(change(batch, index++));
    },
    position: () => ({ index }),
    seek(position: { index: number }) {
      index = position.index;
      return Promise.resolve();
    },
  };
  return made;
}
