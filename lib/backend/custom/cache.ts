/**
 * Caches of keys and values, `[rows, capacity, heads, d]`: appending tokens and moving rows.
 *
 * On `native` writing happens in place and the result is another tensor on the same data. On other
 * backends the result is new. Either way, use the result and dispose of what was passed in.
 */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import type { Storage } from '../engine.js';
import { entriesAt } from './sequence.js';
import { expect, expectShape, shapeText } from './shapes.js';
import { concatRows } from './stored.js';

const WRITE = 'MambalabCacheWrite';
const COPY = 'MambalabCacheCopy';
const GATHER = 'MambalabCacheGather';

registerCustom({
  name: WRITE,
  native(backend, { src, starts, lens, cache }) {
    const operands = [src, starts, lens, cache].map((t) => backend.operand(t as tf.TensorInfo));
    backend.engine.run('cacheWrite', operands);
    return backend.alias(cache as tf.TensorInfo);
  },
  composition({ src, starts, lens, cache }) {
    const [batch, capacity] = (cache as tf.Tensor4D).shape;
    const length = src?.shape[1] as number;
    const from = tf.reshape(starts as tf.Tensor, [batch as number, 1]);
    const offset = tf.sub(tf.range(0, capacity as number, 1, 'int32'), from);
    const count = tf.reshape(lens as tf.Tensor, [batch as number, 1]);
    const isNew = tf.logicalAnd(tf.greaterEqual(offset, 0), tf.less(offset, count));
    // Not clipByValue: tfjs' wasm backend takes integers for floats there.
    const at = tf.minimum(tf.maximum(offset, 0), length - 1);
    const tokens = entriesAt(src as tf.Tensor4D, at);
    return tf.where(tf.reshape(isNew, [...isNew.shape, 1, 1]), tokens, cache as tf.Tensor);
  },
});

registerCustom({
  name: COPY,
  native(backend, { src, dst }, { srcRow, dstRow, positions }) {
    const operands = [src, dst].map((t) => backend.operand(t as tf.TensorInfo));
    backend.engine.run('cacheCopy', operands, [srcRow, dstRow, positions] as number[]);
    return backend.alias(dst as tf.TensorInfo);
  },
  composition({ src, dst }, attrs) {
    const { srcRow, dstRow, positions } = attrs as Record<string, number>;
    const target = dst as tf.Tensor4D;
    const [, capacity] = target.shape;
    const head = tf.slice(src as tf.Tensor4D, [srcRow as number], [1]);
    const kept = tf.slice(tf.gather(target, [dstRow as number]), [0, positions as number]);
    const row = tf.concat([tf.slice(head, [0, 0], [1, positions as number]), kept], 1);
    const isRow = tf.equal(tf.range(0, target.shape[0], 1, 'int32'), dstRow as number);
    const all = tf.broadcastTo(row, [target.shape[0], capacity, ...target.shape.slice(2)]);
    return tf.where(tf.reshape(isRow, [target.shape[0], 1, 1, 1]), all, target);
  },
});

registerCustom({
  name: GATHER,
  native(backend, { src, rows }, { capacity }) {
    const [, held, ...rest] = (src as tf.TensorInfo).shape as [number, number, ...number[]];
    const n = (rows as tf.TensorInfo).shape[0] as number;
    const storage = backend.storageOf(src as tf.TensorInfo) as Storage;
    const out = backend.makeStored([n, capacity as number, ...rest], storage);
    if ((capacity as number) > held) backend.clear(out);
    const operands = [src, rows, out].map((t) => backend.operand(t as tf.TensorInfo));
    backend.engine.run('cacheGather', operands);
    return out;
  },
  composition({ src, rows }, { capacity }) {
    const picked = tf.gather(src as tf.Tensor4D, rows as tf.Tensor1D);
    const [n, held, heads, d] = picked.shape as [number, number, number, number];
    const more = (capacity as number) - held;
    if (more <= 0) return tf.slice(picked, [0, 0], [n, capacity as number]);
    return tf.concat([picked, tf.zeros([n, more, heads, d])], 1);
  },
});

/**
 * Puts each row's real tokens at its position. A cache that is stored as bfloat16 gets the nearest
 * numbers, of two as near the even one.
 *
 * @param src float32 `[batch, length, heads, d]`.
 * @param starts int32 `[batch]`: where a row's first token goes; @param lens int32 `[batch]`.
 * @param cache float32 `[batch, capacity, heads, d]`.
 * @throws Error where a token lies outside the cache.
 */
export function cacheWrite(
  src: tf.Tensor4D,
  starts: tf.Tensor1D,
  lens: tf.Tensor1D,
  cache: tf.Tensor4D,
): tf.Tensor4D {
  const [batch, , heads, d] = src.shape;
  expectShape('cacheWrite', 'cache', cache, [batch, undefined, heads, d]);
  expectShape('cacheWrite', 'starts', starts, [batch], 'int32');
  expectShape('cacheWrite', 'lens', lens, [batch], 'int32');
  return runCustom(WRITE, { src, starts, lens, cache });
}

/** Copies the first `positions` positions of a row over those of another; `src` may be `dst`. */
export function cacheCopy(
  src: tf.Tensor4D,
  srcRow: number,
  dst: tf.Tensor4D,
  dstRow: number,
  positions: number,
): tf.Tensor4D {
  const [, , heads, d] = src.shape;
  expectShape('cacheCopy', 'dst', dst, [undefined, undefined, heads, d]);
  const most = Math.min(src.shape[1], dst.shape[1]);
  expect(
    srcRow < src.shape[0] && dstRow < dst.shape[0] && positions <= most,
    'cacheCopy',
    () =>
      `row ${srcRow} of ${shapeText(src)} to row ${dstRow} of ${shapeText(dst)}, ` +
      `${positions} positions: out of range`,
  );
  return runCustom(COPY, { src, dst }, { srcRow, dstRow, positions });
}

/** Rows of a cache, in this order, in a new one stored alike; positions that the old one lacks are 0. */
export function cacheGather(
  src: tf.Tensor4D,
  rows: readonly number[],
  capacity: number,
): tf.Tensor4D {
  return tf.tidy(() => {
    const index = tf.tensor1d([...rows], 'int32');
    return runCustom<tf.Tensor4D>(GATHER, { src, rows: index }, { capacity });
  });
}

/** The rows of caches of one storage, one after the other, with the room of the largest. */
export function cacheConcat(caches: readonly [tf.Tensor4D, ...tf.Tensor4D[]]): tf.Tensor4D {
  const capacity = Math.max(...caches.map((cache) => cache.shape[1]));
  return tf.tidy(() => {
    const roomy = (cache: tf.Tensor4D) =>
      cache.shape[1] === capacity
        ? cache
        : cacheGather(
            cache,
            Array.from({ length: cache.shape[0] }, (_, row) => row),
            capacity,
          );
    const [first, ...others] = caches;
    return concatRows([roomy(first), ...others.map(roomy)]);
  });
}
