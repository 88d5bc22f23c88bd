import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { addPositions } from '../../../lib/backend/custom/add-positions.js';
import { cacheCopy, cacheGather, cacheWrite } from '../../../lib/backend/custom/cache.js';
import { causalAttention } from '../../../lib/backend/custom/causal-attention.js';
import { causalAttentionWeights } from '../../../lib/backend/custom/causal-attention-weights.js';
import { logSoftmax } from '../../../lib/backend/custom/log-softmax.js';
import { rmsNorm } from '../../../lib/backend/custom/rms-norm.js';
import { rmsNormResidual } from '../../../lib/backend/custom/rms-norm-residual.js';
import { rotary } from '../../../lib/backend/custom/rotary.js';
import { swiGlu } from '../../../lib/backend/custom/swi-glu.js';
import { expectSame, floats, ints, type Plain, seed } from './both.js';

/** Documents that start at some tokens. */
function resets(b: number, l: number): Plain {
  return ints(
    Array.from({ length: b * l }, (_, i) => Number(i % 5 === 2 || i % 13 === 6)),
    [b, l],
  );
}

describe('the kernels of attention', () => {
  it.each([
    [1, 1],
    [3, 7],
    [17, 64],
    [5, 33],
    [2, 576],
  ])('rmsNorm: %i rows of %i', (n, d) => {
    seed(n * d);
    const op = (x: tf.Tensor, w: tf.Tensor) => rmsNorm(x, w as tf.Tensor1D, 1e-5);
    expectSame(op, [floats(n, d), floats(d)], [0, 1]);
    const both = (x: tf.Tensor, r: tf.Tensor, w: tf.Tensor) => {
      const { sum, y } = rmsNormResidual(x, r, w as tf.Tensor1D, 1e-5);
      return tf.concat([sum, y], 1);
    };
    expectSame(both, [floats(n, d), floats(n, d), floats(d)], [0, 1, 2]);
  });

  it.each([[1], [7, 3], [2, 3, 65], [33, 1], [1, 1000]])(
    'swiGlu and logSoftmax: [%i, ...]',
    (...shape) => {
      seed(shape.length);
      expectSame((gate, up) => swiGlu(gate, up), [floats(...shape), floats(...shape)], [0, 1]);
      expectSame((x) => logSoftmax(x), [floats(...shape)], [0]);
    },
  );

  it('names shapes that do not fit', () => {
    expect(() => swiGlu(tf.zeros([2, 3]), tf.zeros([3, 2]))).toThrow(/swiGlu: up .*\[2, 3\]/);
    expect(() => logSoftmax(tf.scalar(1))).toThrow(/logSoftmax: x \[..., vocab\] expected/);
    expect(() => rmsNormResidual(tf.zeros([2, 3]), tf.zeros([2]), tf.zeros([3]), 1e-5)).toThrow(
      /rmsNormResidual: residual/,
    );
  });

  it.each([
    [1, 1, 1, 2],
    [2, 5, 3, 8],
    [3, 17, 2, 12],
    [1, 33, 9, 64],
  ])('rotary: [%i, %i, %i, %i]', (b, l, h, d) => {
    seed(b + l + h + d);
    const starts = ints(Array.from({ length: b }, (_, i) => i * 5));
    const lens = ints(Array.from({ length: b }, (_, i) => Math.max(0, l - i)));
    for (const interleaved of [false, true]) {
      const op = (x: tf.Tensor, table: tf.Tensor, s: tf.Tensor, n: tf.Tensor) =>
        rotary(x as tf.Tensor4D, table as tf.Tensor3D, s as tf.Tensor1D, n as tf.Tensor1D, {
          interleaved,
        });
      expectSame(op, [floats(b, l, h, d), floats(64, d / 2, 2), starts, lens], [0]);
    }
  });

  it.each([
    [1, 1, 1, 1, 1, 1],
    [1, 1, 9, 3, 64, 70],
    [2, 5, 4, 2, 8, 9],
    [3, 7, 6, 1, 20, 31],
    [2, 19, 5, 5, 12, 19],
    [1, 66, 3, 3, 32, 130],
    [1, 70, 17, 1, 32, 75],
    [2, 66, 9, 3, 64, 90],
    [1, 17, 36, 12, 96, 40],
    [1, 20, 34, 2, 128, 36],
  ])('causalAttention: [%i, %i, %i / %i heads, %i], capacity %i', (b, l, h, kv, d, capacity) => {
    seed(b + l + h + d);
    const starts = ints(Array.from({ length: b }, (_, i) => Math.max(0, capacity - l - i)));
    const lens = ints(Array.from({ length: b }, (_, i) => Math.max(0, l - i)));
    const op = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, s: tf.Tensor, n: tf.Tensor) =>
      causalAttention({
        q: q as tf.Tensor4D,
        k: k as tf.Tensor4D,
        v: v as tf.Tensor4D,
        starts: s as tf.Tensor1D,
        lens: n as tf.Tensor1D,
        scale: 0.7,
      });
    const cache = () => floats(b, capacity, kv, d);
    expectSame(op, [floats(b, l, h, d), cache(), cache(), starts, lens], [0, 1, 2]);
    const packed = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, r: tf.Tensor, ...at: tf.Tensor[]) =>
      causalAttention({
        q: q as tf.Tensor4D,
        k: k as tf.Tensor4D,
        v: v as tf.Tensor4D,
        starts: at[0] as tf.Tensor1D,
        lens: at[1] as tf.Tensor1D,
        resets: r as tf.Tensor2D,
        scale: 0.7,
      });
    const inputs = [floats(b, l, h, d), cache(), cache(), resets(b, l), starts, lens];
    expectSame(packed, inputs, [0, 1, 2]);
  });

  it.each([
    [1, 1, 1, 1, 1],
    [2, 7, 4, 2, 6],
    [1, 70, 3, 1, 16],
  ])('causalAttentionWeights: [%i, %i], %i / %i heads of %i', (b, l, h, kv, d) => {
    seed(b + l + h);
    const inputs = [floats(b, l, h, d), floats(b, l, kv, d), resets(b, l)];
    expectSame((q, k, r) => {
      const operands = { q: q as tf.Tensor4D, k: k as tf.Tensor4D, scale: 0.7 };
      const packed = causalAttentionWeights({ ...operands, resets: r as tf.Tensor2D });
      return [causalAttentionWeights(operands), packed];
    }, inputs);
  });

  it('cacheWrite, cacheCopy, cacheGather and addPositions', () => {
    seed(11);
    const cache = floats(3, 10, 2, 4);
    expectSame(
      (src, s, n, c) =>
        cacheWrite(src as tf.Tensor4D, s as tf.Tensor1D, n as tf.Tensor1D, c as tf.Tensor4D),
      [floats(3, 4, 2, 4), ints([0, 6, 5]), ints([4, 4, 0]), cache],
    );
    for (const positions of [0, 3, 8]) {
      expectSame(
        (a, b) => cacheCopy(a as tf.Tensor4D, 1, b as tf.Tensor4D, 2, positions),
        [floats(2, 8, 2, 4), cache],
      );
    }
    for (const capacity of [4, 10, 15]) {
      expectSame((c) => cacheGather(c as tf.Tensor4D, [2, 0, 2, 1], capacity), [cache]);
    }
    expectSame(
      (a, b) => addPositions(a as tf.Tensor1D, b as tf.Tensor1D),
      [ints([1, 5, 9]), ints([1, 0, 1])],
    );
  });

  it('names what does not fit', () => {
    const t = (shape: number[]) => ({ shape, dtype: 'float32', rank: shape.length }) as tf.Tensor;
    expect(() => rmsNorm(t([2, 3]), t([4]) as tf.Tensor1D, 1e-5)).toThrow(
      /rmsNorm: weight must be float32 \[3\], got float32 \[4\]/,
    );
    expect(() => rmsNorm(t([2, 3]), t([3]) as tf.Tensor1D, 0)).toThrow(/epsilon must be positive/);
  });
});
