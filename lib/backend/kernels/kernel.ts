/** What every native kernel is written with. */
import * as tf from '@tensorflow/tfjs-core';
import type { NativeBackend } from '../native-backend.js';

/** One call: the backend, and tensors that live as long as the call. */
export class Call {
  private readonly temporary: tf.TensorInfo[] = [];
  private readonly outputs: tf.TensorInfo[] = [];

  constructor(readonly backend: NativeBackend) {}

  /** The tensor as plain float32, int32 or bool: a packed one is unpacked for this call. */
  dense(info: tf.TensorInfo): tf.TensorInfo {
    if (info.dtype !== 'float32' || this.backend.storageOf(info) === 'F32') return info;
    const plain = this.scratch(info.shape, 'float32');
    this.run('dequantize', [info, plain]);
    return plain;
  }

  /** The tensor as plain values of `dtype`. */
  as(info: tf.TensorInfo, dtype: tf.DataType): tf.TensorInfo {
    if (info.dtype === dtype) return this.dense(info);
    const converted = this.scratch(info.shape, dtype);
    this.run('cast', [this.dense(info), converted]);
    return converted;
  }

  /** A tensor without values for this call. */
  scratch(shape: number[], dtype: tf.DataType): tf.TensorInfo {
    const info = this.backend.makeOutput(shape, dtype);
    this.temporary.push(info);
    return info;
  }

  /** A tensor without values for the caller. */
  output(shape: number[], dtype: tf.DataType): tf.TensorInfo {
    const info = this.backend.makeOutput(shape, dtype);
    this.outputs.push(info);
    return info;
  }

  /** Makes an output one of this call's own tensors. */
  keep(info: tf.TensorInfo): tf.TensorInfo {
    this.outputs.splice(this.outputs.indexOf(info), 1);
    this.temporary.push(info);
    return info;
  }

  /** Runs a native operation on the tensors as runs of elements, whatever their shapes. */
  run(op: string, tensors: tf.TensorInfo[], attrs: readonly number[] = []): void {
    this.backend.engine.run(
      op,
      tensors.map((t) => this.backend.operand(t, [tf.util.sizeFromShape(t.shape)])),
      attrs,
    );
  }

  /** Gives the call's own tensors back; after a failure the outputs too. */
  finish(failed: boolean): void {
    for (const info of this.temporary) this.backend.disposeData(info.dataId);
    if (failed) for (const info of this.outputs) this.backend.disposeData(info.dataId);
  }
}

/** Runs one kernel and clears up behind it. */
export function runKernel(
  kernel: NativeKernel,
  backend: NativeBackend,
  inputs: Inputs,
  attrs: Record<string, unknown>,
): Result {
  const call = new Call(backend);
  let failed = true;
  try {
    const result = kernel.run(call, inputs, attrs);
    failed = false;
    return result;
  } finally {
    call.finish(failed);
  }
}

type Inputs = tf.NamedTensorInfoMap;
type Result = tf.TensorInfo | tf.TensorInfo[] | undefined;

/** A native kernel: undefined means that these inputs are left to tfjs-backend-cpu's. */
export interface NativeKernel {
  name: string;
  run(call: Call, inputs: Inputs, attrs: Record<string, unknown>): Result;
}

/**
 * Declares a kernel. `inputs` has the inputs by the kernel's own names; kernels of any number of
 * inputs (Concat, AddN, Pack) find them as `0`, `1`, ...
 */
export function kernel<A extends object = Record<string, never>>(
  name: string,
  run: (call: Call, inputs: Record<string, tf.TensorInfo>, attrs: A) => Result,
): NativeKernel {
  return { name, run: run as NativeKernel['run'] };
}

/** Whether all are of a dtype that native code has. */
export function isPlain(...tensors: tf.TensorInfo[]): boolean {
  return tensors.every((t) => t.dtype !== 'string' && t.dtype !== 'complex64');
}

/** The number of elements. */
export function size(shape: readonly number[]): number {
  return tf.util.sizeFromShape(shape as number[]);
}
