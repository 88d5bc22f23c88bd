/**
 * Operations without native code run the kernels of tfjs-backend-cpu on the native backend's
 * memory. They read `values` in place and their results are written back.
 */
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import type { NativeBackend } from '../native-backend.js';

/** The native backend with the members that tfjs-backend-cpu's kernels expect of their own. */
class CpuKernelBackend {
  readonly blockSize = 48;
  private depth = 0;
  private released: tf.DataId[] = [];
  private made: tf.DataId[] = [];

  constructor(private readonly native: NativeBackend) {}

  get data() {
    return this.native.data;
  }

  makeTensorInfo(
    shape: number[],
    dtype: tf.DataType,
    values?: tf.BackendValues | string[],
  ): tf.TensorInfo {
    const encoded =
      dtype === 'string' && values && typeof values[0] === 'string'
        ? (values as string[]).map((s) => tf.util.encodeString(s))
        : (values as tf.BackendValues | undefined);
    return {
      dataId: this.remember(this.native.write(encoded ?? null, shape, dtype)),
      shape,
      dtype,
    };
  }

  makeOutput(values: tf.BackendValues, shape: number[], dtype: tf.DataType): tf.Tensor {
    const info = this.makeTensorInfo(shape, dtype, values);
    return tf.engine().makeTensorFromTensorInfo(info, this.native);
  }

  write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    return this.remember(this.native.write(values, shape, dtype));
  }

  private remember(dataId: tf.DataId): tf.DataId {
    this.made.push(dataId);
    return dataId;
  }

  readSync(dataId: tf.DataId): tf.BackendValues {
    return this.native.readSync(dataId);
  }

  bufferSync(t: tf.TensorInfo): tf.TensorBuffer<tf.Rank, tf.DataType> {
    const data = this.readSync(t.dataId);
    const values =
      t.dtype === 'string' ? (data as Uint8Array[]).map((d) => tf.util.decodeString(d)) : data;
    return tf.buffer(t.shape, t.dtype, values as never);
  }

  incRef(dataId: tf.DataId): void {
    this.native.incRef(dataId);
  }

  decRef(dataId: tf.DataId): void {
    this.native.decRef(dataId);
  }

  // A kernel may still hold `values` of what it disposes: the memory is let go when it is done.
  disposeData(dataId: tf.DataId): boolean {
    this.released.push(dataId);
    return true;
  }

  disposeIntermediateTensorInfo(info: tf.TensorInfo): void {
    this.disposeData(info.dataId);
  }

  epsilon(): number {
    return this.native.epsilon();
  }

  /** Runs one kernel, which may call others. */
  run<T>(kernel: () => T): T {
    this.depth++;
    try {
      return kernel();
    } finally {
      if (--this.depth === 0) {
        this.native.settle(this.made.splice(0));
        for (const dataId of this.released.splice(0)) this.native.disposeData(dataId);
      }
    }
  }
}

/** tfjs-backend-cpu's kernels, to be run on the native backend. */
export class Fallbacks {
  private readonly backend: CpuKernelBackend;

  constructor(private readonly native: NativeBackend) {
    this.backend = new CpuKernelBackend(native);
  }

  names(): string[] {
    return tf.getKernelsForBackend('cpu').map((k) => k.kernelName);
  }

  /** The kernel of that name; inside a capture it is an error that names the operation. */
  kernel(name: string): tf.KernelFunc {
    const config = tf.getKernel(name, 'cpu');
    return (params) => {
      if (!config) throw new Error(`native: operation '${name}' does not take these inputs`);
      try {
        return this.backend.run(() =>
          this.native.wholly(() => config.kernelFunc({ ...params, backend: this.backend })),
        );
      } catch (error) {
        if (!this.native.engine.addon.capturing()) throw error;
        throw new Error(`capture: operation '${name}' has no native code`, { cause: error });
      }
    };
  }
}
