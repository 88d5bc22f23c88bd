/** Reductions over axes. */
import * as tf from '@tensorflow/tfjs-core';
import { type Call, isPlain, kernel, type NativeKernel, size } from './kernel.js';
import { gathered, steps } from './strided.js';

/** A tensor as `[outer, n, inner]`, to be reduced along the middle. */
interface Middle {
  x: tf.TensorInfo;
  sizes: [outer: number, n: number, inner: number];
  /** The shape without the reduced axes. */
  rest: number[];
}

/** Brings the axes together; a transposed copy is made only where they lie apart. */
function middle(call: Call, x: tf.TensorInfo, axes: number[]): Middle {
  const { shape } = x;
  const sorted = [...axes].sort((a, b) => a - b);
  const first = sorted[0] ?? shape.length;
  const last = sorted.at(-1) ?? first - 1;
  const kept = shape.map((_, i) => i).filter((i) => !sorted.includes(i));
  const rest = kept.map((i) => shape[i] as number);
  const n = size(sorted.map((i) => shape[i] as number));
  if (kept.every((i) => i < first || i > last || shape[i] === 1)) {
    const sizes: Middle['sizes'] = [size(shape.slice(0, first)), n, size(shape.slice(last + 1))];
    return { x: call.dense(x), sizes, rest };
  }
  const order = [...kept, ...sorted];
  const from = steps(shape);
  const moved = call.keep(
    gathered(
      call,
      x,
      order.map((i) => shape[i] as number),
      0,
      order.map((i) => from[i] as number),
    ),
  );
  return { x: moved, sizes: [size(rest), n, 1], rest };
}

interface Reduction {
  name: string;
  op: string;
  /** Dtypes with native code, and the result's. */
  dtypes: Partial<Record<tf.DataType, tf.DataType>>;
}

const SAME = { float32: 'float32', int32: 'int32', bool: 'bool' } as const;

const REDUCTIONS: readonly Reduction[] = [
  { name: 'All', op: 'all', dtypes: { bool: 'bool' } },
  { name: 'Any', op: 'any', dtypes: { bool: 'bool' } },
  { name: 'Max', op: 'max', dtypes: SAME },
  { name: 'Mean', op: 'mean', dtypes: { float32: 'float32' } },
  { name: 'Min', op: 'min', dtypes: SAME },
  { name: 'Prod', op: 'prod', dtypes: { float32: 'float32', int32: 'int32' } },
  { name: 'Sum', op: 'sum', dtypes: { float32: 'float32', int32: 'int32', bool: 'int32' } },
];

interface ReduceAttrs {
  axis?: number | number[];
  reductionIndices?: number | number[];
  keepDims?: boolean;
}

/** Kernels that reduce any axes to one value. */
export const reduceKernels: readonly NativeKernel[] = REDUCTIONS.map(({ name, op, dtypes }) =>
  kernel<ReduceAttrs>(name, (call, { x }, { axis, reductionIndices, keepDims }) => {
    if (!x || !isPlain(x) || size(x.shape) === 0) return undefined;
    const dtype = dtypes[x.dtype];
    if (!dtype) return undefined;
    const axes = tf.util.parseAxisParam((axis ?? reductionIndices) as number[], x.shape);
    const { x: dense, sizes, rest } = middle(call, x, axes);
    const shape = keepDims ? tf.backend_util.expandShapeToKeepDim(rest, axes) : rest;
    const y = call.output(shape, dtype);
    call.run(op, [dense, y], sizes);
    return y;
  }),
);

const extreme = (name: string, sign: number) =>
  kernel<{ axis: number | number[] }>(name, (call, { x }, { axis }) => {
    if (!x || !isPlain(x) || size(x.shape) === 0) return undefined;
    const axes = tf.util.parseAxisParam(axis, x.shape);
    const { x: dense, sizes, rest } = middle(call, x, axes.slice(0, 1));
    const y = call.output(rest, 'int32');
    call.run('argExtreme', [dense, y], [...sizes, sign]);
    return y;
  });

export const argMax = extreme('ArgMax', 1);
export const argMin = extreme('ArgMin', -1);
