/** `x / sqrt(mean(x^2) + epsilon) * weight` over the last axis. */
import * as tf from '@tensorflow/tfjs-core';
import type { NativeBackend } from '../native-backend.js';
import { registerDifferentiable, runCommand, runDifferentiable } from './differentiable.js';
import { expect, expectShape, lastDim } from './shapes.js';

const NAME = 'MambalabRmsNorm';

function inverseRms(x: tf.Tensor, epsilon: number): tf.Tensor {
  return tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon));
}

/** The reference of both norms. */
export function normComposition(x: tf.Tensor, weight: tf.Tensor, epsilon: number): tf.Tensor {
  return tf.mul(tf.mul(x, inverseRms(x, epsilon)), weight);
}

const INPUTS = { required: ['x', 'weight'], optional: [] };

registerDifferentiable({
  name: NAME,
  composition: ({ x, weight }, { epsilon }) => [
    normComposition(x as tf.Tensor, weight as tf.Tensor, epsilon as number),
  ],
  native(backend, inputs, { epsilon }) {
    const y = backend.makeOutput([...(inputs.x as tf.TensorInfo).shape]);
    runCommand(backend, 'rmsNorm', INPUTS, inputs, [y], [epsilon as number]);
    return [y];
  },
  nativeGradient(backend, { x, weight }, [dy], { epsilon }) {
    const { dx, dweight } = normGradient(
      backend,
      [dy, x, weight] as [tf.TensorInfo, tf.TensorInfo, tf.TensorInfo],
      undefined,
      epsilon as number,
    );
    return { x: dx, weight: dweight };
  },
});

/** The native gradients of the norm of `x`; `added` is added to that by x. */
export function normGradient(
  backend: NativeBackend,
  [dy, x, weight]: readonly [dy: tf.TensorInfo, x: tf.TensorInfo, weight: tf.TensorInfo],
  added: tf.TensorInfo | undefined,
  epsilon: number,
): { dx: tf.TensorInfo; dweight: tf.TensorInfo } {
  const dx = backend.makeOutput([...x.shape]);
  const dweight = backend.makeOutput([...weight.shape]);
  const tensors = [dy, x, weight, ...(added ? [added] : []), dx, dweight];
  backend.engine.run(
    'rmsNormBackward',
    tensors.map((t) => backend.operand(t)),
    [Number(added !== undefined), epsilon],
  );
  return { dx, dweight };
}

/**
 * Root-mean-square normalisation.
 *
 * @param x float32 `[..., d]`.
 * @param weight float32 `[d]`.
 */
export function rmsNorm(x: tf.Tensor, weight: tf.Tensor1D, epsilon: number): tf.Tensor {
  expectShape('rmsNorm', 'weight', weight, [lastDim(x)]);
  expect(epsilon > 0, 'rmsNorm', () => `epsilon must be positive, got ${epsilon}`);
  return runDifferentiable(NAME, { x, weight }, { epsilon })[0] as tf.Tensor;
}
