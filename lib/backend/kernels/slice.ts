/** Parts of tensors: Slice, StridedSlice, SplitV, Unpack. */
import * as tf from '@tensorflow/tfjs-core';
import { type Call, isPlain, kernel } from './kernel.js';
import { axisOf, gathered, steps } from './strided.js';

/** The shape with another size of one axis. */
function replaced(shape: readonly number[], axis: number, n: number): number[] {
  return shape.map((d, i) => (i === axis ? n : d));
}

/** The box of `size` that starts at `begin`. */
function box(call: Call, x: tf.TensorInfo, begin: number[], size: number[]): tf.TensorInfo {
  const from = steps(x.shape);
  const start = begin.reduce((sum, b, i) => sum + b * (from[i] as number), 0);
  return gathered(call, x, size, start, from);
}

export const slice = kernel<{ begin: number[]; size: number[] }>('Slice', (call, { x }, attrs) => {
  if (!x || !isPlain(x)) return undefined;
  const [begin, size] = tf.slice_util.parseSliceParams(x, attrs.begin, attrs.size);
  tf.slice_util.assertParamsValid(x, begin as number[], size as number[]);
  return box(call, x, begin as number[], size as number[]);
});

interface StridedSliceAttrs {
  begin: number[];
  end: number[];
  strides: number[];
  beginMask: number;
  endMask: number;
  ellipsisMask: number;
  newAxisMask: number;
  shrinkAxisMask: number;
}

export const stridedSlice = kernel<StridedSliceAttrs>('StridedSlice', (call, { x }, attrs) => {
  if (!x || !isPlain(x)) return undefined;
  const info = tf.slice_util.sliceInfo(
    x.shape,
    attrs.begin,
    attrs.end,
    attrs.strides,
    attrs.beginMask,
    attrs.endMask,
    attrs.ellipsisMask,
    attrs.newAxisMask,
    attrs.shrinkAxisMask,
  );
  if (info.isIdentity) return call.backend.alias(x, info.finalShape);
  const from = steps(x.shape);
  const size = tf.slice_util.computeOutShape(info.begin, info.end, info.strides);
  const start = info.begin.reduce((sum, b, i) => sum + b * (from[i] as number), 0);
  const y = gathered(
    call,
    x,
    size,
    start,
    from.map((step, i) => step * (info.strides[i] as number)),
  );
  return { ...y, shape: info.finalShape };
});

export const splitV = kernel<{ numOrSizeSplits: number[] | number; axis: number }>(
  'SplitV',
  (call, { x }, { numOrSizeSplits, axis }) => {
    if (!x || !isPlain(x)) return undefined;
    const along = axisOf(axis, x.shape);
    let at = 0;
    return tf.backend_util
      .prepareSplitSize(x as tf.Tensor, numOrSizeSplits, along)
      .map((n: number) => {
        const begin = x.shape.map((_, i) => (i === along ? at : 0));
        at += n;
        return box(call, x, begin, replaced(x.shape, along, n));
      });
  },
);

export const unpack = kernel<{ axis: number }>('Unpack', (call, { value }, { axis }) => {
  if (!value || !isPlain(value)) return undefined;
  const along = axisOf(axis, value.shape);
  const shape = value.shape.filter((_, i) => i !== along);
  return Array.from({ length: value.shape[along] as number }, (_, n) => {
    const begin = value.shape.map((_, i) => (i === along ? n : 0));
    return { ...box(call, value, begin, replaced(value.shape, along, 1)), shape };
  });
});
