/** A GPU, what it reaches, and the time of captured work on it. */
import * as tf from '@tensorflow/tfjs-core';
import { linear } from '../../lib/backend/custom/linear.js';
import type { Storage } from '../../lib/backend/engine.js';
import { init, type MachineRates, Program } from '../../lib/backend/index.js';
import { nativeBackend } from '../../lib/backend/init.js';

/** A GPU and its measured rates. */
export interface Gpu {
  readonly name: string;
  /** Bytes read and written where 1 GiB goes from one place to another, and float32 and bfloat16 products of 8192^3. */
  readonly bytesPerSecond: number;
  readonly f32FlopsPerSecond: number;
  readonly bf16FlopsPerSecond: number;
}

/**
 * Milliseconds of one run of `body`: traced once, replayed until half a second is full. Only a number of its
 * result is read, after the last replay.
 */
export function replayMs(body: () => tf.Tensor[], least = 5): number {
  const program = Program.trace(() =>
    body().map((t) => tf.slice(tf.reshape(t, [t.size]), [0], [1])),
  );
  try {
    const timed = (replays: number) => {
      const start = performance.now();
      for (let i = 0; i < replays; i++) program.replay();
      program.outputs[0]?.dataSync();
      return performance.now() - start;
    };
    program.outputs[0]?.dataSync();
    const one = timed(1);
    return timed(Math.max(least, Math.ceil(500 / one))) / Math.max(least, Math.ceil(500 / one));
  } finally {
    program.dispose();
  }
}

/** Numbers that are drawn; larger tensors repeat them. */
const DRAWN = 1 << 20;

/** Normal numbers of a shape, repeated on the device where they are many. */
export function normal(...shape: number[]): tf.Tensor {
  const size = shape.reduce((product, n) => product * n, 1);
  return tf.tidy(() => {
    const drawn = tf.randomNormal([Math.min(size, DRAWN)], 0, 1, 'float32', 7);
    const repeated = tf.tile(drawn, [Math.ceil(size / drawn.size)]);
    return tf.reshape(tf.slice(repeated, [0], [size]), shape);
  });
}

function product(storage: Storage): number {
  const n = 8192;
  const backend = nativeBackend();
  const x = normal(n, n);
  const drawn = normal(n, n);
  const weight = backend.makeStored([n, n], storage);
  backend.engine.run('convert', [backend.operand(drawn), backend.operand(weight)]);
  const stored = tf.engine().makeTensorFromTensorInfo(weight) as tf.Tensor2D;
  const ms = replayMs(() => [linear(x, stored)]);
  tf.dispose([x, drawn, stored]);
  return (2e3 * n ** 3) / ms;
}

/** Opens the GPU and measures it for some seconds. */
export function openGpu(): Gpu {
  const engine = init({ device: 'cuda' });
  const from = normal(1 << 14, 1 << 14);
  const copied = replayMs(() => [tf.add(from, 1)]);
  const bytes = 2 * 4 * from.size;
  from.dispose();
  const gpu = {
    name: engine.deviceName ?? 'unknown',
    bytesPerSecond: (1e3 * bytes) / copied,
    f32FlopsPerSecond: product('F32'),
    bf16FlopsPerSecond: product('BF16'),
  };
  nativeBackend().engine.addon.trim();
  return gpu;
}

/** The rates under a model whose weights are kept so. */
export function ratesOf(gpu: Gpu, precision: 'f32' | 'bf16'): MachineRates {
  const flopsPerSecond = precision === 'bf16' ? gpu.bf16FlopsPerSecond : gpu.f32FlopsPerSecond;
  return { flopsPerSecond, bytesPerSecond: gpu.bytesPerSecond };
}
