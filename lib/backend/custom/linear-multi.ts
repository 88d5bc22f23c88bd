/** Several linear maps of the same input in one pass: queries, keys and values. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import { asRows, checkProduct } from './linear.js';

const NAME = 'MambalabLinearMulti';

function weightsOf<T>(inputs: Record<string, T | undefined>): T[] {
  return Object.keys(inputs)
    .filter((name) => name.startsWith('weight'))
    .map((name) => inputs[name] as T);
}

registerCustom({
  name: NAME,
  native(backend, inputs) {
    const x = inputs.x as tf.TensorInfo;
    const weights = weightsOf<tf.TensorInfo>(inputs);
    const rows = x.shape.slice(0, -1);
    const outputs = weights.map((w) => backend.makeOutput([...rows, w.shape[0] as number]));
    const operands = [x, ...weights, ...outputs].map((t) => backend.operand(t));
    backend.engine.run('linearMulti', operands, [weights.length]);
    return outputs;
  },
  composition(inputs) {
    const x = inputs.x as tf.Tensor;
    return weightsOf<tf.Tensor>(inputs).map((w) => {
      const y = tf.matMul(asRows(x), w as tf.Tensor2D, false, true);
      return tf.reshape(y, [...x.shape.slice(0, -1), w.shape[0] as number]);
    });
  },
  gradient: {
    saveAllInputs: true,
    gradFunc(dy, saved) {
      const [x, ...weights] = saved as [tf.Tensor, ...tf.Tensor2D[]];
      const dys = (Array.isArray(dy) ? dy : [dy]).map((d) => asRows(d));
      const gradients: Record<string, () => tf.Tensor> = {
        x: () => {
          const parts = dys.map((d, i) => tf.matMul(d, weights[i] as tf.Tensor2D));
          return tf.reshape(tf.addN(parts), x.shape);
        },
      };
      dys.forEach((d, i) => {
        gradients[`weight${i}`] = () => tf.matMul(d, asRows(x), true);
      });
      return gradients;
    },
  },
});

/**
 * Several products `x W_i^T` of one input.
 *
 * @param x float32 `[..., k]`.
 * @param weights `[n_i, k]` each, in any storage.
 * @returns float32 `[..., n_i]` each.
 */
export function linearMulti(x: tf.Tensor, weights: readonly tf.Tensor2D[]): tf.Tensor[] {
  for (const weight of weights) checkProduct('linearMulti', x, weight);
  const named = Object.fromEntries(weights.map((w, i) => [`weight${i}`, w]));
  return runCustom(NAME, { x, ...named });
}
