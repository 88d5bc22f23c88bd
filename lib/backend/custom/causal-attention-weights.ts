/** The matrix of causal attention, materialised: what MOHAWK's first stage matches. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import { documents } from './sequence.js';
import { expect, expectShape, shapeText } from './shapes.js';
import { seen, spreadGroups } from './ssd-kernel.js';

const NAME = 'MambalabCausalAttentionWeights';

/** Operands of {@link causalAttentionWeights}. */
export interface CausalAttentionWeightsInputs {
  /** Queries `[batch, length, heads, d]`. */
  q: tf.Tensor4D;
  /** Keys `[batch, length, kv heads, d]`. */
  k: tf.Tensor4D;
  /** Not 0 where a packed document starts, int32 `[batch, length]`. */
  resets?: tf.Tensor2D;
  /** Multiplies the products of queries and keys. */
  scale: number;
}

registerCustom({
  name: NAME,
  native(backend, { q, k, resets }, { scale }) {
    const [b, l, h] = (q as tf.TensorInfo).shape as [number, number, number];
    const y = backend.makeOutput([b, h, l, l]);
    const given = [q, k, ...(resets ? [resets] : []), y] as tf.TensorInfo[];
    backend.engine.run(
      'attentionWeights',
      given.map((t) => backend.operand(t)),
      [scale as number, Number(resets !== undefined)],
    );
    return y;
  },
  composition({ q, k, resets }, { scale }) {
    const [, l, h] = (q as tf.Tensor).shape as [number, number, number];
    const [queries, keys] = [q, k].map((t) => spreadGroups(t as tf.Tensor, h));
    const scores = tf.mul(
      tf.matMul(queries as tf.Tensor, keys as tf.Tensor, false, true),
      scale as number,
    );
    const visible = tf.broadcastTo(seen(l, documents(resets)), scores.shape);
    const y = tf.softmax(tf.where(visible, scores, tf.fill(scores.shape, -1e30)));
    return tf.where(visible, y, tf.zerosLike(y));
  },
});

/**
 * The weights with which {@link causalAttention} of a whole sequence sums the values. They have no
 * gradient: a teacher's are what a student is held against.
 *
 * @returns float32 `[batch, heads, length, length]`, 0 where a token does not see another.
 * @throws Error naming the argument whose shape does not fit.
 */
export function causalAttentionWeights(inputs: CausalAttentionWeightsInputs): tf.Tensor4D {
  const { q, k, resets, scale } = inputs;
  const kernel = 'causalAttentionWeights';
  expectShape(kernel, 'q', q, [undefined, undefined, undefined, undefined]);
  const [batch, length, heads, d] = q.shape;
  expectShape(kernel, 'k', k, [batch, length, undefined, d]);
  const kvHeads = k.shape[2];
  expect(
    kvHeads > 0 && heads % kvHeads === 0,
    kernel,
    () => `the heads of k must divide those of q, got q ${shapeText(q)} and k ${shapeText(k)}`,
  );
  if (resets) expectShape(kernel, 'resets', resets, [batch, length], 'int32');
  return runCustom(NAME, { q, k, resets }, { scale });
}
