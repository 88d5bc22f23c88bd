/** One kernel along a sequence: native values against float64, native gradients against the composition's. */
import * as tf from '@tensorflow/tfjs';
import { expectSame, type Plain } from './both.js';
import type { Result } from './recurrences.js';
import { expectClose, onNative } from './sequence-cases.js';

type Tensors = Record<string, tf.Tensor>;

export function expectKernel(
  inputs: Record<string, Plain>,
  op: (t: Tensors) => { y: tf.Tensor; state: tf.Tensor },
  reference: Result,
): void {
  const got = onNative(inputs, op);
  expectClose(got.y as Float32Array, reference.y, 'y');
  expectClose(got.state as Float32Array, reference.state, 'state');
  const names = Object.keys(inputs);
  const wrt = names.flatMap((key, i) => (inputs[key]?.dtype === 'float32' ? [i] : []));
  const listed = (...tensors: tf.Tensor[]) => {
    const { y, state } = op(
      Object.fromEntries(names.map((key, i) => [key, tensors[i]])) as Tensors,
    );
    return [y, state];
  };
  expectSame(listed, Object.values(inputs), wrt, 1e-4);
}

/**
 * Expects the native gradients of `sum(y wy) + sum(state ws)` to be the central differences of the
 * float64 reference, at every so many elements of every float input.
 */
export function expectDifferences(
  inputs: Record<string, Plain>,
  op: (t: Tensors) => { y: tf.Tensor; state: tf.Tensor },
  reference: (inputs: Record<string, Plain>) => Result,
): void {
  const weight = (i: number) => Math.sin(1 + i * 1.7);
  const loss = (over: Record<string, Plain>) => {
    const { y, state } = reference(over);
    return [y, state].reduce((sum, t) => sum + t.reduce((s, v, i) => s + v * weight(i), 0), 0);
  };
  const names = Object.keys(inputs).filter((key) => inputs[key]?.dtype === 'float32');
  const gradients = onNative(inputs, (t) => {
    const scalar = (...some: tf.Tensor[]) => {
      const { y, state } = op({
        ...t,
        ...Object.fromEntries(names.map((key, i) => [key, some[i]])),
      } as Tensors);
      const sum = (o: tf.Tensor) =>
        o
          .mul(
            tf.tensor(
              Array.from({ length: o.size }, (_, i) => weight(i)),
              o.shape,
            ),
          )
          .sum();
      return sum(y).add(sum(state)) as tf.Scalar;
    };
    const found = tf.grads(scalar)(names.map((key) => t[key] as tf.Tensor));
    return Object.fromEntries(names.map((key, i) => [key, found[i] as tf.Tensor]));
  });
  for (const key of names) {
    const plain = inputs[key] as Plain;
    const stride = Math.max(1, Math.floor(plain.values.length / 5));
    const at = plain.values.flatMap((_, i) => (i % stride === 0 ? [i] : []));
    const moved = (i: number, by: number) =>
      loss({
        ...inputs,
        [key]: { ...plain, values: plain.values.map((v, j) => v + by * +(i === j)) },
      });
    const want = at.map((i) => (moved(i, 1e-4) - moved(i, -1e-4)) / 2e-4);
    const got = at.map((i) => (gradients[key] as Float32Array)[i] as number);
    expectClose(got, want, `the gradient of ${key}`, 1e-4);
  }
}
