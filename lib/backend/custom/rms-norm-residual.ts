/** A residual addition and the norm of its result in one pass. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import { rmsNorm, rmsNormGradient } from './rms-norm.js';
import { expect, expectShape, lastDim } from './shapes.js';

const NAME = 'MambalabRmsNormResidual';

registerCustom({
  name: NAME,
  native(backend, { x, residual, weight }, { epsilon }) {
    const { shape } = x as tf.TensorInfo;
    const [sum, y] = [backend.makeOutput(shape), backend.makeOutput(shape)];
    const operands = [x, residual, weight, sum, y] as tf.TensorInfo[];
    backend.engine.run(
      'rmsNormResidual',
      operands.map((t) => backend.operand(t)),
      [epsilon as number],
    );
    return [sum, y];
  },
  composition({ x, residual, weight }, { epsilon }) {
    const sum = tf.add(x as tf.Tensor, residual as tf.Tensor);
    return [sum, rmsNorm(sum, weight as tf.Tensor1D, epsilon as number)];
  },
  gradient: {
    inputsToSave: ['weight'],
    outputsToSave: [true, false],
    gradFunc(dy, saved, { epsilon }) {
      const [weight, sum] = saved as [tf.Tensor1D, tf.Tensor];
      const [dSum, dY] = dy as tf.Tensor[] as [tf.Tensor, tf.Tensor];
      const norm = rmsNormGradient(dY, sum, weight, epsilon as number);
      const dX = () => tf.add(dSum, norm.x());
      return { x: dX, residual: dX, weight: norm.weight };
    },
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
  const [sum, y] = runCustom<tf.Tensor[]>(NAME, { x, residual, weight }, { epsilon });
  return { sum: sum as tf.Tensor, y: y as tf.Tensor };
}
