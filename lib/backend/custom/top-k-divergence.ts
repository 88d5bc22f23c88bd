/** Divergences from a teacher of whom the likeliest classes are known and the mass of all others. */
import * as tf from '@tensorflow/tfjs-core';
import { runCustom } from '../custom.js';
import { checkTemperature, type DivergenceOptions } from './divergence.js';
import { type RowLoss, registerRowLoss } from './row-loss.js';
import { expect, expectShape, shapeText } from './shapes.js';

/** The likeliest classes of distributions, and one outcome for all others. */
export interface TopK {
  /** int32 `[n, k]`: different classes of a row. */
  ids: tf.Tensor2D;
  /**
   * float32 `[n, k + 1]`: their log-probabilities and, last, that of all other classes together; minus
   * infinity where there are none.
   */
  logProbs: tf.Tensor2D;
}

/** Small enough that its exponential is 0, and no infinity, whose gradient would be NaN. */
const GONE = -1e30;

/** The loss that {@link topKDivergence} and the head's fused form run. */
export const topKDivergenceLoss: RowLoss = {
  name: 'MambalabTopKDivergence',
  targets: ['ids', 'logProbs'],
  command: 'topKDivergence',
  attributes: ({ reverse, temperature }) => [Number(reverse), temperature as number],
  composition(x, [ids, logProbs], { reverse, temperature }) {
    const [n, v] = x.shape;
    const k = (ids as tf.Tensor).shape[1] as number;
    const scaled = tf.div(x, temperature as number);
    const log = tf.sub(scaled, tf.logSumExp(scaled, 1, true));
    const hot = tf.cast(tf.oneHot(ids as tf.Tensor2D, v), 'float32');
    const top = tf.sum(tf.mul(hot, tf.expandDims(log, 1)), 2) as tf.Tensor2D;
    const others = tf.where(tf.cast(tf.max(hot, 1), 'bool'), tf.fill([n, v], GONE), log);
    const rest = tf.logSumExp(others, 1, true) as tf.Tensor2D;
    const own = k === v ? top : tf.concat([top, rest], 1);
    const other = tf.slice(logProbs as tf.Tensor2D, [0, 0], [n, own.shape[1] as number]);
    const [a, b] = reverse ? [own, other] : [other, own];
    return tf.sum(tf.mul(tf.exp(a), tf.sub(a, b)), 1) as tf.Tensor1D;
  },
};

registerRowLoss(topKDivergenceLoss);

/** Checks that a teacher's classes are those of so many tokens, and no more than the vocabulary has. */
export function checkTopK(
  name: string,
  { ids, logProbs }: TopK,
  tokens: number,
  vocab: number,
): void {
  expectShape(name, 'ids', ids, [tokens, undefined], 'int32');
  const [, k] = ids.shape;
  expect(
    k >= 1 && k <= vocab,
    name,
    () => `ids [tokens, k] with k from 1 to the ${vocab} classes expected, got ${shapeText(ids)}`,
  );
  expectShape(name, 'logProbs', logProbs, [tokens, k + 1]);
}

/**
 * `divergence` over k + 1 outcomes: the teacher's k likeliest classes, and all others as one. With p of the
 * student, the softmax of its logits over the temperature, and q the teacher's: `weights_i sum p (log p -
 * log q)` where `reverse`, else `weights_i sum q (log q - log p)`. The gradient is the student's. With k of
 * the vocabulary's size it is `divergence`. Rows of weight 0 are not read.
 *
 * @param student float32 `[n, vocab]`; @param teacher of the same temperature; @param weights float32 `[n]`.
 * @returns float32 `[n]`.
 * @throws Error naming the row of a class that is none.
 */
export function topKDivergence(
  student: tf.Tensor2D,
  teacher: TopK,
  weights: tf.Tensor1D,
  { reverse, temperature = 1 }: DivergenceOptions,
): tf.Tensor1D {
  const name = 'topKDivergence';
  expectShape(name, 'student', student, [undefined, undefined]);
  const [n, vocab] = student.shape;
  checkTopK(name, teacher, n, vocab);
  expectShape(name, 'weights', weights, [n]);
  checkTemperature(name, temperature);
  const { ids, logProbs } = teacher;
  const inputs = { x: student, ids, logProbs, weights };
  return runCustom(topKDivergenceLoss.name, inputs, { reverse, temperature });
}
