/** Rows of whole documents, one after another. */
import type { Batch } from '../batch.js';

/** A document, or a piece of one, as it lies in a row: tokens, a label for each, and whether it counts. */
export interface Piece {
  readonly id: string;
  readonly tokens: ArrayLike<number>;
  readonly labels: ArrayLike<number>;
  readonly mask: ArrayLike<number>;
}

/** Fills a batch row by row: as many pieces in each as fit, the rest of a row counts for nothing. */
export class BatchPacker {
  private readonly made;
  private readonly ids: string[] = [];
  private at = 0;
  private row = 0;

  constructor(
    private readonly batch: number,
    private readonly length: number,
  ) {
    const size = batch * length;
    this.made = {
      tokens: new Int32Array(size),
      labels: new Int32Array(size),
      mask: new Float32Array(size),
      resets: new Int32Array(size),
    };
  }

  /**
   * Takes a piece of at most a row.
   *
   * @returns false where the batch is full: the piece belongs to the next one.
   */
  add({ id, tokens, labels, mask }: Piece): boolean {
    const end = (this.row + 1) * this.length;
    if (this.at + tokens.length > end) {
      if (this.at < end) this.made.resets[this.at] = 1;
      this.row++;
      this.at = end;
      if (this.row === this.batch) return false;
    }
    const { at } = this;
    this.made.resets[at] = 1;
    this.made.tokens.set(tokens, at);
    this.made.labels.set(labels, at);
    this.made.mask.set(mask, at);
    this.ids.push(id);
    this.at += tokens.length;
    return true;
  }

  /** The batch; the packer cannot be used afterwards. */
  finish(): Batch {
    return { ...this.made, batch: this.batch, length: this.length, ids: this.ids };
  }
}

/**
 * A document as rows hold it: itself, or cut into pieces of a row's length. Every token keeps its label,
 * the last of a piece that which the next piece starts with.
 */
export function piecesOf(document: Piece, length: number): Piece[] {
  const { id, tokens, labels, mask } = document;
  if (tokens.length <= length) return [document];
  const cut = (values: ArrayLike<number>, from: number) =>
    Array.from({ length: Math.min(length, values.length - from) }, (_, i) => values[from + i] ?? 0);
  return Array.from({ length: Math.ceil(tokens.length / length) }, (_, i) => ({
    id,
    tokens: cut(tokens, i * length),
    labels: cut(labels, i * length),
    mask: cut(mask, i * length),
  }));
}
