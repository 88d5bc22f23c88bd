/**
 * The tfjs `KernelBackend` called `native`: every tensor lives in a buffer of the engine.
 *
 * An operation without a native kernel runs one of tfjs-backend-cpu on the same memory
 * (`kernels/fallback.ts`).
 */
import * as tf from '@tensorflow/tfjs-core';
import {
  type Engine,
  type NativeBuffer,
  type Operand,
  type Storage,
  storageBytes,
} from './engine.js';

type Values = Float32Array | Int32Array | Uint8Array;

/**
 * How activations enter a product with a stored weight: `float32`, or `int8`, rounded in blocks of 32 to
 * eight bits with a float32 scale, where the weight is Q8_0, Q4_0 or Q4_1.
 */
export type Activations = 'float32' | 'int8';

const STORAGE_OF: Partial<Record<tf.DataType, Storage>> = {
  float32: 'F32',
  int32: 'I32',
  bool: 'U8',
};

function typedArray(dtype: tf.DataType, source: ArrayLike<number> | number): Values {
  const n = source as number;
  if (dtype === 'float32') return new Float32Array(n);
  if (dtype === 'int32') return new Int32Array(n);
  return new Uint8Array(n);
}

/** What matrix products on a device want of their operands' addresses. */
const DEVICE_ALIGNMENT = 16;

/** What the backend keeps for one tfjs data id. */
export class StoredTensor {
  refCount = 1;
  /** The two halves of a complex64 tensor. */
  complexTensorInfos?: { real: tf.TensorInfo; imag: tf.TensorInfo };
  /** Encoded strings: the one dtype that stays in JavaScript. */
  strings?: Uint8Array[];
  /** How the activations that this weight is multiplied with take part. */
  activations: Activations = 'float32';

  constructor(
    private readonly engine: Engine,
    readonly dtype: tf.DataType,
    readonly size: number,
    readonly storage: Storage | undefined,
    readonly buffer: NativeBuffer | undefined,
    readonly byteOffset: number,
    private readonly owner: NativeBackend,
  ) {}

  get bytes(): number {
    return this.storage ? storageBytes(this.storage, [this.size]) : 0;
  }

  /**
   * The elements in place, as tfjs-backend-cpu reads them; a copy where the storage is packed or on a
   * device.
   */
  get values(): tf.BackendValues {
    if (this.strings) return this.strings;
    if (!this.buffer || !this.storage) throw new Error(`a ${this.dtype} tensor has no values`);
    if (this.engine.info.device !== 'cpu') return this.owner.hostCopy(this);
    if (STORAGE_OF[this.dtype] !== this.storage) return this.owner.readStored(this) as Values;
    const whole = this.engine.addon.view(this.buffer.handle);
    if (this.dtype === 'float32') return new Float32Array(whole, this.byteOffset, this.size);
    if (this.dtype === 'int32') return new Int32Array(whole, this.byteOffset, this.size);
    return new Uint8Array(whole, this.byteOffset, this.size);
  }

  release(): void {
    this.buffer?.release();
  }
}

/** The backend itself. Created by `init`. */
export class NativeBackend extends tf.KernelBackend {
  readonly data = new tf.DataStorage<StoredTensor>(this, tf.engine());
  private bytes = 0;
  private readonly hostCopies = new Map<StoredTensor, Values>();
  /** What the kernel that runs has made; none where no kernel runs. */
  private made: tf.DataId[] | undefined;

  constructor(readonly engine: Engine) {
    super();
  }

  // Storage ------------------------------------------------------------------------------------

  /** A tensor without values; every kernel writes all of its output. */
  makeOutput(shape: number[], dtype: tf.DataType = 'float32'): tf.TensorInfo {
    const storage = STORAGE_OF[dtype];
    if (!storage) throw new Error(`native: a ${dtype} tensor has no native storage`);
    const buffer = this.engine.allocate(storageBytes(storage, shape));
    return this.adopt(shape, dtype, storage, buffer, 0);
  }

  /** A float32 tensor without values whose bytes are kept in another form. */
  makeStored(shape: number[], storage: Storage): tf.TensorInfo {
    return this.adopt(
      shape,
      'float32',
      storage,
      this.engine.allocate(storageBytes(storage, shape)),
      0,
    );
  }

