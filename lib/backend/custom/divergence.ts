/** Kullback-Leibler divergences of a student's and a teacher's distributions, row by row. */
import * as tf from '@tensorflow/tfjs-core';
import { runCustom } from '../custom.js';
import { type RowLoss, registerRowLoss } from './row-loss.js';
import { expect, expectShape } from './shapes.js';

/** How two distributions are compared. */
export interface DivergenceOptions {
  /** The expectation is the student's and not the teacher's. */
  reverse: boolean;
  /** Divides both logits; default 1. */
  temperature?: number;
}

/** The loss that {@link divergence} and the head's fused form run. */
export const divergenceLoss: RowLoss = {
  name: 'MambalabDivergence',
  command: 'divergence',
  attributes: ({ reverse, temperature }) => [Number(reverse), temperature as number],
  composition(x, [target], { reverse, temperature }) {
    const log = (logits: tf.Tensor) => {
      const scaled = tf.div(logits, temperature as number);
      return tf.sub(scaled, tf.logSumExp(scaled, 1, true));
    };
    const [own, other] = [log(x), log(target as tf.Tensor)];
    const [a, b] = reverse ? [own, other] : [other, own];
    return tf.sum(tf.mul(tf.exp(a), tf.sub(a, b)), 1) as tf.Tensor1D;
  },
};

registerRowLoss(divergenceLoss);

/** Checks the temperature of a divergence. */
export function checkTemperature(name: string, temperature: number): void {
  expect(
    temperature > 0 && Number.isFinite(temperature),
    name,
    () => `temperature must be a positive number, got ${temperature}`,
  );
}

/**
 * With p of the student and q of the teacher, the softmax of logits over the temperature:
 * `weights_i sum_v p (log p - log q)` where `reverse`, else `weights_i sum_v q (log q - log p)`. The
 * gradient is the student's. Classes of probability 0 add nothing; rows of weight 0 are not read.
 *
 * @param student float32 `[n, vocab]`; @param teacher likewise; @param weights float32 `[n]`.
 * @returns float32 `[n]`.
 */
export function divergence(
  student: tf.Tensor2D,
  teacher: tf.Tensor2D,
  weights: tf.Tensor1D,
  { reverse, temperature = 1 }: DivergenceOptions,
): tf.Tensor1D {
  const name = 'divergence';
  expectShape(name, 'student', student, [undefined, undefined]);
  expectShape(name, 'teacher', teacher, student.shape);
  expectShape(name, 'weights', weights, [student.shape[0]]);
  checkTemperature(name, temperature);
  const inputs = { x: student, target: teacher, weights };
  return runCustom(divergenceLoss.name, inputs, { reverse, temperature });
}
