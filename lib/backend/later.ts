/**
 * Reading a tensor later: the values that it has when the device comes to the read, whatever is asked
 * for behind it, while JavaScript goes on.
 */
import type * as tf from '@tensorflow/tfjs-core';
import { isNative, nativeBackend } from './init.js';

/** Values that were asked for. */
export interface LaterValues {
  /**
   * The values; waits for them, and for nothing that was asked for after them. The same array every time.
   *
   * @throws Error where an operation before the read found wrong values on the device, or after `drop`.
   */
  get(): Float32Array | Int32Array;
  /** Gives the values up, if they have not been taken. */
  drop(): void;
}

/**
 * Asks for the first `count` values of a float32 or int32 tensor. End it with `get` or `drop`.
 *
 * @throws Error inside a capture, whose tensors have no values.
 */
export function readLater(t: tf.Tensor, count = t.size): LaterValues {
  if ((t.dtype !== 'int32' && t.dtype !== 'float32') || count > t.size) {
    throw new Error(
      `readLater: ${count} values of a float32 or int32 tensor expected, got ${t.dtype} [${t.shape}]`,
    );
  }
  if (!isNative()) {
    const values = t.dataSync<'float32' | 'int32'>().slice(0, count);
    return { get: () => values, drop() {} };
  }
  const backend = nativeBackend();
  const { addon } = backend.engine;
  const { buffer, byteOffset } = backend.operand(t);
  const target = t.dtype === 'int32' ? new Int32Array(count) : new Float32Array(count);
  let read: number | undefined = addon.readBegin(buffer.handle, byteOffset, target.byteLength);
  let taken = false;
  return {
    get() {
      if (read !== undefined) {
        const id = read;
        read = undefined;
        addon.readEnd(id, new Uint8Array(target.buffer));
        taken = true;
      }
      if (!taken) throw new Error('readLater: the values were given up, or their read failed');
      return target;
    },
    drop() {
      if (read !== undefined) addon.readDrop(read);
      read = undefined;
    },
  };
}
