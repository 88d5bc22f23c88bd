import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { embedding } from '../../../lib/backend/custom/embedding.js';
import { linear } from '../../../lib/backend/custom/linear.js';
import { linearMulti } from '../../../lib/backend/custom/linear-multi.js';
import { linearSwiGlu } from '../../../lib/backend/custom/linear-swi-glu.js';
import * as backend from '../../../lib/backend/index.js';
import { nativeBackend } from '../../../lib/backend/init.js';
import { onGpu } from '../../same.js';
import { expectSame, floats, ints, random, seed } from './both.js';

const SHAPES = [
  [1, 1, 1],
  [1, 32, 7],
  [2, 33, 5],
  [3, 64, 17],
  [7, 100, 33],
  [8, 31, 64],
  [65, 96, 40],
  [130, 17, 3],
] as const;

/** `x` as eight-bit codes in blocks of 32 leave it: what int8 activations stand for. */
function roundedInBlocks(x: tf.Tensor): tf.Tensor {
  const blocks = tf.reshape(x, [-1, 32]);
  const scale = tf.div(tf.max(tf.abs(blocks), 1, true), 127);
  return tf.reshape(tf.mul(tf.round(tf.div(blocks, scale)), scale), x.shape);
}

describe('products with stored weights', () => {
  it.each(SHAPES)('linear: %i rows of %i to %i', (m, k, n) => {
    seed(m + k + n);
    const op = (x: tf.Tensor, w: tf.Tensor, bias: tf.Tensor, residual: tf.Tensor) =>
      linear(x, w as tf.Tensor2D, { bias: bias as tf.Tensor1D, residual });
    expectSame(op, [floats(m, k), floats(n, k), floats(n), floats(m, n)], [0, 1, 2, 3]);
    expectSame((x, w) => linear(x, w as tf.Tensor2D), [floats(m, 1, k), floats(n, k)], [0, 1]);
  });

  it.each(SHAPES)('linearMulti: %i rows of %i to %i and others', (m, k, n) => {
    seed(m * 3 + k + n);
    const op = (x: tf.Tensor, ...w: tf.Tensor[]) => linearMulti(x, w as tf.Tensor2D[]);
    expectSame(op, [floats(m, k), floats(n, k), floats(1, k), floats(9, k)], [0, 1, 2, 3]);
  });

  it.each(SHAPES)('linearSwiGlu: %i rows of %i to %i', (m, k, n) => {
    seed(m * 5 + k + n);
    const op = (x: tf.Tensor, g: tf.Tensor, u: tf.Tensor) =>
      linearSwiGlu(x, g as tf.Tensor2D, u as tf.Tensor2D);
    expectSame(op, [floats(m, k), floats(n, k), floats(n, k)], [0, 1, 2]);
  });

  it.each([
    ['Q8_0', 1, 32, 3],
    ['Q4_0', 3, 96, 17],
    ['Q4_1', 5, 64, 33],
    ['Q4_1', 64, 160, 50],
    ['BF16', 3, 64, 5],
  ] as const)('%s weights with int8 activations: %i rows of %i to %i', (storage, m, k, n) => {
    backend.init();
    seed(m + k);
    const native = nativeBackend();
    // A GPU multiplies what it gets: eight bits are the processor's way to speed.
    const rounded = storage === 'BF16' || onGpu ? (x: tf.Tensor) => x : roundedInBlocks;
    tf.tidy(() => {
      const x = tf.tensor(Array.from({ length: m * k }, random), [m, k]);
      const weights = [0, 1].map(() => {
        const dense = tf.tensor2d(Array.from({ length: n * k }, random), [n, k]);
        const packed = native.makeStored([n, k], storage);
        native.engine.run('convert', [native.operand(dense), native.operand(packed)]);
        native.setActivations(packed, 'int8');
        return tf.engine().makeTensorFromTensorInfo(packed) as tf.Tensor2D;
      });
      const [w, v] = weights as [tf.Tensor2D, tf.Tensor2D];
      const exact = (w: tf.Tensor2D) => tf.matMul(rounded(x) as tf.Tensor2D, w, false, true);
      const [g, u] = [exact(w), exact(v)];
      const hidden = tf.mul(tf.mul(g, tf.sigmoid(g)), u);
      const pairs = [
        [linear(x, w), g],
        [linearMulti(x, [w, v])[1], u],
        [linearSwiGlu(x, w, v), hidden],
      ] as [tf.Tensor, tf.Tensor][];
      for (const [got, want] of pairs) {
        const far = tf.max(tf.abs(tf.sub(got, want))).dataSync()[0] as number;
        // A GPU rounds the activations of more than two rows to the weights' bfloat16.
        expect(far).toBeLessThan(onGpu && storage === 'BF16' && m > 2 ? 1e-3 * k : 1e-5 * k);
      }
    });
  });

  it.each([
    [1, 1, 1],
    [13, 7, 5],
    [50, 64, 33],
  ])('embedding: a table of %i by %i, %i ids', (rows, d, n) => {
    seed(rows);
    const ids = ints(Array.from({ length: n }, (_, i) => (i * 7) % rows));
    const op = (table: tf.Tensor, at: tf.Tensor) =>
      embedding(table as tf.Tensor2D, at as tf.Tensor1D);
    expectSame(op, [floats(rows, d), ids], [0]);
  });

  it('names shapes and ids that do not fit, on either backend', () => {
    for (const name of ['native', 'cpu']) {
      backend.init();
      void tf.setBackend(name);
      const w = tf.zeros([4, 3]) as tf.Tensor2D;
      expect(() => linear(tf.zeros([2, 5]), w)).toThrow(/linear: .*\[2, 5\] and \[4, 3\]/);
      expect(() => linearSwiGlu(tf.zeros([2, 3]), w, tf.zeros([5, 3]) as tf.Tensor2D)).toThrow(
        /same rows/,
      );
      expect(() => embedding(w, tf.tensor1d([1, 4], 'int32')).dataSync()).toThrow(/4/);
      expect(() => embedding(w, tf.tensor1d([1, -1], 'int32')).dataSync()).toThrow(/-1/);
    }
    backend.init();
  });
});
