/** Causal softmax attention with grouped key and value heads, over a cache or within a sequence. */
import * as tf from '@tensorflow/tfjs-core';
import { registerDifferentiable, runDifferentiable, runGradientCommand } from './differentiable.js';
import { documents } from './sequence.js';
import { expect, expectShape, shapeText } from './shapes.js';
import { spread } from './ssd-kernel.js';

const NAME = 'MambalabCausalAttention';

/** Operands of {@link causalAttention}. */
export interface CausalAttentionInputs {
  /** Queries `[batch, length, heads, d]`. */
  q: tf.Tensor4D;
  /**
   * Keys `[batch, capacity, kv heads, d]`; positions past a row's last token are not read. Keys and values
   * may both be stored as bfloat16; then there is no gradient.
   */
  k: tf.Tensor4D;
  /** Values, as the keys. */
  v: tf.Tensor4D;
  /** Position of each row's first query, int32 `[batch]`. */
  starts: tf.Tensor1D;
  /** Real queries of each row, int32 `[batch]`; the output of the others is 0. */
  lens: tf.Tensor1D;
  /**
   * Not 0 where a packed document starts, int32 `[batch, length]`: queries from there on see nothing
   * before that token.
   */
  resets?: tf.Tensor2D;
  /** Multiplies the products of queries and keys. */
  scale: number;
}

interface Parts {
  /** `[batch, kv heads, group, length, d]`. */
  q: tf.Tensor;
  /** `[batch, kv heads, 1, capacity, d]`. */
  k: tf.Tensor;
  v: tf.Tensor;
  /** Softmax weights `[batch, kv heads, group, length, capacity]`, 0 for padding. */
  p: tf.Tensor;
}

/** Groups a tensor's heads under the key heads: `[b, l, h, d]` to `[b, hKv, h / hKv, l, d]`. */
function grouped(t: tf.Tensor4D, kvHeads: number): tf.Tensor {
  const [b, l, h, d] = t.shape;
  return tf.transpose(tf.reshape(t, [b, l, kvHeads, h / kvHeads, d]), [0, 2, 3, 1, 4]);
}

function ungrouped(t: tf.Tensor): tf.Tensor4D {
  const [b, kvHeads, group, l, d] = t.shape as [number, number, number, number, number];
  return tf.reshape(tf.transpose(t, [0, 3, 1, 2, 4]), [b, l, kvHeads * group, d]);
}

/** Batched products of the last two axes; the leading ones broadcast over groups. */
function product(a: tf.Tensor, b: tf.Tensor, transposeA: boolean, transposeB: boolean): tf.Tensor {
  const group = Math.max(a.shape[2] as number, b.shape[2] as number);
  const toGroup = (t: tf.Tensor) => spread(t, t.shape.with(2, group));
  return tf.matMul(toGroup(a), toGroup(b), transposeA, transposeB);
}

/** Whether positions belong to the tokens' documents, bool `[batch, 1, 1, length, capacity]`. */
function sameDocument(resets: tf.Tensor, starts: tf.Tensor, capacity: number): tf.Tensor {
  const [batch, length] = resets.shape as [number, number];
  const document = documents(resets) as tf.Tensor2D;
  // Positions before the first token belong to document 0.
  const at = tf.sub(tf.range(0, capacity, 1, 'int32'), tf.reshape(starts, [batch, 1]));
  const token = tf.cast(tf.clipByValue(at, 0, length - 1), 'int32');
  const before = tf.less(at, 0);
  const own = tf.where(before, tf.zerosLike(token), tf.gather(document, token, 1, 1));
  const ofPosition = tf.reshape(own, [batch, 1, 1, 1, capacity]);
  return tf.equal(tf.reshape(document, [batch, 1, 1, length, 1]), ofPosition);
}

