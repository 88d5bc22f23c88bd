/** The one native copy that all kernels of data movement come down to. */
import * as tf from '@tensorflow/tfjs-core';
import type { Call } from './kernel.js';

/** An axis of a copy: how many places, and the steps from one to the next in both tensors. */
export type Axis = readonly [size: number, fromStep: number, toStep: number];

/** Copies `from`, starting at an element, to `to`, starting at another, along the axes. */
export function stridedCopy(
  call: Call,
  from: tf.TensorInfo,
  fromStart: number,
  to: tf.TensorInfo,
  toStart: number,
  axes: readonly Axis[],
): void {
  if (axes.some(([n]) => n === 0)) return;
  call.run('stridedCopy', [call.dense(from), to], [fromStart, toStart, ...axes.flat()]);
}

/** Steps in elements of a row-major tensor, one for each axis. */
export function steps(shape: readonly number[]): number[] {
  const all = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    all[i] = step;
    step *= shape[i] as number;
  }
  return all;
}

/**
 * A new tensor whose places, in order, are the places of `x` from `start` on with steps of its own.
 */
export function gathered(
  call: Call,
  x: tf.TensorInfo,
  shape: number[],
  start: number,
  fromSteps: readonly number[],
): tf.TensorInfo {
  const y = call.output(shape, x.dtype);
  const to = steps(shape);
  stridedCopy(
    call,
    x,
    start,
    y,
    0,
    shape.map((n, i) => [n, fromSteps[i] as number, to[i] as number]),
  );
  return y;
}

/** The axis as a number from 0 on. */
export function axisOf(axis: number, shape: readonly number[]): number {
  return tf.util.parseAxisParam(axis, shape as number[])[0] as number;
}
