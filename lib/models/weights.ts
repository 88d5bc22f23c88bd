/** Checkpoint tensors to tfjs tensors: mapped where they can stay as they are, converted where not. */
import * as tf from '@tensorflow/tfjs-core';
import type { NativeBuffer, Storage } from '../backend/engine.js';
import { isNative, nativeBackend } from '../backend/init.js';
import type { Activations } from '../backend/native-backend.js';
import { dequantize } from './files/dequantize.js';
import { withFile } from './files/source.js';
import { type FloatStorage, layoutOf } from './files/storage.js';
import type { TensorEntry } from './files/tensor-file.js';

/**
 * How weights are kept in memory. `stored`: as the file has them, memory-mapped. The others convert
 * at load.
 */
export type Precision = 'stored' | 'f32' | 'bf16' | 'f16' | 'q8_0' | 'q4_0' | 'q4_1';

const STORAGE: Record<Exclude<Precision, 'stored'>, Storage> = {
  f32: 'F32',
  bf16: 'BF16',
  f16: 'F16',
  q8_0: 'Q8_0',
  q4_0: 'Q4_0',
  q4_1: 'Q4_1',
};

/** Checks an option that came from outside. */
export function checkPrecision(precision: string): Precision {
  const known = ['stored', ...Object.keys(STORAGE)];
  if (!known.includes(precision)) {
    throw new Error(
      `precision must be one of ${known.join(', ')}, got ${JSON.stringify(precision)}`,
    );
  }
  return precision as Precision;
}

/** Checks an option that came from outside, with the device it is for. */
export function checkActivations(activations: string): Activations {
  const known = ['float32', 'int8'];
  if (!known.includes(activations)) {
    throw new Error(
      `activations must be one of ${known.join(', ')}, got ${JSON.stringify(activations)}`,
    );
  }
  if (activations === 'int8' && !isNative()) {
    throw new Error(
      `activations 'int8' need the backend 'native', but tfjs uses '${tf.getBackend()}'`,
    );
  }
  return activations as Activations;
}

/** The storage of a matrix in a precision: float32 where rows are not whole blocks of it. */
export function storageFor(
  precision: Exclude<Precision, 'stored'>,
  shape: readonly number[],
): FloatStorage {
  const storage = STORAGE[precision] as FloatStorage;
  const columns = shape[shape.length - 1] as number;
  return columns % layoutOf(storage).block === 0 ? storage : 'F32';
}

/** Makes tensors from one checkpoint; each of its files is mapped once. */
export class WeightReader {
  private readonly maps = new Map<string, NativeBuffer>();

  constructor(
    private readonly precision: Precision,
    private readonly activations: Activations,
  ) {}

  /**
   * The tensor of an entry.
   *
   * @param dense float32 in every precision: vectors, and what is not the matrix of a product.
   */
  read(entry: TensorEntry, dense = entry.shape.length < 2): tf.Tensor {
    if (!isNative()) return readDense(entry);
    const tensor = this.readNative(entry, dense);
    nativeBackend().setActivations(tensor, this.activations);
    return tensor;
  }

  private readNative(entry: TensorEntry, dense: boolean): tf.Tensor {
    const storage = entry.storage as Storage;
    const wanted = dense ? 'F32' : this.wanted(entry);
    const buffer = this.map(entry.path);
    const aligned = storage !== 'F32' || entry.byteOffset % 4 === 0;
    if (wanted === storage && aligned) {
      return this.tensor(entry, storage, buffer.retain(), entry.byteOffset);
    }
    return aligned ? this.convert(entry, buffer, wanted) : readDense(entry);
  }

  /** The precision that was asked for; float32 where rows are not whole blocks of it. */
  private wanted(entry: TensorEntry): Storage {
    if (this.precision === 'stored') return entry.storage as Storage;
    return storageFor(this.precision, entry.shape);
  }

  /** Lets go of the maps; tensors that use one keep it. */
  close(): void {
    for (const buffer of this.maps.values()) buffer.release();
    this.maps.clear();
  }

  private map(path: string): NativeBuffer {
    let buffer = this.maps.get(path);
    if (!buffer) {
      buffer = nativeBackend().engine.mapFile(path).buffer;
      this.maps.set(path, buffer);
    }
    return buffer;
  }

  private tensor(
    entry: TensorEntry,
    storage: Storage,
    buffer: NativeBuffer,
    at: number,
  ): tf.Tensor {
    const info = nativeBackend().adopt([...entry.shape], 'float32', storage, buffer, at);
    return tf.engine().makeTensorFromTensorInfo(info);
  }

  private convert(entry: TensorEntry, buffer: NativeBuffer, wanted: Storage): tf.Tensor {
    const backend = nativeBackend();
    const from = { buffer, byteOffset: entry.byteOffset, storage: entry.storage as Storage };
    const dense = backend.makeOutput([...entry.shape]);
    const target = backend.operand(dense);
    backend.engine.run('dequantize', [{ ...from, shape: entry.shape }, target]);
    if (wanted === 'F32') return tf.engine().makeTensorFromTensorInfo(dense);
    try {
      const packed = backend.makeStored([...entry.shape], wanted);
      backend.engine.run('convert', [target, backend.operand(packed)]);
      return tf.engine().makeTensorFromTensorInfo(packed);
    } finally {
      backend.disposeData(dense.dataId);
    }
  }
}

/** Reads a tensor as float32 without the engine. */
function readDense(entry: TensorEntry): tf.Tensor {
  const bytes = new Uint8Array(entry.byteLength);
  withFile(entry.path, (file) => file.read(entry.byteOffset, bytes));
  const count = tf.util.sizeFromShape([...entry.shape]);
  return tf.tensor(dequantize(entry.storage as FloatStorage, bytes, count), [...entry.shape]);
}
