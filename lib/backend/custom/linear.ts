/** `y = x W^T + bias + residual`, with the weight in any storage. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import { linearInputGradient } from './linear-input-gradient.js';
import { expect, expectShape, lastDim, shapeText } from './shapes.js';

const NAME = 'MambalabLinear';

/** What is added to the product. */
export interface LinearOptions {
  bias?: tf.Tensor1D;
  /** Of the output's shape. */
  residual?: tf.Tensor;
}

/** `x` as a matrix of rows. */
export function asRows(x: tf.Tensor): tf.Tensor2D {
  return tf.reshape(x, [-1, lastDim(x)]);
}

registerCustom({
  name: NAME,
  native(backend, { x, weight, bias, residual }) {
    const [n] = (weight as tf.TensorInfo).shape as [number, number];
    const y = backend.makeOutput([...(x as tf.TensorInfo).shape.slice(0, -1), n]);
    const operands = [x, weight, bias, residual, y].filter((t) => t !== undefined);
    backend.runProduct(
      'linear',
      [weight as tf.TensorInfo],
      operands.map((t) => backend.operand(t)),
      [bias ? 1 : 0, residual ? 1 : 0],
    );
    return y;
  },
  composition({ x, weight, bias, residual }) {
    const [n] = (weight as tf.Tensor2D).shape;
    let y: tf.Tensor = tf.matMul(asRows(x as tf.Tensor), weight as tf.Tensor2D, false, true);
    if (bias) y = tf.add(y, bias);
    y = tf.reshape(y, [...(x as tf.Tensor).shape.slice(0, -1), n as number]);
    return residual ? tf.add(y, residual) : y;
  },
  gradient: {
    inputsToSave: ['x', 'weight'],
    gradFunc(dy, saved) {
      const [x, weight] = saved as [tf.Tensor, tf.Tensor2D];
      const dRows = asRows(dy as tf.Tensor);
      return {
        x: () => tf.reshape(linearInputGradient([dRows], [weight]), x.shape),
        weight: () => tf.matMul(dRows, asRows(x), true),
        bias: () => tf.sum(dRows, 0),
        residual: () => dy as tf.Tensor,
      };
    },
  },
});

/**
 * A linear map of the last axis. A row's result does not depend on the other rows.
 *
 * @param x float32 `[..., k]`.
 * @param weight `[n, k]`, in any storage; its gradient is defined where it is float32.
 * @returns float32 `[..., n]`.
 * @throws Error naming the shapes that do not agree.
 */
export function linear(
  x: tf.Tensor,
  weight: tf.Tensor2D,
  { bias, residual }: LinearOptions = {},
): tf.Tensor {
  checkProduct('linear', x, weight);
  if (bias) expectShape('linear', 'bias', bias, [weight.shape[0]]);
  if (residual) {
    expectShape('linear', 'residual', residual, [...x.shape.slice(0, -1), weight.shape[0]]);
  }
  return runCustom(NAME, { x, weight, bias, residual });
}

/** Checks that the last axes of `x` and the weight agree. */
export function checkProduct(kernel: string, x: tf.Tensor, weight: tf.Tensor2D): void {
  expect(
    x.rank >= 1 && weight.rank === 2 && lastDim(x) === weight.shape[1],
    kernel,
    () => `x [..., k] and weight [n, k] must agree, got ${shapeText(x)} and ${shapeText(weight)}`,
  );
}
