/** Tensors of one value. */
import type * as tf from '@tensorflow/tfjs-core';
import { type Call, isPlain, kernel } from './kernel.js';

/** A new tensor of one value. */
export function filled(
  call: Call,
  shape: number[],
  dtype: tf.DataType,
  value: number,
): tf.TensorInfo {
  const y = call.output(shape, dtype);
  call.run('fill', [y], [value]);
  return y;
}

export const fill = kernel<{ shape: number[]; value: number | string; dtype?: tf.DataType }>(
  'Fill',
  (call, _, { shape, value, dtype = 'float32' }) =>
    typeof value === 'number' && dtype !== 'string' && dtype !== 'complex64'
      ? filled(call, shape, dtype, value)
      : undefined,
);

export const onesLike = kernel('OnesLike', (call, { x }) =>
  x && isPlain(x) ? filled(call, x.shape, x.dtype, 1) : undefined,
);

export const zerosLike = kernel('ZerosLike', (call, { x }) =>
  x && isPlain(x) ? filled(call, x.shape, x.dtype, 0) : undefined,
);
