/** Kernels whose result is their input's data under the same or another shape. */
import * as tf from '@tensorflow/tfjs-core';
import { kernel, size } from './kernel.js';

export const identity = kernel('Identity', (call, { x }) => call.backend.alias(x as tf.TensorInfo));

export const reshape = kernel<{ shape: number[] }>('Reshape', (call, { x }, { shape }) => {
  if (!x || x.dtype === 'complex64') return undefined;
  const elements = size(x.shape);
  const target = tf.util.inferFromImplicitShape(shape, elements);
  tf.util.assert(
    elements === size(target),
    () =>
      `The new shape (${target}) has ${size(target)} elements and the old shape (${x.shape}) has ` +
      `${elements} elements. The new shape and old shape must have the same number of elements.`,
  );
  return call.backend.alias(x, target);
});

export const expandDims = kernel<{ dim: number }>('ExpandDims', (call, { input }, { dim }) => {
  if (!input || input.dtype === 'complex64') return undefined;
  const rank = input.shape.length;
  tf.util.assert(
    dim >= -(rank + 1) && dim <= rank,
    () => `Axis must be in the interval [${-(rank + 1)}, ${rank}]`,
  );
  const at = dim < 0 ? rank + dim + 1 : dim;
  return call.backend.alias(input, [...input.shape.slice(0, at), 1, ...input.shape.slice(at)]);
});
