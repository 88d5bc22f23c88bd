/** Distributions cut to their likeliest classes. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import { checkTemperature } from './divergence.js';
import { expect, expectShape } from './shapes.js';
import type { TopK } from './top-k-divergence.js';

const NAME = 'MambalabTopKLogProbs';

/** What {@link topKLogProbs} finds. */
export interface TopKLogProbs extends TopK {
  /** float32 `[n]`: the entropy in nats of the distribution within all other classes; 0 without any. */
  restEntropy: tf.Tensor1D;
}

registerCustom({
  name: NAME,
  native(backend, { logits }, { k, temperature }) {
    const [n] = (logits as tf.TensorInfo).shape as [number];
    const outputs = [
      backend.makeOutput([n, k as number], 'int32'),
      backend.makeOutput([n, (k as number) + 1]),
      backend.makeOutput([n]),
    ];
    const operands = [logits as tf.TensorInfo, ...outputs].map((t) => backend.operand(t));
    backend.engine.run('topKLogProbs', operands, [temperature as number]);
    return outputs;
  },
  composition({ logits }, { k, temperature }) {
    const x = logits as tf.Tensor2D;
    const [n, v] = x.shape;
    const scaled = tf.div(x, temperature as number);
    const log = tf.sub(scaled, tf.logSumExp(scaled, 1, true)) as tf.Tensor2D;
    const { values, indices } = tf.topk(log, k as number, true);
    const top = tf.cast(tf.max(tf.oneHot(indices as tf.Tensor2D, v), 1), 'bool');
    const others = tf.where(top, tf.fill([n, v], Number.NEGATIVE_INFINITY), log);
    const rest = tf.logSumExp(others, 1, true) as tf.Tensor2D;
    const nothing = tf.fill([n, 1], Number.NEGATIVE_INFINITY) as tf.Tensor2D;
    const logProbs = tf.concat([values as tf.Tensor2D, k === v ? nothing : rest], 1);
    const within = tf.where(top, tf.zerosLike(log), tf.sub(log, rest));
    const p = tf.where(top, tf.zerosLike(log), tf.exp(within));
    return [indices, logProbs, tf.neg(tf.sum(tf.mul(p, within), 1))];
  },
});

/**
 * The k likeliest classes of `softmax(logits / temperature)`, the likeliest first and of equals the lower
 * one, and what is left.
 *
 * @param logits float32 `[n, vocab]`; @param k from 1 to vocab.
 */
export function topKLogProbs(
  logits: tf.Tensor2D,
  k: number,
  { temperature = 1 }: { temperature?: number } = {},
): TopKLogProbs {
  const name = 'topKLogProbs';
  expectShape(name, 'logits', logits, [undefined, undefined]);
  const [, vocab] = logits.shape;
  const fits = Number.isSafeInteger(k) && k >= 1 && k <= vocab;
  expect(fits, name, () => `k must be from 1 to the ${vocab} classes, got ${k}`);
  checkTemperature(name, temperature);
  const [ids, logProbs, restEntropy] = runCustom<tf.Tensor[]>(NAME, { logits }, { k, temperature });
  return {
    ids: ids as tf.Tensor2D,
    logProbs: logProbs as tf.Tensor2D,
    restEntropy: restEntropy as tf.Tensor1D,
  };
}
