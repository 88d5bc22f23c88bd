/** `x - log(sum(exp(x)))` over the last axis: logits to log-probabilities. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import { expect, lastDim, shapeText } from './shapes.js';

const NAME = 'MambalabLogSoftmax';

registerCustom({
  name: NAME,
  native(backend, { x }) {
    const { shape } = x as tf.TensorInfo;
    const columns = shape.at(-1) as number;
    const rows = [tf.util.sizeFromShape(shape) / columns, columns];
    const y = backend.makeOutput(shape);
    const operands = [x as tf.TensorInfo, y].map((t) => backend.operand(t, rows));
    backend.engine.run('logSoftmax', operands);
    return y;
  },
  composition({ x }) {
    const logits = x as tf.Tensor;
    return tf.sub(logits, tf.logSumExp(logits, -1, true));
  },
  gradient: {
    outputsToSave: [true],
    gradFunc(dy, [y]) {
      const d = dy as tf.Tensor;
      return { x: () => tf.sub(d, tf.mul(tf.exp(y as tf.Tensor), tf.sum(d, -1, true))) };
    },
  },
});

/**
 * Log-probabilities of logits.
 *
 * @param x float32 `[..., vocab]`, vocab at least 1.
 */
export function logSoftmax(x: tf.Tensor): tf.Tensor {
  const shaped = x.rank >= 1 && lastDim(x) >= 1;
  expect(shaped, 'logSoftmax', () => `x [..., vocab] expected, got ${shapeText(x)}`);
  return runCustom(NAME, { x });
}
