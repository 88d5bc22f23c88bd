/** The gate of a feed-forward layer whose products are at hand: `silu(gate) * up`. */
import * as tf from '@tensorflow/tfjs-core';
import { registerDifferentiable, runCommand, runDifferentiable } from './differentiable.js';
import { expectShape } from './shapes.js';

const NAME = 'MambalabSwiGlu';

/** x * sigmoid(x). */
export function silu(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.sigmoid(x));
}

const INPUTS = { required: ['gate', 'up'], optional: [] };

registerDifferentiable({
  name: NAME,
  composition: ({ gate, up }) => [tf.mul(silu(gate as tf.Tensor), up as tf.Tensor)],
  native(backend, inputs) {
    const y = backend.makeOutput([...(inputs.gate as tf.TensorInfo).shape]);
    runCommand(backend, 'swiGlu', INPUTS, inputs, [y], []);
    return [y];
  },
  nativeGradient(backend, { gate, up }, [dy]) {
    const shape = [...(dy as tf.TensorInfo).shape];
    const [dGate, dUp] = [backend.makeOutput(shape), backend.makeOutput(shape)];
    const tensors = [dy, gate, up, dGate, dUp] as tf.TensorInfo[];
    backend.engine.run(
      'swiGluBackward',
      tensors.map((t) => backend.operand(t, shape)),
    );
    return { gate: dGate, up: dUp };
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
  return runDifferentiable(NAME, { gate, up })[0] as tf.Tensor;
}
