/** Tensors written from others, in the memory that they have. */
import type * as tf from '@tensorflow/tfjs-core';
import { nativeBackend } from '../init.js';

/** Writes a tensor's values into another of its shape and dtype. Backend `native` only. */
export function copyValues(from: tf.Tensor, to: tf.Tensor): void {
  const backend = nativeBackend();
  backend.engine.run('copy', [backend.operand(from), backend.operand(to)]);
}

/** Adds `by`, int32 `[batch]`, to the last column of `to`, int32 `[batch, width]`. Backend `native` only. */
export function addToLast(to: tf.Tensor2D, by: tf.Tensor1D): void {
  const backend = nativeBackend();
  backend.engine.run('addPositions', [backend.operand(to), backend.operand(by)]);
}

/** Two tensors whose rows are copied, and how many numbers from a row's start. */
export interface RowPair {
  readonly from: tf.Tensor;
  readonly to: tf.Tensor;
  readonly size: number;
}

/**
 * Copies row `fromRows[i]` over row `toRows[i]` in every pair, all in one operation. The two tensors of
 * a pair have one dtype and may be the same, whose rows are then read or written and not both. Backend
 * `native` only.
 *
 * @throws Error where a row lies outside its tensor, or is written twice.
 */
export function copyRows(
  pairs: readonly RowPair[],
  fromRows: readonly number[],
  toRows: readonly number[],
): void {
  const backend = nativeBackend();
  backend.engine.run(
    'copyRows',
    pairs.flatMap(({ from, to }) => [backend.operand(from), backend.operand(to)]),
    [fromRows.length, ...fromRows, ...toRows, ...pairs.map(({ size }) => size)],
  );
}

/**
 * Writes the bfloat16 numbers that are nearest to a float32 tensor's, of two the even ones, into a float32
 * tensor of its shape; both may be one. Backend `native` only.
 */
export function roundValues(from: tf.Tensor, to: tf.Tensor): void {
  const backend = nativeBackend();
  const stored = backend.makeStored([...from.shape], 'BF16');
  try {
    const rounded = backend.operand(stored);
    backend.engine.run('convert', [backend.operand(from), rounded]);
    backend.engine.run('dequantize', [rounded, backend.operand(to)]);
  } finally {
    backend.disposeData(stored.dataId);
  }
}
