/** Cross-entropy of labels under logits, row by row. */
import * as tf from '@tensorflow/tfjs-core';
import { runCustom } from '../custom.js';
import { type RowLoss, registerRowLoss } from './row-loss.js';
import { expectShape } from './shapes.js';

/** The loss that {@link crossEntropy} and the head's fused form run. */
export const crossEntropyLoss: RowLoss = {
  name: 'MambalabCrossEntropy',
  command: 'crossEntropy',
  attributes: () => [],
  composition(x, [target]) {
    const [, v] = x.shape;
    const own = tf.sum(tf.mul(x, tf.oneHot(tf.cast(target as tf.Tensor, 'int32'), v)), 1);
    return tf.sub(tf.logSumExp(x, 1), own) as tf.Tensor1D;
  },
};

registerRowLoss(crossEntropyLoss);

/**
 * `weights_i (log sum exp logits_i - logits_i[labels_i])`. Rows of weight 0 are not read: their labels
 * may be anything.
 *
 * @param logits float32 `[n, vocab]`; @param labels int32 `[n]`; @param weights float32 `[n]`, without
 *   a gradient.
 * @returns float32 `[n]`.
 * @throws Error naming the row of a label that is no class.
 */
export function crossEntropy(
  logits: tf.Tensor2D,
  labels: tf.Tensor1D,
  weights: tf.Tensor1D,
): tf.Tensor1D {
  const name = 'crossEntropy';
  expectShape(name, 'logits', logits, [undefined, undefined]);
  expectShape(name, 'labels', labels, [logits.shape[0]], 'int32');
  expectShape(name, 'weights', weights, [logits.shape[0]]);
  return runCustom(crossEntropyLoss.name, { x: logits, target: labels, weights });
}
