/** Tensors written from others, in the memory that they have. */
import type * as tf from '@tensorflow/tfjs-core';
import { nativeBackend } from '../init.js';

/** Writes a tensor's values into another of its shape and dtype. Backend `native` only. */
export function copyValues(from: tf.Tensor, to: tf.Tensor): void {
  const backend = nativeBackend();
  backend.engine.run('copy', [backend.operand(from), backend.operand(to)]);
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
