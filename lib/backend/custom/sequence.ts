/** What the kernels along a sequence share: lengths of rows, and documents packed into them. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, expectShape } from './shapes.js';

/** Which tokens of a batch are real, and where documents start. */
export interface SequenceOptions {
  /**
   * Real tokens of each row, int32 `[batch]`; the others are padding: their output is 0 and the
   * state stays that after the last real token. A row of length 0 keeps its state.
   */
  lens?: tf.Tensor1D;
  /** Not 0 where a document starts, int32 `[batch, length]`: nothing before that token is seen. */
  resets?: tf.Tensor2D;
}

/** Checks lengths and resets against the sequence. */
export function expectSequence(
  kernel: string,
  { lens, resets }: SequenceOptions,
  batch: number,
  length: number,
): void {
  expect(length > 0, kernel, () => 'the sequence is empty: axis 1 (length) is 0');
  if (lens) expectShape(kernel, 'lens', lens, [batch], 'int32');
  if (resets) expectShape(kernel, 'resets', resets, [batch, length], 'int32');
}

/** Real tokens, bool `[batch, length]`; undefined where all are. */
export function realTokens(lens: tf.Tensor | undefined, length: number): tf.Tensor | undefined {
  return lens && tf.less(tf.range(0, length, 1, 'int32'), tf.reshape(lens, [-1, 1]));
}

/** `t` where the condition on `[batch, length]` holds, else 0; `t` may have more axes. */
export function zeroUnless(condition: tf.Tensor | undefined, t: tf.Tensor): tf.Tensor {
  if (!condition) return t;
  const [batch, length] = condition.shape as [number, number];
  const spread = tf.reshape(condition, [batch, length, ...Array(t.rank - 2).fill(1)]);
  return tf.where(tf.broadcastTo(tf.cast(spread, 'bool'), t.shape), t, tf.zerosLike(t));
}

/** The number of each token's document, int32 `[batch, length]`: 0 is the one that goes on. */
export function documents(resets: tf.Tensor | undefined): tf.Tensor2D | undefined {
  return resets && (tf.cumsum(tf.cast(tf.notEqual(resets, 0), 'int32'), 1) as tf.Tensor2D);
}

/** Entries `at`, int32 `[b, k]`, of axis 1. Not by `batchDims`: tfjs' wasm backend reads past its memory. */
export function entriesAt(t: tf.Tensor, at: tf.Tensor): tf.Tensor {
  const [b, length, ...rest] = t.shape as [number, number, ...number[]];
  const row = tf.reshape(tf.range(0, b * length, length, 'int32'), [b, 1]);
  const flat = tf.reshape(t, [b * length, ...rest]);
  const index = tf.reshape(tf.add(at, row), [-1]);
  return tf.reshape(tf.gather(flat, tf.cast(index, 'int32')), [b, at.shape[1] as number, ...rest]);
}
