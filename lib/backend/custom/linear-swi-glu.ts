/** The first half of a gated feed-forward layer: `silu(x Wg^T) * (x Wu^T)`, in one pass but to train. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import { asRows, checkProduct } from './linear.js';
import { linearMulti } from './linear-multi.js';
import { expect, shapeText } from './shapes.js';
import { silu, swiGlu } from './swi-glu.js';
import { isTaped } from './tape.js';

const NAME = 'MambalabLinearSwiGlu';

registerCustom({
  name: NAME,
  native(backend, { x, gate, up }) {
    const shape = [...(x as tf.TensorInfo).shape.slice(0, -1), (gate as tf.TensorInfo).shape[0]];
    const y = backend.makeOutput(shape as number[]);
    const weights = [gate, up] as tf.TensorInfo[];
    const operands = [x as tf.TensorInfo, ...weights, y].map((t) => backend.operand(t));
    backend.runProduct('linearSwiGlu', weights, operands);
    return y;
  },
  composition({ x, gate, up }) {
    const rows = asRows(x as tf.Tensor);
    const g = tf.matMul(rows, gate as tf.Tensor2D, false, true);
    const u = tf.matMul(rows, up as tf.Tensor2D, false, true);
    const y = tf.mul(silu(g), u);
    return tf.reshape(y, [...(x as tf.Tensor).shape.slice(0, -1), y.shape[1] as number]);
  },
});

/**
 * SwiGLU's hidden layer.
 *
 * @param x float32 `[..., k]`.
 * @param gate `[n, k]`; @param up `[n, k]`, in any storage.
 * @returns float32 `[..., n]`.
 */
export function linearSwiGlu(x: tf.Tensor, gate: tf.Tensor2D, up: tf.Tensor2D): tf.Tensor {
  checkProduct('linearSwiGlu', x, gate);
  checkProduct('linearSwiGlu', x, up);
  expect(
    gate.shape[0] === up.shape[0],
    'linearSwiGlu',
    () => `gate and up must have the same rows, got ${shapeText(gate)} and ${shapeText(up)}`,
  );
  if (isTaped()) {
    // The gradient needs both products: better kept than computed again.
    const [g, u] = linearMulti(x, [gate, up]) as [tf.Tensor, tf.Tensor];
    return swiGlu(g, u);
  }
  return runCustom(NAME, { x, gate, up });
}
