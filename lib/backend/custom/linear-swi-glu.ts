/** The first half of a gated feed-forward layer: `silu(x Wg^T) * (x Wu^T)` in one pass. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import { asRows, checkProduct } from './linear.js';
import { expect, shapeText } from './shapes.js';
import { silu, siluSlope } from './swi-glu.js';

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
  gradient: {
    inputsToSave: ['x', 'gate', 'up'],
    gradFunc(dy, saved) {
      const [x, gate, up] = saved as [tf.Tensor, tf.Tensor2D, tf.Tensor2D];
      const rows = asRows(x);
      const d = asRows(dy as tf.Tensor);
      const g = () => tf.matMul(rows, gate, false, true);
      const dUp = () => tf.tidy(() => tf.mul(d, silu(g())));
      const dGate = () =>
        tf.tidy(() => tf.mul(tf.mul(d, tf.matMul(rows, up, false, true)), siluSlope(g())));
      return {
        x: () => {
          const sum = tf.add(tf.matMul(dGate(), gate), tf.matMul(dUp(), up));
          return tf.reshape(sum, x.shape);
        },
        gate: () => tf.matMul(dGate(), rows, true),
        up: () => tf.matMul(dUp(), rows, true),
      };
    },
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
  return runCustom(NAME, { x, gate, up });
}
