/** What the engine holds, in bytes and counts. */
import * as tf from '@tensorflow/tfjs-core';
import { nativeBackend } from './init.js';

/** The report of {@link memory}. */
export interface MemoryReport {
  /** tfjs tensors alive. */
  tensors: number;
  /** Native buffers alive and their bytes, rounded as the pool rounds them. */
  buffers: number;
  bytes: number;
  /** Free blocks kept for reuse. */
  idleBytes: number;
  /** Blocks that captured programs own. */
  programBytes: number;
  /** Memory-mapped weight files. */
  mappedBytes: number;
  peakBytes: number;
  limitBytes: number;
  /** Captured programs alive. */
  programs: number;
  /** Operations run so far and the seconds spent in them. */
  ops: number;
  busySeconds: number;
  /** Seconds that captured programs kept a CUDA device busy; 0 on the processor. */
  programSeconds: number;
  /** Operations that had no kernel on the device and ran on the processor, by name. */
  fallbacks: Record<string, number>;
}

/** Whether an error says that the memory of the engine, or of its device, ended. */
export function isOutOfMemory(error: unknown): error is Error {
  return error instanceof Error && /out of memory/i.test(error.message);
}

/** Reports the engine's memory and work. */
export function memory(): MemoryReport {
  const m = nativeBackend().engine.memory();
  return {
    tensors: tf.memory().numTensors,
    buffers: m.liveBuffers,
    bytes: m.liveBytes,
    idleBytes: m.idleBytes,
    programBytes: m.programBytes,
    mappedBytes: m.mappedBytes,
    peakBytes: m.peakBytes,
    limitBytes: m.limitBytes,
    programs: m.programs,
    ops: m.ops,
    busySeconds: m.busyNanos / 1e9,
    programSeconds: m.programMillis / 1e3,
    fallbacks: Object.fromEntries(
      nativeBackend()
        .engine.addon.fallbacks()
        .map(({ op, count }) => [op, count]),
    ),
  };
}
