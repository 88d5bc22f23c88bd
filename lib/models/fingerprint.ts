/** What tells a model's weights from others of the same shapes. */
import { createHash } from 'node:crypto';
import * as tf from '@tensorflow/tfjs-core';
import { embedding } from '../backend/custom/embedding.js';
import { isNative, nativeBackend } from '../backend/init.js';

/** Numbers of a parameter that are all read: norms, biases, decays, small models. */
const SMALL = 1 << 16;

/** Rows of a larger matrix that are read; every training step moves all of them. */
const ROWS = 5;

/**
 * A hash of how the parameters are stored and multiplied, and of their values: all of the small ones,
 * some rows of the large, so that a model of any size takes a moment.
 */
export function fingerprintOf(parameters: ReadonlyMap<string, tf.Tensor>): string {
  const hash = createHash('sha256');
  for (const [path, t] of parameters) {
    const stored = isNative() && [nativeBackend().storageOf(t), nativeBackend().activationsOf(t)];
    hash.update(JSON.stringify([path, t.shape, stored]));
    const read = tf.tidy(() => (t.size > SMALL ? someRows(t) : t).dataSync());
    hash.update(new Uint8Array(read.buffer, read.byteOffset, read.byteLength));
  }
  return hash.digest('hex');
}

/** Rows from the first to the last, evenly apart. */
function someRows(t: tf.Tensor): tf.Tensor {
  const rows = t.shape[0] as number;
  const ids = Array.from({ length: ROWS }, (_, i) => Math.floor((i * (rows - 1)) / (ROWS - 1)));
  return embedding(tf.reshape(t, [rows, t.size / rows]), tf.tensor1d(ids, 'int32'));
}