function parts(inputs: Record<string, tf.Tensor>, scale: number): Parts {
  const { starts, lens } = inputs as { starts: tf.Tensor; lens: tf.Tensor };
  const kvHeads = inputs.k?.shape[2] as number;
  const q = grouped(inputs.q as tf.Tensor4D, kvHeads);
  const k = grouped(inputs.k as tf.Tensor4D, kvHeads);
  const v = grouped(inputs.v as tf.Tensor4D, kvHeads);
  const [batch, , , length] = q.shape as [number, number, number, number];
  const capacity = k.shape[3] as number;
  const column = tf.reshape(tf.range(0, capacity, 1, 'int32'), [1, 1, 1, 1, capacity]);
  const step = tf.reshape(tf.range(0, length, 1, 'int32'), [1, 1, 1, length, 1]);
  const row = (t: tf.Tensor) => tf.reshape(t, [batch, 1, 1, 1, 1]);
  let seen: tf.Tensor = tf.lessEqual(column, tf.add(row(starts), step));
  if (inputs.resets) seen = tf.logicalAnd(seen, sameDocument(inputs.resets, starts, capacity));
  const real = tf.cast(tf.less(step, row(lens)), 'float32');
  const scores = tf.mul(product(q, k, false, true), scale);
  const p = tf.softmax(tf.where(seen, scores, tf.fill(scores.shape, -1e30)));
  // A cache may hold anything past its last token, even NaN: such values must not meet a weight of 0.
  const last = tf.add(row(starts), row(lens));
  const held = tf.less(tf.reshape(column, [1, 1, 1, capacity, 1]), last);
  return { q, k, v: tf.where(held, v, tf.zerosLike(v)), p: tf.mul(p, real) };
}

const INPUTS = { required: ['q', 'k', 'v', 'starts', 'lens'], optional: ['resets'] };

registerDifferentiable({
  name: NAME,
  composition(inputs, { scale }) {
    const { v, p } = parts(inputs as Record<string, tf.Tensor>, scale as number);
    return [ungrouped(product(p, v, false, false))];
  },
  native(backend, inputs, { scale }) {
    const { q, k, v, starts, lens, resets } = inputs;
    const y = backend.makeOutput([...(q as tf.TensorInfo).shape]);
    const given = [q, k, v, starts, lens, ...(resets ? [resets] : []), y] as tf.TensorInfo[];
    backend.engine.run(
      'causalAttention',
      given.map((t) => backend.operand(t)),
      [scale as number, Number(resets !== undefined)],
    );
    return [y];
  },
  nativeGradient: (backend, inputs, dys, { scale }) =>
    runGradientCommand(backend, 'causalAttentionBackward', INPUTS, inputs, dys, [scale as number]),
});

/**
 * `softmax(scale q k^T) v`, where query `t` of row `r` stands at position `starts[r] + t` and sees
 * the positions up to its own, of its own document where there are resets. A query's result does not depend on how many are computed together.
 *
 * @returns float32 `[batch, length, heads, d]`.
 */
export function causalAttention(inputs: CausalAttentionInputs): tf.Tensor4D {
  const { q, k, v, starts, lens, resets, scale } = inputs;
  const [batch, length, heads, d] = q.shape;
  const [, capacity, kvHeads] = k.shape;
  expectShape('causalAttention', 'k', k, [batch, undefined, undefined, d]);
  expectShape('causalAttention', 'v', v, [batch, capacity, kvHeads, d]);
  expectShape('causalAttention', 'starts', starts, [batch], 'int32');
  expectShape('causalAttention', 'lens', lens, [batch], 'int32');
  expect(
    heads % kvHeads === 0,
    'causalAttention',
    () => `the heads of k must divide those of q, got q ${shapeText(q)} and k ${shapeText(k)}`,
  );
  if (resets) expectShape('causalAttention', 'resets', resets, [batch, length], 'int32');
  const [y] = runDifferentiable(NAME, { q, k, v, starts, lens, resets }, { scale });
  return y as tf.Tensor4D;
}