  /** A float32 tensor over bytes that are stored in another form. Takes over the caller's reference. */
  adopt(
    shape: number[],
    dtype: tf.DataType,
    storage: Storage,
    buffer: NativeBuffer,
    byteOffset: number,
  ): tf.TensorInfo {
    const dataId: tf.DataId = {};
    const size = tf.util.sizeFromShape(shape);
    if (this.engine.info.device !== 'cpu' && byteOffset % DEVICE_ALIGNMENT !== 0) {
      const aligned = this.engine.allocate(storageBytes(storage, shape));
      const from: Operand = { buffer, byteOffset, storage, shape };
      this.engine.run('copy', [from, { buffer: aligned, byteOffset: 0, storage, shape }]);
      buffer.release();
      return this.adopt(shape, dtype, storage, aligned, 0);
    }
    this.store(
      dataId,
      new StoredTensor(this.engine, dtype, size, storage, buffer, byteOffset, this),
    );
    return { dataId, shape, dtype };
  }

  private store(dataId: tf.DataId, stored: StoredTensor): void {
    this.data.set(dataId, stored);
    this.bytes += stored.bytes;
    this.made?.push(dataId);
  }

  /** Runs a kernel. Where it fails, the outputs that it has made are freed: no tensor has them yet. */
  wholly<T>(kernel: () => T): T {
    const outer = this.made;
    const made: tf.DataId[] = [];
    this.made = made;
    try {
      return kernel();
    } catch (error) {
      for (const dataId of made) this.disposeData(dataId, true);
      throw error;
    } finally {
      this.made = outer;
    }
  }

  override write(values: tf.BackendValues | null, shape: number[], dtype: tf.DataType): tf.DataId {
    const dataId: tf.DataId = {};
    try {
      this.move(dataId, values, shape, dtype, 1);
    } catch (error) {
      this.disposeData(dataId, true);
      throw error;
    }
    return dataId;
  }

  override move(
    dataId: tf.DataId,
    values: tf.BackendValues | null,
    shape: number[],
    dtype: tf.DataType,
    refCount: number,
  ): void {
    const size = tf.util.sizeFromShape(shape);
    const storage = STORAGE_OF[dtype];
    const buffer = storage ? this.engine.allocate(storageBytes(storage, shape)) : undefined;
    const stored = new StoredTensor(this.engine, dtype, size, storage, buffer, 0, this);
    stored.refCount = refCount;
    if (dtype === 'string') stored.strings = (values ?? []) as Uint8Array[];
    this.store(dataId, stored);
    if (values && buffer && storage && size > 0) {
      this.engine.write(
        { buffer, byteOffset: 0, storage },
        asStored(values as Values, dtype, size),
      );
    }
  }

  override refCount(dataId: tf.DataId): number {
    return this.data.has(dataId) ? this.data.get(dataId).refCount : 0;
  }

  override incRef(dataId: tf.DataId): void {
    this.data.get(dataId).refCount++;
  }

  decRef(dataId: tf.DataId): void {
    if (this.data.has(dataId)) this.data.get(dataId).refCount--;
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    if (!this.data.has(dataId)) return true;
    const stored = this.data.get(dataId);
    stored.refCount--;
    if (!force && stored.refCount > 0) return false;
    if (stored.complexTensorInfos) {
      this.disposeData(stored.complexTensorInfos.real.dataId, true);
      this.disposeData(stored.complexTensorInfos.imag.dataId, true);
    }
    this.data.delete(dataId);
    this.bytes -= stored.bytes;
    stored.release();
    return true;
  }

  override numDataIds(): number {
    return this.data.numDataIds();
  }

  /** Fills a tensor with zeros. */
  clear(info: tf.TensorInfo): void {
    const { storage, shape, ...place } = this.operand(info);
    const bytes = storageBytes(storage, shape);
    // Whatever the storage, bytes of 0 are the number 0; words are filled faster than bytes.
    const words = bytes % 4 === 0 && place.byteOffset % 4 === 0;
    const as = words ? ('I32' as const) : ('U8' as const);
    this.engine.run('fill', [{ ...place, storage: as, shape: [words ? bytes / 4 : bytes] }], [0]);
  }

  // Reading ------------------------------------------------------------------------------------

  override read(dataId: tf.DataId): Promise<tf.BackendValues> {
    return Promise.resolve(this.readSync(dataId));
  }

  override readSync(dataId: tf.DataId): tf.BackendValues {
    const stored = this.data.get(dataId);
    if (stored.complexTensorInfos) {
      const { real, imag } = stored.complexTensorInfos;
      return tf.backend_util.mergeRealAndImagArrays(
        this.readSync(real.dataId) as Float32Array,
        this.readSync(imag.dataId) as Float32Array,
      );
    }
    return this.readStored(stored);
  }

