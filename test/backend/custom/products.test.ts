import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { embedding } from '../../../lib/backend/custom/embedding.js';
import { linear } from '../../../lib/backend/custom/linear.js';
import { linearMulti } from '../../../lib/backend/custom/linear-multi.js';
import { linearSwiGlu } from '../../../lib/backend/custom/linear-swi-glu.js';
import * as backend from '../../../lib/backend/index.js';
import { expectSame, floats, ints, seed } from './both.js';

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
      expect(() => embedding(w, tf.tensor1d([1, 4], 'int32'))).toThrow(/4/);
      expect(() => embedding(w, tf.tensor1d([1, -1], 'int32'))).toThrow(/-1/);
    }
    backend.init();
  });
});
