/** Several linear maps of the same input in one pass: queries, keys and values. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import { asRows, checkProduct } from './linear.js';
import { linearInputGradient } from './linear-input-gradient.js';
import { expect } from './shapes.js';

/** How many products one call takes at most. */
const MOST = 4;

/** tfjs names the inputs that a gradient saves once for a kernel: one kernel for each count. */
function nameOf(count: number): string {
  return `MambalabLinearMulti${count}`;
}

function register(count: number): void {
  const names = Array.from({ length: count }, (_, i) => `weight${i}`);
  registerCustom({
    name: nameOf(count),
    native(backend, inputs) {
      const x = inputs.x as tf.TensorInfo;
      const weights = names.map((name) => inputs[name] as tf.TensorInfo);
      const rows = x.shape.slice(0, -1);
      const outputs = weights.map((w) => backend.makeOutput([...rows, w.shape[0] as number]));
      const operands = [x, ...weights, ...outputs].map((t) => backend.operand(t));
      backend.runProduct('linearMulti', weights, operands, [count]);
      return outputs;
    },
    composition(inputs) {
      const x = inputs.x as tf.Tensor;
      return names.map((name) => {
        const w = inputs[name] as tf.Tensor2D;
        const y = tf.matMul(asRows(x), w, false, true);
        return tf.reshape(y, [...x.shape.slice(0, -1), w.shape[0]]);
      });
    },
    gradient: {
      inputsToSave: ['x', ...names],
      gradFunc(dy, saved) {
        const [x, ...weights] = saved as [tf.Tensor, ...tf.Tensor2D[]];
        const dys = (Array.isArray(dy) ? dy : [dy]).map((d) => asRows(d));
        const gradients: Record<string, () => tf.Tensor> = {
          x: () => tf.reshape(linearInputGradient(dys, weights), x.shape),
        };
        dys.forEach((d, i) => {
          gradients[`weight${i}`] = () => tf.matMul(d, asRows(x), true);
        });
        return gradients;
      },
    },
  });
}

for (let count = 1; count <= MOST; count++) register(count);

/**
 * Several products `x W_i^T` of one input.
 *
 * @param x float32 `[..., k]`.
 * @param weights 1 to 4 of `[n_i, k]`, in any storage.
 * @returns float32 `[..., n_i]` each.
 */
export function linearMulti(x: tf.Tensor, weights: readonly tf.Tensor2D[]): tf.Tensor[] {
  expect(
    weights.length >= 1 && weights.length <= MOST,
    'linearMulti',
    () => `1 to ${MOST} weights expected, got ${weights.length}`,
  );
  for (const weight of weights) checkProduct('linearMulti', x, weight);
  const named = Object.fromEntries(weights.map((w, i) => [`weight${i}`, w]));
  return runCustom(nameOf(weights.length), { x, ...named });
}
