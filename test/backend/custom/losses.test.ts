import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { crossEntropy } from '../../../lib/backend/custom/cross-entropy.js';
import { divergence } from '../../../lib/backend/custom/divergence.js';
import {
  headCrossEntropy,
  headDivergence,
  headTopKDivergence,
} from '../../../lib/backend/custom/head-loss.js';
import { rowDistance } from '../../../lib/backend/custom/row-distance.js';
import { topKDivergence } from '../../../lib/backend/custom/top-k-divergence.js';
import { topKLogProbs } from '../../../lib/backend/custom/top-k-log-probs.js';
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

describe('divergences from the likeliest classes', () => {
  /** Logits of a teacher cut to k classes: ids and log-probabilities as plain data. */
  function cut(logits: Plain, k: number, temperature = 1): [Plain, Plain] {
    const x = tf.tensor2d(logits.values, logits.shape as [number, number]);
    const { ids, logProbs } = topKLogProbs(x, k, { temperature });
    const plain = (t: tf.Tensor, dtype: 'float32' | 'int32'): Plain => ({
      shape: t.shape,
      dtype,
      values: [...t.dataSync()],
    });
    return [plain(ids, 'int32'), plain(logProbs, 'float32')];
  }
  const topK = (ids: tf.Tensor, logProbs: tf.Tensor) => ({
    ids: ids as tf.Tensor2D,
    logProbs: logProbs as tf.Tensor2D,
  });
  const cases = [
    [1, 2, 1],
    [3, 17, 4],
    [3, 17, 17],
    [2, 3000, 64],
  ] as const;

  it.each(cases)('topKLogProbs: %i rows of %i, %i of them', (n, v, k) => {
    seed(n + v);
    const op = (x: tf.Tensor) => {
      const { ids, logProbs, restEntropy } = topKLogProbs(x as tf.Tensor2D, k, {
        temperature: 0.5,
      });
      // Minus infinity, where nothing is left, is no number to compare.
      return [ids, k === v ? tf.slice(logProbs, [0, 0], [n, k]) : logProbs, restEntropy];
    };
    expectSame(op, [floats(n, v)]);
  });

  it.each(cases)('topKDivergence: %i rows of %i, %i of them', (n, v, k) => {
    for (const options of [
      { reverse: true },
      { reverse: false, temperature: 2 },
      { reverse: true, temperature: 0.5 },
    ]) {
      seed(n + v);
      const op = (s: tf.Tensor, ids: tf.Tensor, logs: tf.Tensor, w: tf.Tensor) =>
        topKDivergence(s as tf.Tensor2D, topK(ids, logs), w as tf.Tensor1D, options);
      const [ids, logs] = cut(floats(n, v), k, options.temperature);
      expectSame(op, [floats(n, v), ids, logs, weights(n)], [0]);
    }
  });

  it.each([true, false])('out of hidden states, some tokens at a time: reverse %s', (reverse) => {
    const [n, d, v, k] = [7, 33, 20, 3];
    seed(n + d);
    const [ids, logs] = cut(floats(n, v), k);
    const op = (h: tf.Tensor, e: tf.Tensor, i: tf.Tensor, l: tf.Tensor, w: tf.Tensor) =>
      headTopKDivergence(
        { hidden: h as tf.Tensor2D, weight: e as tf.Tensor2D },
        topK(i, l),
        w as tf.Tensor1D,
        { reverse, temperature: 1.5, chunkBytes: 2 * 4 * 20 },
      );
    expectSame(op, [floats(n, d), floats(v, d), ids, logs, weights(n)], [0, 1]);
  });

  it.each([true, false])('of all classes are those of the whole: reverse %s', (reverse) => {
    const [n, v] = [5, 300];
    seed(n);
    const [student, teacher] = [floats(n, v), floats(n, v)];
    const [ids, logs] = cut(teacher, v, 2);
    const of = (loss: (s: tf.Tensor2D, w: tf.Tensor1D) => tf.Tensor) =>
      tf.tidy(() => {
        const w = tf.tensor1d(weights(n).values);
        const x = tf.tensor2d(student.values, [n, v]);
        const total = (x: tf.Tensor) => tf.sum(loss(x as tf.Tensor2D, w)) as tf.Scalar;
        const { value, grad } = tf.valueAndGrad(total)(x);
        return [...value.dataSync(), ...grad.dataSync()];
      });
    const options = { reverse, temperature: 2 };
    const all = tf.tensor2d(teacher.values, [n, v]);
    const want = of((s, w) => divergence(s, all, w, options));
    const got = of((s, w) =>
      topKDivergence(
        s,
        topK(tf.tensor2d(ids.values, [n, v], 'int32'), tf.tensor2d(logs.values, [n, v + 1])),
        w,
        options,
      ),
    );
    got.forEach((x, i) => {
      expect(Math.abs(x - (want[i] as number))).toBeLessThan(1e-6);
    });
  });

  it.each([true, false])('have the gradient of finite differences: reverse %s', (reverse) => {
    const [n, v, k] = [3, 12, 4];
    seed(8);
    const [student, [ids, logs]] = [floats(n, v), cut(floats(n, v), k)];
    const teacher = topK(
      tf.tensor2d(ids.values, [n, k], 'int32'),
      tf.tensor2d(logs.values, [n, k + 1]),
    );
    const w = tf.tensor1d(weights(n).values);
    const loss = (x: tf.Tensor) =>
      tf.sum(topKDivergence(x as tf.Tensor2D, teacher, w, { reverse })) as tf.Scalar;
    const at = (values: number[]) =>
      tf.tidy(() => loss(tf.tensor2d(values, [n, v])).dataSync()[0] as number);
    const gradient = tf.tidy(() =>
      tf
        .grad(loss)(tf.tensor2d(student.values, [n, v]))
        .dataSync(),
    );
    const h = 1e-2;
    const moved = (i: number, by: number) =>
      at(student.values.map((x, j) => (i === j ? x + by : x)));
    gradient.forEach((g, i) => {
      expect(Math.abs((moved(i, h) - moved(i, -h)) / (2 * h) - g)).toBeLessThan(2e-4);
    });
  });

  it('name what does not fit', () => {
    const [hidden, weight] = [tf.zeros([2, 3]) as tf.Tensor2D, tf.zeros([5, 3]) as tf.Tensor2D];
    const w = tf.ones([2]) as tf.Tensor1D;
    const run = (ids: tf.Tensor, logs: tf.Tensor) =>
      headTopKDivergence({ hidden, weight }, topK(ids, logs), w, { reverse: false });
    const ids = tf.tensor2d([1, 2, 3, 9], [2, 2], 'int32');
    expect(() => run(ids, tf.zeros([2, 2]))).toThrow(/logProbs .*\[2, 3\].*\[2, 2\]/);
    expect(() => run(ids, tf.zeros([2, 3])).dataSync()).toThrow(
      /class 9 of row 1 is out of range: there are 5 classes/,
    );
    expect(() => topKLogProbs(hidden, 4)).toThrow(/k must be from 1 to the 3 classes, got 4/);
  });
});
