/** Documents in memory, shuffled and packed into rows: for experiments whose data is made on the spot. */
import { drawFrom } from '../data/synthetic/draw.js';
import type { BatchSource } from './batch.js';
import { BatchPacker, type Piece } from './data/pack.js';

/** Options of {@link packed}. */
export interface PackedOptions {
  /** Tokens of a row. */
  readonly length: number;
  /** Rows of a batch. */
  readonly batch: number;
  /** Of the order, another one each time the documents come round; default 0. */
  readonly seed?: number;
}

/** Where {@link packed} goes on. */
export interface PackedPosition {
  /** How often all documents were given. */
  readonly epoch: number;
  /** Documents of this epoch that were given. */
  readonly index: number;
}

/**
 * Batches of whole documents, as many in a row as fit one after another; the rest of a row counts for
 * nothing. Documents come round without end, each epoch in another order.
 *
 * @throws RangeError where there are none, or naming one that is longer than a row.
 */
export function packed(
  documents: readonly Piece[],
  { length, batch, seed = 0 }: PackedOptions,
): BatchSource<PackedPosition> {
  if (documents.length === 0) throw new RangeError('packed: expected documents, got none');
  const long = documents.filter(({ tokens }) => tokens.length > length);
  if (long.length > 0) {
    const [{ id, tokens }] = long as [Piece];
    throw new RangeError(
      `packed: ${long.length} documents are longer than a row of ${length} tokens, such as ${id} of ` +
        `${tokens.length}`,
    );
  }
  let epoch = 0;
  let index = 0;
  let order = shuffledOrder(documents.length, seed, epoch);
  const take = () => {
    index++;
    if (index === documents.length) {
      index = 0;
      epoch++;
      order = shuffledOrder(documents.length, seed, epoch);
    }
  };
  const here = () => documents[order[index] as number] as Piece;
  return {
    next() {
      const packer = new BatchPacker(batch, length);
      while (packer.add(here())) take();
      return Promise.resolve(packer.finish());
    },
    position: () => ({ epoch, index }),
    seek(position) {
      if (!Number.isSafeInteger(position?.epoch) || !((position?.index ?? -1) < documents.length)) {
        const found = JSON.stringify(position)?.slice(0, 80);
        return Promise.reject(
          new RangeError(`packed: expected epoch and index of ${documents.length}, got ${found}`),
        );
      }
      ({ epoch, index } = position);
      order = shuffledOrder(documents.length, seed, epoch);
      return Promise.resolve();
    },
  };
}

/** Fisher and Yates' shuffle of 0 to n - 1. */
function shuffledOrder(n: number, seed: number, epoch: number): Uint32Array {
  const draw = drawFrom(seed, epoch);
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = draw.int(0, i);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}
