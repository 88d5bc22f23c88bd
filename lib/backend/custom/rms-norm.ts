/** `x / sqrt(mean(x^2) + epsilon) * weight` over the last axis. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import { asRows } from './linear.js';
import { expect, expectShape, lastDim } from './shapes.js';

const NAME = 'MambalabRmsNorm';

function inverseRms(x: tf.Tensor, epsilon: number): tf.Tensor {
  return tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon));
}

/** The gradients of {@link rmsNorm} where its output's is `d`. */
export function rmsNormGradient(
  d: tf.Tensor,
  x: tf.Tensor,
  weight: tf.Tensor1D,
  epsilon: number,
): { x: () => tf.Tensor; weight: () => tf.Tensor } {
  return {
    x: () => {
      const r = inverseRms(x, epsilon);
      const n = tf.mul(x, r);
      const g = tf.mul(d, weight);
      return tf.mul(r, tf.sub(g, tf.mul(n, tf.mean(tf.mul(g, n), -1, true))));
    },
    weight: () => tf.sum(asRows(tf.mul(d, tf.mul(x, inverseRms(x, epsilon)))), 0),
  };
}

registerCustom({
  name: NAME,
  native(backend, { x, weight }, { epsilon }) {
    const y = backend.makeOutput((x as tf.TensorInfo).shape);
    const operands = [x, weight, y].map((t) => backend.operand(t as tf.TensorInfo));
    backend.engine.run('rmsNorm', operands, [epsilon as number]);
    return y;
  },
  composition({ x, weight }, { epsilon }) {
    const scaled = tf.mul(x as tf.Tensor, inverseRms(x as tf.Tensor, epsilon as number));
    return tf.mul(scaled, weight as tf.Tensor);
  },
  gradient: {
    inputsToSave: ['x', 'weight'],
    gradFunc(dy, saved, { epsilon }) {
      const [x, weight] = saved as [tf.Tensor, tf.Tensor1D];
      return rmsNormGradient(dy as tf.Tensor, x, weight, epsilon as number);
    },
  },
});

/**
 * Root-mean-square normalisation.
 *
 * @param x float32 `[..., d]`.
 * @param weight float32 `[d]`.
 */
export function rmsNorm(x: tf.Tensor, weight: tf.Tensor1D, epsilon: number): tf.Tensor {
  expectShape('rmsNorm', 'weight', weight, [lastDim(x)]);
  expect(epsilon > 0, 'rmsNorm', () => `epsilon must be positive, got ${epsilon}`);
  return runCustom(NAME, { x, weight }, { epsilon });
}
