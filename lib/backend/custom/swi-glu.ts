/** The gate of a feed-forward layer whose products are at hand: `silu(gate) * up`. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import { expectShape } from './shapes.js';

const NAME = 'MambalabSwiGlu';

/** x * sigmoid(x). */
export function silu(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.sigmoid(x));
}

/** The derivative of {@link silu}. */
export function siluSlope(x: tf.Tensor): tf.Tensor {
  const s = tf.sigmoid(x);
  return tf.mul(s, tf.add(1, tf.mul(x, tf.sub(1, s))));
}

registerCustom({
  name: NAME,
  native(backend, { gate, up }) {
    const y = backend.makeOutput((gate as tf.TensorInfo).shape);
    const operands = [gate, up, y].map((t) => backend.operand(t as tf.TensorInfo));
    backend.engine.run('swiGlu', operands);
    return y;
  },
  composition({ gate, up }) {
    return tf.mul(silu(gate as tf.Tensor), up as tf.Tensor);
  },
  gradient: {
    inputsToSave: ['gate', 'up'],
    gradFunc(dy, saved) {
      const [gate, up] = saved as [tf.Tensor, tf.Tensor];
      return {
        gate: () => tf.mul(tf.mul(dy as tf.Tensor, up), siluSlope(gate)),
        up: () => tf.mul(dy as tf.Tensor, silu(gate)),
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
