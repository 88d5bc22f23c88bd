/** A batch of made-up tokens, for times that do not depend on what is said. */
import type { Batch } from '../../lib/distill/index.js';

/** `batch` whole documents of `length` tokens below `vocab`, every token counted. */
export function tokenBatch(batch: number, length: number, vocab: number): Batch {
  const n = batch * length;
  const tokens = Int32Array.from({ length: n }, (_, i) => (i * i * 7 + i * 31) % vocab);
  return {
    tokens,
    labels: tokens.map((_, i) => tokens[(i + 1) % n] as number),
    mask: new Float32Array(n).fill(1),
    resets: tokens.map((_, i) => Number(i % length === 0)),
    batch,
    length,
  };
}
