import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { discreteSSD } from '../../../lib/backend/custom/discrete-ssd.js';
import {
  type DiscreteSSDMatrixInputs,
  discreteSSDMatrix,
} from '../../../lib/backend/custom/discrete-ssd-matrix.js';
import { expectSame, floats, type Plain, seed } from './both.js';
import { ssdReference } from './recurrences.js';
import { between, expectClose, onNative, sequence } from './sequence-cases.js';

type Sizes = [b: number, l: number, h: number, n: number, g: number];

const SIZES: Sizes[] = [
  [1, 1, 1, 1, 1],
  [2, 5, 3, 7, 1],
  [1, 33, 4, 16, 2],
  [2, 70, 2, 19, 2],
  [1, 97, 3, 64, 3],
];

function operands([b, l, h, n, g]: Sizes, resets: boolean): Record<string, Plain> {
  seed(b + l + h + n + g);
  return {
    a: between(-5, 3, b, l, h),
    B: floats(b, l, g, n),
    C: floats(b, l, g, n),
    D: floats(h),
    ...(resets && sequence(b, l, { resets })),
  };
}

const matrix = (t: Record<string, tf.Tensor>) => ({
  matrix: discreteSSDMatrix(t as unknown as DiscreteSSDMatrixInputs),
});

describe.each(SIZES)('discreteSSDMatrix: b %i, L %i, H %i, N %i, G %i', (...sizes) => {
  it.each([false, true])('with documents: %s', (resets) => {
    const [b, l, h] = sizes;
    const inputs = operands(sizes, resets);
    const { matrix: got } = onNative(inputs, matrix);
    // Column s is what the recurrence answers to an impulse at s.
    const want = new Float64Array(b * h * l * l);
    for (let s = 0; s < l; s++) {
      const x = { ...floats(b, l, h, 1), values: Array<number>(b * l * h).fill(0) };
      for (let row = 0; row < b; row++) x.values.fill(1, (row * l + s) * h, (row * l + s + 1) * h);
      const { y } = ssdReference({ ...inputs, x } as never);
      y.forEach((v, i) => {
        const [row, t, head] = [Math.floor(i / h / l), Math.floor(i / h) % l, i % h];
        want[((row * h + head) * l + t) * l + s] = v;
      });
    }
    expectClose(got as Float32Array, want, 'the matrix');
    const names = Object.keys(inputs);
    const listed = (...tensors: tf.Tensor[]) =>
      matrix(Object.fromEntries(names.map((key, i) => [key, tensors[i]])) as never).matrix;
    expectSame(listed, Object.values(inputs), [0, 1, 2, 3], 1e-4);
  });
});

describe('discreteSSDMatrix', () => {
  it('times x is the scan', () => {
    const inputs = { ...operands([2, 40, 4, 8, 4], false), x: floats(2, 40, 4, 6) };
    const { product, scan } = onNative(inputs, ({ x, ...t }) => {
      const byHead = (x as tf.Tensor).transpose([0, 2, 1, 3]);
      const product = tf.matMul(matrix(t).matrix, byHead).transpose([0, 2, 1, 3]);
      return { product, scan: discreteSSD({ ...t, x } as never).y };
    });
    expectClose(product as Float32Array, scan as Float32Array, 'M x');
  });

  it('names what does not fit', () => {
    const t = (shape: number[]) => ({ shape, dtype: 'float32', rank: shape.length });
    const call = (over: object) =>
      discreteSSDMatrix({
        a: t([2, 5, 4]),
        B: t([2, 5, 2, 8]),
        C: t([2, 5, 2, 8]),
        ...over,
      } as unknown as DiscreteSSDMatrixInputs);
    expect(() => call({ B: t([2, 5, 3, 8]), C: t([2, 5, 3, 8]) })).toThrow(/must divide the heads/);
    expect(() => call({ D: t([3]) })).toThrow(/discreteSSDMatrix: D must be float32 \[4\]/);
    expect(() => call({ a: t([2, 0, 4]) })).toThrow(/axis 1 \(length\) is 0/);
  });
});
