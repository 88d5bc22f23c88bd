/** A residual addition and the norm of its result in one pass. */
import * as tf from '@tensorflow/tfjs-core';
import { registerDifferentiable, runCommand, runDifferentiable } from './differentiable.js';
import { normComposition, normGradient } from './rms-norm.js';
import { expect, expectShape, lastDim } from './shapes.js';

const NAME = 'MambalabRmsNormResidual';

const INPUTS = { required: ['x', 'residual', 'weight'], optional: [] };

registerDifferentiable({
  name: NAME,
  composition({ x, residual, weight }, { epsilon }) {
    const sum = tf.add(x as tf.Tensor, residual as tf.Tensor);
    return [sum, normComposition(sum, weight as tf.Tensor, epsilon as number)];
  },
  native(backend, inputs, { epsilon }) {
    const shape = [...(inputs.x as tf.TensorInfo).shape];
    const outputs = [backend.makeOutput(shape), backend.makeOutput(shape)];
    runCommand(backend, 'rmsNormResidual', INPUTS, inputs, outputs, [epsilon as number]);
    return outputs;
  },
  nativeGradient(backend, inputs, [dSum, dY], { epsilon }) {
    const { x, residual, weight } = inputs as Record<string, tf.TensorInfo>;
    const sum = backend.makeOutput([...(x as tf.TensorInfo).shape]);
    backend.engine.run(
      'add',
      [x, residual, sum].map((t) => backend.operand(t as tf.TensorInfo)),
    );
    const normed = [dY, sum, weight] as [tf.TensorInfo, tf.TensorInfo, tf.TensorInfo];
    const { dx, dweight } = normGradient(backend, normed, dSum, epsilon as number);
    backend.disposeData(sum.dataId);
    return { x: dx, residual: backend.alias(dx), weight: dweight };
  },
});

/**
 * `sum = x + residual` and its root-mean-square norm.
 *
 * @param x float32 `[..., d]`.
 * @param residual of x's shape.
 * @param weight float32 `[d]`.
 */
export function rmsNormResidual(
  x: tf.Tensor,
  residual: tf.Tensor,
  weight: tf.Tensor1D,
  epsilon: number,
): { sum: tf.Tensor; y: tf.Tensor } {
  expectShape('rmsNormResidual', 'residual', residual, x.shape);
  expectShape('rmsNormResidual', 'weight', weight, [lastDim(x)]);
  expect(epsilon > 0, 'rmsNormResidual', () => `epsilon must be positive, got ${epsilon}`);
  const [sum, y] = runDifferentiable(NAME, { x, residual, weight }, { epsilon });
  return { sum: sum as tf.Tensor, y: y as tf.Tensor };
}
