/** Float32 tensors whose numbers memory holds as bfloat16: half the bytes, to be read and written. */
import * as tf from '@tensorflow/tfjs-core';
import { type Storage, storageBytes } from '../engine.js';
import { isNative, nativeBackend } from '../init.js';

/** How a float tensor's numbers are kept: `F32` on every backend but `native`. */
export function storageOf(t: tf.Tensor): Storage {
  return (isNative() && nativeBackend().storageOf(t)) || 'F32';
}

/** Bytes of a float tensor as it is kept. */
export function bytesOf(t: tf.Tensor): number {
  return storageBytes(storageOf(t), t.shape);
}

/**
 * A float tensor of zeros.
 *
 * @throws Error where the backend is not `native` and the storage is not F32.
 */
export function storedZeros(shape: readonly number[], storage: 'F32' | 'BF16'): tf.Tensor {
  if (storage === 'F32') return tf.zeros([...shape]);
  if (!isNative()) {
    throw new Error(`tensors are stored as ${storage} by 'native' only, not by ${tf.getBackend()}`);
  }
  const backend = nativeBackend();
  const zeros = backend.makeStored([...shape], storage);
  backend.clear(zeros);
  return tf.engine().makeTensorFromTensorInfo(zeros);
}

/** The tensor itself where it holds float32, else its numbers as float32 in new memory. */
export function asFloat32<T extends tf.Tensor>(t: T): T {
  if (storageOf(t) === 'F32') return t;
  const backend = nativeBackend();
  const floats = backend.makeOutput([...t.shape]);
  backend.engine.run('dequantize', [backend.operand(t), backend.operand(floats)]);
  return tf.engine().makeTensorFromTensorInfo(floats) as T;
}

/**
 * Writes a tensor's numbers into another of its shape, in the form in which that one keeps them: float32
 * becomes the nearest bfloat16 number, of two the even one. Backend `native` only.
 */
export function storeValues(from: tf.Tensor, to: tf.Tensor): void {
  const backend = nativeBackend();
  const op = storageOf(from) === storageOf(to) ? 'copy' : 'convert';
  backend.engine.run(op, [backend.operand(from), backend.operand(to)]);
}

/** The rows of tensors of one storage, one after the other, in new memory. */
export function concatRows<T extends tf.Tensor>(tensors: readonly [T, ...T[]]): T {
  if (!isNative()) return tf.concat([...tensors], 0) as T;
  const backend = nativeBackend();
  const storage = storageOf(tensors[0]);
  const rows = tensors.reduce((sum, t) => sum + (t.shape[0] as number), 0);
  const joined = backend.makeStored([rows, ...tensors[0].shape.slice(1)], storage);
  const { byteOffset, ...place } = backend.operand(joined);
  let at = byteOffset;
  for (const t of tensors) {
    backend.engine.run('copy', [backend.operand(t), { ...place, byteOffset: at, shape: t.shape }]);
    at += storageBytes(storage, t.shape);
  }
  return tf.engine().makeTensorFromTensorInfo(joined) as T;
}
