/** A hundred thousand operations leave the engine's memory where it was. */
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';

const OPERATIONS = 100_000;

/** About thirty operations: native kernels, fallbacks, strings, complex numbers, gradients, failures. */
function round(i: number): void {
  const n = 1 + (i % 17);
  const x = tf.randomNormal([n, 8], 0, 1, 'float32', i);
  const y = tf.matMul(x, x, true).relu().sum(0);
  const [left, right] = tf.split(x, 2, 1) as [tf.Tensor, tf.Tensor];
  const joined = tf
    .concat([left, right.exp()], 0)
    .transpose()
    .pad([
      [1, 1],
      [0, 2],
    ]);
  const gathered = tf.gather(joined, tf.tensor1d([0, i % 3], 'int32')).softmax();
  const spectrum = tf.abs(tf.fft(tf.complex(y, y)));
  const words = tf.stack([tf.tensor(['a', 'b']), tf.tensor(['c', 'd'])]);
  const gradient = tf.grad((v: tf.Tensor) => v.tanh().mul(v).mean())(y);
  expect(() => tf.gather(x, tf.tensor1d([n], 'int32'))).toThrow(/is not in/);
  if (i % 50 === 0) {
    for (const t of [gathered, spectrum, words, gradient]) t.dataSync();
  }
}

it('leaves memory where it was', () => {
  backend.init({ threads: 2 });
  const measure = () => {
    const { tensors, buffers, bytes, programs } = backend.memory();
    return { tensors, buffers, bytes, programs, dataIds: tf.engine().backend.numDataIds() };
  };
  tf.tidy(() => round(0));
  const before = measure();
  const start = backend.memory().ops;
  let i = 0;
  while (backend.memory().ops - start < OPERATIONS) {
    const at = i++;
    tf.tidy(() => round(at));
  }
  expect(measure()).toEqual(before);
  expect(backend.memory().idleBytes).toBeLessThan(64 << 20);
});
