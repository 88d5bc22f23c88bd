import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { losses } from '../../lib/distill/index.js';
import { makers } from '../models/students.js';

beforeAll(() => void backend.init({ threads: 2 }));

const golden = JSON.parse(
  readFileSync(new URL('../goldens/training/losses.json', import.meta.url), 'utf8'),
);
const { tokens, vocab } = golden;

const logits = (name: 'student' | 'teacher') => tf.tensor2d(golden[name], [tokens, vocab]);
const mask = () => tf.tensor1d(golden.mask, 'int32');

function expectGolden(name: string, loss: (x: tf.Tensor) => tf.Scalar, x: tf.Tensor): void {
  const { value, grad } = tf.valueAndGrad(loss)(x);
  const want = golden[name];
  expect(Math.abs((value.dataSync()[0] as number) / want.value - 1)).toBeLessThan(1e-5);
  const most = Math.max(...want.gradient.map(Math.abs));
  grad.dataSync().forEach((g, i) => {
    expect(Math.abs(g - want.gradient[i])).toBeLessThan(1e-5 * most);
  });
}

describe('losses and their gradients are those of PyTorch', () => {
  it('crossEntropy', () => {
    const labels = tf.tensor1d(golden.labels, 'int32');
    const loss = (x: tf.Tensor) =>
      losses.crossEntropy({ logits: x as tf.Tensor2D, labels, mask: mask() });
    expectGolden('crossEntropy', loss, logits('student'));
  });

  it.each([
    ['forwardKL', 1],
    ['forwardKL', 2],
    ['reverseKL', 1],
    ['reverseKL', 2],
  ] as const)('%s at temperature %i', (name, temperature) => {
    const teacher = logits('teacher');
    const loss = (x: tf.Tensor) =>
      losses[name]({ student: x as tf.Tensor2D, teacher, mask: mask(), temperature });
    expectGolden(temperature === 1 ? name : `${name}2`, loss, logits('student'));
  });

  it('matrixOrientation', () => {
    const of = (name: string) => tf.tensor4d(golden.matrices[name], [2, 3, 4, 4]);
    const teacher = of('teacher');
    const loss = (x: tf.Tensor) => losses.matrixOrientation({ student: x as tf.Tensor4D, teacher });
    expectGolden('matrixOrientation', loss, of('student'));
  });

  it('hiddenAlignment', () => {
    const teacher = logits('teacher');
    const loss = (x: tf.Tensor) => losses.hiddenAlignment({ student: x, teacher, mask: mask() });
    expectGolden('hiddenAlignment', loss, logits('student'));
  });
});

it('a loss over masked tokens alone is 0; shapes that differ are named', () => {
  const [student, teacher] = [logits('student'), logits('teacher')];
  const none = tf.zeros([tokens]) as tf.Tensor1D;
  expect(losses.reverseKL({ student, teacher, mask: none }).dataSync()[0]).toBe(0);
  expect(() => losses.forwardKL({ student, teacher, mask: tf.ones([2]) })).toThrow(/\[6\].*\[2\]/);
});

describe.each(['llama', 'llamba', 'hybrid of Mamba-1'])('gradients of a whole %s', (kind) => {
  const ids = (row: number) =>
    Array.from({ length: 12 }, (_, i) => (i * i * 7 + row * 31 + i) % 97);

  /** The loss of rows of tokens, and the gradient of every parameter. */
  function gradients(
    model: ReturnType<(typeof makers)[string]>,
    rows: number[],
    checkpoint = false,
  ) {
    const parameters = [...model.parameters().values()];
    return tf.tidy(() => {
      const x = tf.tensor2d(rows.map(ids), undefined, 'int32');
      const labels = tf.tensor1d(
        rows.flatMap((row) => ids(row + 1)),
        'int32',
      );
      const loss = () => {
        const hidden = model.read(x, { checkpoint });
        const flat = tf.reshape(hidden, [labels.size, model.config.dModel]) as tf.Tensor2D;
        return losses.crossEntropy({ logits: { hidden: flat, weight: model.headWeight }, labels });
      };
      const { value, grads } = tf.engine().gradients(loss, parameters);
      return {
        value: value.dataSync()[0] as number,
        grads: grads.map((g) => g.dataSync() as Float32Array),
      };
    });
  }

  const make = () => {
    const model = (makers[kind] as (typeof makers)[string])();
    model.ownParameters();
    return model;
  };

  it('are the slope of the loss along them', () => {
    const model = make();
    const parameters = [...model.parameters().values()];
    const { grads } = gradients(model, [0, 1]);
    const square = grads.reduce((sum, g) => sum + g.reduce((s, x) => s + x * x, 0), 0);
    const start = parameters.map((p) => p.dataSync().slice() as Float32Array);
    const at = (distance: number) => {
      parameters.forEach((p, i) => {
        const from = start[i] as Float32Array;
        backend.assign(
          p,
          from.map((x, j) => x + (distance * (grads[i]?.[j] as number)) / square),
        );
      });
      return gradients(model, [0, 1]).value;
    };
    // A step of size h / |g|^2 along g changes the loss by h.
    const h = 0.01;
    expect(Math.abs((at(h) - at(-h)) / (2 * h) - 1)).toBeLessThan(0.01);
    model.dispose();
  });

  it('of micro-batches add up to those of the batch; checkpointing changes nothing', () => {
    const model = make();
    const whole = gradients(model, [0, 1]);
    const parts = [gradients(model, [0]), gradients(model, [1])] as const;
    const again = gradients(model, [0, 1], true);
    const apart = (g: Float32Array, other: (j: number) => number) =>
      g.reduce((most, x, j) => Math.max(most, Math.abs(x - other(j))), 0) /
      g.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-6);
    whole.grads.forEach((g, i) => {
      const [a, b, c] = [parts[0], parts[1], again].map(
        ({ grads }) => grads[i] as Float32Array,
      ) as [Float32Array, Float32Array, Float32Array];
      expect(apart(g, (j) => ((a[j] as number) + (b[j] as number)) / 2)).toBeLessThan(1e-4);
      expect(apart(g, (j) => c[j] as number)).toBeLessThan(1e-5);
    });
    model.dispose();
  });
});
