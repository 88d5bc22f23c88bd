/** Joining tensors: Concat, Pack. */
import * as tf from '@tensorflow/tfjs-core';
import { type Call, isPlain, kernel, size } from './kernel.js';
import { axisOf, stridedCopy } from './strided.js';

/** Joins `[outer, n_i, inner]` tensors along the middle into a tensor of `shape`. */
function join(call: Call, tensors: tf.TensorInfo[], outer: number, shape: number[]): tf.TensorInfo {
  const y = call.output(shape, (tensors[0] as tf.TensorInfo).dtype);
  const row = size(shape) / outer;
  let at = 0;
  for (const t of tensors) {
    const run = size(t.shape) / outer;
    stridedCopy(call, t, 0, y, at, [
      [outer, run, row],
      [run, 1, 1],
    ]);
    at += run;
  }
  return y;
}

export const concat = kernel<{ axis: number }>('Concat', (call, inputs, { axis }) => {
  const tensors = Object.values(inputs);
  const first = tensors[0] as tf.TensorInfo;
  if (!isPlain(...tensors) || tensors.some((t) => t.dtype !== first.dtype)) return undefined;
  const along = axisOf(axis, first.shape);
  const shapes = tensors.map((t) => t.shape);
  tf.backend_util.assertParamsConsistent(shapes, along);
  const shape = tf.backend_util.computeOutShape(shapes, along);
  if (size(shape) === 0) return call.output(shape, first.dtype);
  const filled = tensors.filter((t) => size(t.shape) > 0);
  if (filled.length === 1) return call.backend.alias(filled[0] as tf.TensorInfo);
  return join(call, filled, size(shape.slice(0, along)), shape);
});

export const pack = kernel<{ axis: number }>('Pack', (call, inputs, { axis }) => {
  const tensors = Object.values(inputs);
  const first = tensors[0] as tf.TensorInfo;
  if (!isPlain(...tensors) || size(first.shape) === 0) return undefined;
  for (const t of tensors) {
    tf.util.assertShapesMatch(
      first.shape,
      t.shape,
      'All tensors passed to stack must have matching shapes',
    );
    tf.util.assert(
      t.dtype === first.dtype,
      () => 'All tensors passed to stack must have matching dtypes',
    );
  }
  const along = axis < 0 ? axis + first.shape.length + 1 : axis;
  const shape = [...first.shape.slice(0, along), tensors.length, ...first.shape.slice(along)];
  return join(call, tensors, size(shape.slice(0, along)), shape);
});
