/** What this machine can do at best, measured now: the floor under every benchmark. */
import * as tf from '@tensorflow/tfjs-core';
import { linear } from './custom/linear.js';
import type { Operand } from './engine.js';
import { nativeBackend } from './init.js';

/** The report of {@link measureLimits}. */
export interface Limits {
  /** Float32 multiply-adds in registers on all threads, 10^9 operations a second. */
  gflops: number;
  /** Exponentials of products in registers on all threads, 10^9 a second. */
  gexps: number;
  /** Reading memory far larger than the caches on all threads, 10^9 bytes a second. */
  readGBs: number;
  /** The same memory read and written in its place, both counted, 10^9 bytes a second. */
  updateGBs: number;
}

/** The best of a few runs, in seconds. */
export function bestSeconds(body: () => void, runs = 5): number {
  body();
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    body();
    best = Math.min(best, performance.now() - start);
  }
  return best / 1e3;
}

const READ_BYTES = 256 << 20;
const ROUNDS = 2_500_000;
const EXP_ROUNDS = 500_000;

/** Measures for about a second with the engine's threads. */
export function measureLimits(): Limits {
  const { engine } = nativeBackend();
  const elements = READ_BYTES / 4;
  const memory = engine.allocate(READ_BYTES);
  const result = engine.allocate(4);
  try {
    const x: Operand = { buffer: memory, byteOffset: 0, storage: 'F32', shape: [elements] };
    const out: Operand = { buffer: result, byteOffset: 0, storage: 'F32', shape: [1] };
    engine.run('fill', [x], [1]);
    const billionsPerSecond = (kernel: string, rounds: number) => {
      const seconds = bestSeconds(() => engine.run(kernel, [out], [rounds]));
      const millions = new Float32Array(1);
      engine.read(out, millions);
      return (millions[0] as number) / 1e3 / seconds;
    };
    const gflops = 2 * billionsPerSecond('limitArithmetic', ROUNDS);
    const gexps = billionsPerSecond('limitExp', EXP_ROUNDS);
    const reading = bestSeconds(() => engine.run('limitRead', [x, out]));
    const updating = bestSeconds(() => engine.run('limitUpdate', [x]));
    return {
      gflops,
      gexps,
      readGBs: READ_BYTES / 1e9 / reading,
      updateGBs: (2 * READ_BYTES) / 1e9 / updating,
    };
  } finally {
    memory.release();
    result.release();
  }
}

/** What products and copies reach on this machine: the floor under whole models. */
export interface MachineRates {
  /** Float32 operations a second (a multiply-add is two): the best `tf.matMul` of 1024^3. */
  readonly flopsPerSecond: number;
  /** Bytes a second moved through a buffer that no cache holds: the best of a copy and a read. */
  readonly bytesPerSecond: number;
}

/** 256 MB of float32. */
const ROWS = 65536;
const COLUMNS = 1024;
const TRIES = 8;

/** Measures with the engine's threads; takes some seconds and 512 MB. */
export function measureRates(): MachineRates {
  const backend = nativeBackend();
  const rates = tf.tidy(() => {
    const n = 1024;
    const a = tf.fill([n, n], 0.5);
    const b = tf.fill([n, n], 0.25);
    const product = bestSeconds(() => finished(tf.matMul(a, b)), TRIES);
    const from = tf.fill([ROWS, COLUMNS], 0.5) as tf.Tensor2D;
    const to = tf.fill([ROWS, COLUMNS], 0);
    const x = tf.fill([1, COLUMNS], 0.5);
    const operands = [from, to].map((t) => backend.operand(t));
    const copy = bestSeconds(() => {
      backend.engine.run('copy', operands);
      finished(tf.slice(to, [0, 0], [1, 1]));
    }, TRIES);
    const read = bestSeconds(() => finished(linear(x, from)), TRIES);
    const bytes = 4 * ROWS * COLUMNS;
    return {
      flopsPerSecond: (2 * n ** 3) / product,
      bytesPerSecond: Math.max((2 * bytes) / copy, bytes / read),
    };
  });
  backend.engine.addon.trim();
  return rates;
}

/** Waits for a result where the device runs behind the program, and frees it. */
function finished(result: tf.Tensor): void {
  if (nativeBackend().engine.info.device !== 'cpu') {
    tf.tidy(() =>
      tf
        .reshape(
          tf.slice(
            result,
            result.shape.map(() => 0),
            result.shape.map(() => 1),
          ),
          [1],
        )
        .dataSync(),
    );
  }
  result.dispose();
}
