/** Rotary position embedding: pairs of a head's features turned by angles that grow with position. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import { expectShape } from './shapes.js';

const NAME = 'MambalabRotary';

registerCustom({
  name: NAME,
  native(backend, { x, table, starts, lens }, { interleaved, back }) {
    const y = backend.makeOutput((x as tf.TensorInfo).shape);
    const operands = [x, table, starts, lens, y].map((t) => backend.operand(t as tf.TensorInfo));
    backend.engine.run('rotary', operands, [Number(interleaved), Number(back)]);
    return y;
  },
  composition({ x, table, starts, lens }, { interleaved, back }) {
    const t = x as tf.Tensor4D;
    const [batch, length, heads, d] = t.shape;
    const half = d / 2;
    const steps = tf.range(0, length, 1, 'int32');
    const from = tf.reshape(starts as tf.Tensor, [batch, 1]);
    const real = tf.less(tf.reshape(steps, [1, length]), tf.reshape(lens as tf.Tensor, [batch, 1]));
    const positions = tf.mul(tf.add(from, steps), tf.cast(real, 'int32'));
    const angles = tf.gather(table as tf.Tensor3D, tf.cast(positions, 'int32'));
    const [cos, right] = tf.unstack(tf.reshape(angles, [batch, length, 1, half, 2]), 4);
    const sin = back ? tf.neg(right as tf.Tensor) : right;
    const [a, b] = interleaved
      ? tf.unstack(tf.reshape(t, [batch, length, heads, half, 2]), 4)
      : tf.split(t, 2, 3);
    const turned = [
      tf.sub(tf.mul(a as tf.Tensor, cos as tf.Tensor), tf.mul(b as tf.Tensor, sin as tf.Tensor)),
      tf.add(tf.mul(b as tf.Tensor, cos as tf.Tensor), tf.mul(a as tf.Tensor, sin as tf.Tensor)),
    ];
    const y = interleaved ? tf.reshape(tf.stack(turned, 4), t.shape) : tf.concat(turned, 3);
    return tf.where(tf.reshape(real, [batch, length, 1, 1]), y, t);
  },
  gradient: {
    inputsToSave: ['x', 'table', 'starts', 'lens'],
    gradFunc(dy, saved, attrs) {
      const [, table, starts, lens] = saved as [tf.Tensor, tf.Tensor3D, tf.Tensor1D, tf.Tensor1D];
      return {
        // A rotation's transpose turns the other way.
        x: () => {
          const d = { x: dy as tf.Tensor, table, starts, lens };
          return runCustom<tf.Tensor>(NAME, d, { ...attrs, back: !attrs.back });
        },
        table: () => tf.zerosLike(table),
        starts: () => tf.zerosLike(starts),
        lens: () => tf.zerosLike(lens),
      };
    },
  },
});

/**
 * Turns the pairs of token `t` of row `r` by the angles of position `starts[r] + t`; padding
 * (`t >= lens[r]`) passes unchanged. The table is a constant: it has no gradient.
 *
 * @param x float32 `[batch, length, heads, d]`.
 * @param table float32 `[positions, d / 2, 2]`: cosines and sines.
 * @param starts int32 `[batch]`; @param lens int32 `[batch]`.
 * @param options.interleaved pairs are neighbours and not the two halves.
 * @throws Error naming a position outside the table.
 */
export function rotary(
  x: tf.Tensor4D,
  table: tf.Tensor3D,
  starts: tf.Tensor1D,
  lens: tf.Tensor1D,
  { interleaved }: { interleaved: boolean },
): tf.Tensor4D {
  const [batch, , , d] = x.shape;
  expectShape('rotary', 'table', table, [undefined, d / 2, 2]);
  expectShape('rotary', 'starts', starts, [batch], 'int32');
  expectShape('rotary', 'lens', lens, [batch], 'int32');
  return runCustom(NAME, { x, table, starts, lens }, { interleaved, back: false });
}
