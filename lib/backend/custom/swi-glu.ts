/** The gate of a feed-forward layer whose products are at hand: `silu(gate) * up`. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import { expectShape } from './shapes.js';

const NAME = 'MambalabSwiGlu';

registerCustom({
  name: NAME,
  native(backend, { gate, up }) {
    const y = backend.makeOutput((gate as tf.TensorInfo).shape);
    const operands = [gate, up, y].map((t) => backend.operand(t as tf.TensorInfo));
    backend.engine.run('swiGlu', operands);
    return y;
  },
  composition({ gate, up }) {
    const g = gate as tf.Tensor;
    return tf.mul(tf.mul(g, tf.sigmoid(g)), up as tf.Tensor);
  },
  gradient: {
    inputsToSave: ['gate', 'up'],
    gradFunc(dy, saved) {
      const [gate, up] = saved as [tf.Tensor, tf.Tensor];
      return {
        gate: () => {
          const s = tf.sigmoid(gate);
          const slope = tf.mul(s, tf.add(1, tf.mul(gate, tf.sub(1, s))));
          return tf.mul(tf.mul(dy as tf.Tensor, up), slope);
        },
        up: () => tf.mul(dy as tf.Tensor, tf.mul(gate, tf.sigmoid(gate))),
      };
    },
  },
});

/**
 * SwiGLU's gate (Shazeer 2020, equation 6). Where the products come from the same input,
 * `linearSwiGlu` does both in one pass.
 *
 * @param gate float32 of any shape.
 * @param up float32 of the same shape.
 */
export function swiGlu(gate: tf.Tensor, up: tf.Tensor): tf.Tensor {
  expectShape('swiGlu', 'up', up, gate.shape);
  return runCustom(NAME, { gate, up });
}
