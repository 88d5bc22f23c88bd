import * as tf from '@tensorflow/tfjs-core';
import { kernel } from './kernel.js';

/** The sum of tensors of one shape. */
export const addN = kernel('AddN', (call, inputs) => {
  const tensors = Object.values(inputs);
  const [first, ...rest] = tensors as [tf.TensorInfo, ...tf.TensorInfo[]];
  const same = tensors.every((t) => t.dtype === first.dtype);
  if (!same || (first.dtype !== 'float32' && first.dtype !== 'int32')) return undefined;
  for (const t of rest) {
    tf.util.assertShapesMatch(first.shape, t.shape, 'Error in addN: ');
  }
  const y = call.output(first.shape, first.dtype);
  call.run('copy', [call.dense(first), y]);
  for (const t of rest) call.run('add', [y, call.dense(t), y]);
  return y;
});