  /** A copy of the elements as tfjs sees them: packed storage comes back as float32. */
  readStored(stored: StoredTensor): tf.BackendValues {
    if (stored.strings) return stored.strings;
    const { buffer, storage, byteOffset, size, dtype } = stored;
    if (!buffer || !storage) throw new Error(`native: a ${dtype} tensor has no values to read`);
    const target = typedArray(dtype, size);
    if (size === 0) return target;
    const view = { buffer, byteOffset, storage };
    if (STORAGE_OF[dtype] === storage) {
      this.engine.read(view, target);
      return target;
    }
    const dense = this.engine.allocate(size * 4);
    try {
      const shape = [size];
      const to: Operand = { buffer: dense, byteOffset: 0, storage: 'F32', shape };
      this.engine.run('dequantize', [{ ...view, shape }, to]);
      this.engine.read(to, target);
    } finally {
      dense.release();
    }
    return target;
  }

  /** A copy of a device's elements, the same one until {@link settle}. */
  hostCopy(stored: StoredTensor): Values {
    const copy = this.hostCopies.get(stored) ?? (this.readStored(stored) as Values);
    this.hostCopies.set(stored, copy);
    return copy;
  }

  /** Gives the device what was written into the host copies of these tensors, and drops all copies. */
  settle(written: Iterable<tf.DataId>): void {
    if (this.hostCopies.size === 0) return;
    for (const dataId of written) {
      const stored = this.data.has(dataId) ? this.data.get(dataId) : undefined;
      const copy = stored && this.hostCopies.get(stored);
      if (copy && stored?.buffer && stored.storage && stored.size > 0) {
        const { buffer, byteOffset, storage } = stored;
        this.engine.write({ buffer, byteOffset, storage }, copy);
      }
    }
    this.hostCopies.clear();
  }

  // Operands -----------------------------------------------------------------------------------

  /** The tensor as an operand of a native operation. */
  operand(info: tf.TensorInfo, shape: readonly number[] = info.shape): Operand {
    const { buffer, storage, byteOffset, dtype } = this.data.get(info.dataId);
    if (!buffer || !storage) throw new Error(`native: a ${dtype} tensor is not an operand`);
    return { buffer, storage, byteOffset, shape };
  }

  /** Has products with this weight take their activations so, from now on. */
  setActivations(weight: tf.TensorInfo, activations: Activations): void {
    this.data.get(weight.dataId).activations = activations;
  }

  /** How products with this weight take their activations. */
  activationsOf(weight: tf.TensorInfo): Activations {
    return this.data.get(weight.dataId).activations;
  }

  /** Runs a product's kernel with the activations that its weights want. */
  runProduct(
    kernel: string,
    weights: readonly tf.TensorInfo[],
    operands: readonly Operand[],
    attributes: readonly number[] = [],
  ): void {
    const int8 = weights.some((w) => this.activationsOf(w) === 'int8');
    this.engine.run(int8 ? `${kernel}Int8` : kernel, operands, attributes);
  }

  /** How the tensor is stored: `F32` for most, a packed form for weights that were loaded so. */
  storageOf(info: tf.TensorInfo): Storage | undefined {
    return this.data.get(info.dataId).storage;
  }

  /** Another tensor on the same data. */
  alias(info: tf.TensorInfo, shape: number[] = info.shape): tf.TensorInfo {
    this.incRef(info.dataId);
    return { dataId: info.dataId, shape, dtype: info.dtype };
  }

  // tfjs' questions ----------------------------------------------------------------------------

  override memory(): { unreliable: boolean; numBytes: number } {
    return { unreliable: false, numBytes: this.bytes };
  }

  override timerAvailable(): boolean {
    return true;
  }

  override async time(f: () => void): Promise<tf.BackendTimingInfo> {
    const start = performance.now();
    f();
    return { kernelMs: performance.now() - start };
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override dispose(): void {
    // The process owns the engine; tensors are released one by one by tfjs.
  }
}

/** The values as an array of the stored type and length, whatever array the caller had. */
function asStored(values: Values | number[], dtype: tf.DataType, size: number): Values {
  const exact =
    (dtype === 'float32' && values instanceof Float32Array) ||
    (dtype === 'int32' && values instanceof Int32Array) ||
    (dtype === 'bool' && values instanceof Uint8Array);
  if (values.length < size) {
    throw new Error(`native: ${size} values expected, ${values.length} given`);
  }
  if (exact)
    return values.length === size ? (values as Values) : (values as Values).subarray(0, size);
  const target = typedArray(dtype, size);
  for (let i = 0; i < size; i++) target[i] = values[i] as number;
  return target;
}
