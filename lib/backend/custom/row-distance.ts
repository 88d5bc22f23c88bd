/** Euclidean distances of rows: what MOHAWK's first two stages minimise. */
import * as tf from '@tensorflow/tfjs-core';
import { runCustom } from '../custom.js';
import { type RowLoss, registerRowLoss } from './row-loss.js';
import { expectShape } from './shapes.js';

const rowDistanceLoss: RowLoss = {
  name: 'MambalabRowDistance',
  command: 'rowDistance',
  attributes: () => [],
  composition(x, [target]) {
    const squares = tf.sum(tf.squaredDifference(x, target as tf.Tensor), 1);
    // The root's slope at 0 is infinite, and equal rows should have none.
    return tf.sqrt(tf.add(squares, 1e-30)) as tf.Tensor1D;
  },
};

registerRowLoss(rowDistanceLoss);

/**
 * `weights_i |x_i - target_i|`; the gradient is that of x, 0 where the rows are equal.
 *
 * @param x float32 `[n, d]`; @param target likewise; @param weights float32 `[n]`.
 * @returns float32 `[n]`.
 */
export function rowDistance(
  x: tf.Tensor2D,
  target: tf.Tensor2D,
  weights: tf.Tensor1D,
): tf.Tensor1D {
  const name = 'rowDistance';
  expectShape(name, 'x', x, [undefined, undefined]);
  expectShape(name, 'target', target, x.shape);
  expectShape(name, 'weights', weights, [x.shape[0]]);
  return runCustom(rowDistanceLoss.name, { x, target, weights });
}
