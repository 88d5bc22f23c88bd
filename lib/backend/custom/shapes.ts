/** Checks that custom kernels share. */
import type * as tf from '@tensorflow/tfjs-core';

/** The shape as text, for errors. */
export function shapeText(t: { shape: readonly number[] }): string {
  return `[${t.shape.join(', ')}]`;
}

/** Throws the kernel's complaint unless it holds. */
export function expect(condition: boolean, kernel: string, complaint: () => string): void {
  if (!condition) throw new Error(`${kernel}: ${complaint()}`);
}

/** Checks a tensor's shape; `undefined` dimensions may be any. */
export function expectShape(
  kernel: string,
  name: string,
  t: tf.Tensor,
  shape: readonly (number | undefined)[],
  dtype: tf.DataType = 'float32',
): void {
  const fits =
    t.dtype === dtype &&
    t.rank === shape.length &&
    shape.every((d, i) => d === undefined || d === t.shape[i]);
  const text = shape.map((d) => d ?? '*').join(', ');
  expect(fits, kernel, () => `${name} must be ${dtype} [${text}], got ${t.dtype} ${shapeText(t)}`);
}

/** The last axis. */
export function lastDim(t: { shape: readonly number[] }): number {
  return t.shape[t.shape.length - 1] as number;
}
