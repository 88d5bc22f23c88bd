/** What a training step reads: rows of packed documents. */
import * as tf from '@tensorflow/tfjs-core';
import type { TopK } from '../backend/custom/top-k-divergence.js';
import { assign } from '../backend/index.js';

/** A teacher's likeliest next tokens at every place of a batch, as `distill.cacheTeacherLogits` kept them. */
export interface TeacherRows {
  readonly k: number;
  /** `[batch * length, k]`; anything where the label does not count. */
  readonly ids: Int32Array;
  /** `[batch * length, k + 1]`: their log-probabilities and, last, that of all other tokens together. */
  readonly logProbs: Float32Array;
}

/** A batch of token rows, every array row-major `[batch, length]`. */
export interface Batch {
  readonly tokens: Int32Array;
  /** The token after each, of the same document. */
  readonly labels: Int32Array;
  /** Not 0 where the label counts. */
  readonly mask: Float32Array;
  /** Not 0 where a document starts. */
  readonly resets: Int32Array;
  readonly batch: number;
  readonly length: number;
  /** The documents that are in it, for messages. */
  readonly ids?: readonly string[];
  /** Where the teacher's distributions come from a cache. */
  readonly teacher?: TeacherRows;
}

/** Batches one after another, from a place that can be written down and found again. */
export interface BatchSource<Position = unknown> {
  next(): Promise<Batch>;
  /** All that `seek` needs to go on with the batch that `next` would give now; plain JSON. */
  position(): Position;
  /** Goes to what `position` gave once. */
  seek(position: Position): Promise<void>;
}

/** A micro-batch on the device. Captured programs read these very tensors. */
export interface BatchTensors {
  /** int32 `[batch, length]`. */
  readonly tokens: tf.Tensor2D;
  /** int32 `[batch * length]`. */
  readonly labels: tf.Tensor1D;
  /** float32 `[batch * length]`. */
  readonly mask: tf.Tensor1D;
  /** int32 `[batch, length]`. */
  readonly resets: tf.Tensor2D;
  /** Of every token, where the batches have them. */
  readonly teacher?: TopK;
}

/** Room for micro-batches of a size. */
export class BatchRoom {
  readonly tensors: BatchTensors;

  /** @param k tokens of a teacher's rows; 0 for no room for them. */
  constructor(
    readonly batch: number,
    readonly length: number,
    readonly k = 0,
  ) {
    const whole = () => tf.keep(tf.zeros([batch, length], 'int32')) as tf.Tensor2D;
    this.tensors = {
      tokens: whole(),
      labels: tf.keep(tf.zeros([batch * length], 'int32')),
      mask: tf.keep(tf.zeros([batch * length])),
      resets: whole(),
      ...(k > 0 && {
        teacher: {
          ids: tf.keep(tf.zeros([batch * length, k], 'int32')),
          logProbs: tf.keep(tf.zeros([batch * length, k + 1])),
        },
      }),
    };
  }

  /** Writes rows `from` to `from + batch` of a larger batch. */
  write(rows: Batch, from: number): void {
    const range = [from * this.length, (from + this.batch) * this.length] as const;
    const { teacher } = this.tensors;
    if (teacher && rows.teacher) {
      const [first, end] = range;
      const part = <T extends Int32Array | Float32Array>(values: T, columns: number) =>
        values.subarray(first * columns, end * columns) as T;
      assign(teacher.ids, part(rows.teacher.ids, this.k));
      assign(teacher.logProbs, part(rows.teacher.logProbs, this.k + 1));
    }
    for (const name of ['tokens', 'labels', 'mask', 'resets'] as const) {
      assign(this.tensors[name], rows[name].subarray(...range));
    }
  }

  dispose(): void {
    const { teacher, ...plain } = this.tensors;
    tf.dispose([...Object.values(plain), ...(teacher ? [teacher.ids, teacher.logProbs] : [])]);
  }
}

/** Labels that count in rows `from` to `from + rows`. */
export function countedLabels({ mask, length }: Batch, from: number, rows: number): number {
  let counted = 0;
  for (let i = from * length; i < (from + rows) * length; i++) counted += Number(mask[i] !== 0);
  return counted;
}
