import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { crossEntropy } from '../../../lib/backend/custom/cross-entropy.js';
import { divergence } from '../../../lib/backend/custom/divergence.js';
import { headCrossEntropy, headDivergence } from '../../../lib/backend/custom/head-loss.js';
import { rowDistance } from '../../../lib/backend/custom/row-distance.js';
import * as backend from '../../../lib/backend/index.js';
import { expectSame, floats, ints, type Plain, seed } from './both.js';

beforeAll(() => void backend.init({ threads: 2 }));

/** Weights of rows, some of them 0. */
function weights(n: number): Plain {
  const values = Array.from({ length: n }, (_, i) => (i % 3 === 1 ? 0 : 1 / (i + 1)));
  return { shape: [n], dtype: 'float32', values };
}

const labels = (n: number, v: number) => ints(Array.from({ length: n }, (_, i) => (i * 7) % v));

const SHAPES = [
  [1, 2],
  [3, 17],
  [5, 130],
  [2, 3000],
] as const;

describe('losses over rows', () => {
  it.each(SHAPES)('crossEntropy: %i rows of %i', (n, v) => {
    seed(n + v);
    const op = (x: tf.Tensor, y: tf.Tensor, w: tf.Tensor) =>
      crossEntropy(x as tf.Tensor2D, y as tf.Tensor1D, w as tf.Tensor1D);
    expectSame(op, [floats(n, v), labels(n, v), weights(n)], [0]);
  });

  it.each(SHAPES)('divergence: %i rows of %i', (n, v) => {
    for (const options of [{ reverse: true }, { reverse: false, temperature: 2 }]) {
      seed(n + v);
      const op = (s: tf.Tensor, t: tf.Tensor, w: tf.Tensor) =>
        divergence(s as tf.Tensor2D, t as tf.Tensor2D, w as tf.Tensor1D, options);
      expectSame(op, [floats(n, v), floats(n, v), weights(n)], [0]);
    }
  });

  it.each(SHAPES)('rowDistance: %i rows of %i', (n, d) => {
    seed(n + d);
    const op = (a: tf.Tensor, b: tf.Tensor, w: tf.Tensor) =>
      rowDistance(a as tf.Tensor2D, b as tf.Tensor2D, w as tf.Tensor1D);
    const [a, b] = [floats(n, d), floats(n, d)];
    // The first rows are equal.
    b.values.splice(0, d, ...a.values.slice(0, d));
    expectSame(op, [a, b, weights(n)], [0]);
  });
});

describe('losses over a vocabulary out of hidden states', () => {
  // Four tokens at a time, the least.
  const chunkBytes = 2 * 4 * 20;

  it.each([
    [1, 3, 2],
    [7, 33, 20],
  ])('%i tokens of %i numbers, %i words', (n, d, v) => {
    seed(n + d);
    const [hidden, head, w] = [floats(n, d), floats(v, d), weights(n)];
    expectSame(
      (h, e, y, w) =>
        headCrossEntropy(
          { hidden: h as tf.Tensor2D, weight: e as tf.Tensor2D },
          y as tf.Tensor1D,
          w as tf.Tensor1D,
          { chunkBytes },
        ),
      [hidden, head, labels(n, v), w],
      [0, 1],
    );
    const [other, otherHead] = [floats(n, 6), floats(v, 6)];
    for (const reverse of [true, false]) {
      const both = (h: tf.Tensor, e: tf.Tensor, t: tf.Tensor, f: tf.Tensor, w: tf.Tensor) =>
        headDivergence(
          { hidden: h as tf.Tensor2D, weight: e as tf.Tensor2D },
          { hidden: t as tf.Tensor2D, weight: f as tf.Tensor2D },
          w as tf.Tensor1D,
          { reverse, temperature: 1.5, chunkBytes },
        );
      expectSame(both, [hidden, head, other, otherHead, w], [0, 1]);
      const logits = (h: tf.Tensor, e: tf.Tensor, t: tf.Tensor, w: tf.Tensor) =>
        headDivergence(
          { hidden: h as tf.Tensor2D, weight: e as tf.Tensor2D },
          t as tf.Tensor2D,
          w as tf.Tensor1D,
          { reverse, chunkBytes },
        );
      expectSame(logits, [hidden, head, floats(n, v), w], [0, 1]);
    }
  });

  it('names what does not fit', () => {
    const [hidden, weight] = [tf.zeros([2, 3]) as tf.Tensor2D, tf.zeros([5, 3]) as tf.Tensor2D];
    const other = { hidden, weight: tf.zeros([6, 3]) as tf.Tensor2D };
    const w = tf.ones([2]) as tf.Tensor1D;
    const run = (teacher: typeof other) =>
      headDivergence({ hidden, weight }, teacher, w, { reverse: true });
    expect(() => run(other)).toThrow(/one vocabulary, got 6 and 5/);
    // A device finds a wrong label when it gets there: the next read says so.
    const wrong = tf.tensor1d([1, 9], 'int32');
    expect(() => headCrossEntropy({ hidden, weight }, wrong, w).dataSync()).toThrow(
      /label 9 of row 1 is out of range: there are 5 classes/,
    );
  });
});
