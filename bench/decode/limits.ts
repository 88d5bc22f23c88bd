/**
 * What the machine allows: its float32 matrix rate and its memory rate, measured in the same run,
 * and the work of a decode step held against them.
 */
import * as tf from '@tensorflow/tfjs-core';
import { linear } from '../../lib/backend/custom/linear.js';
import { nativeBackend } from '../../lib/backend/init.js';
import type { LlamaConfig } from '../../lib/models/index.js';

/** Rates of the machine. */
export interface Limits {
  /** Float32 operations a second (a multiply-add is two): the best `tf.matMul` of 1024^3. */
  flopsPerSecond: number;
  /** Bytes a second moved through a buffer that no cache holds: the best of a copy and a read. */
  bytesPerSecond: number;
}

/** The work of one decode step of a batch. */
export interface StepWork {
  /** 2 x parameters in products, and attention over the mean context. */
  flopsPerToken: number;
  /** Weights as they are stored, and the caches of all rows, each read once. */
  bytesPerStep: number;
}

/** The shortest possible step. */
export interface Floor {
  arithmeticMs: number;
  memoryMs: number;
  bound: 'arithmetic' | 'memory';
}

/** 256 MB of float32. */
const ROWS = 65536;
const COLUMNS = 1024;
const BUFFER_BYTES = 4 * ROWS * COLUMNS;
const TRIES = 8;

function bestSeconds(body: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < TRIES; i++) {
    const start = performance.now();
    body();
    best = Math.min(best, (performance.now() - start) / 1000);
  }
  return best;
}

function gemmRate(): number {
  return tf.tidy(() => {
    const n = 1024;
    const a = tf.fill([n, n], 0.5);
    const b = tf.fill([n, n], 0.25);
    return (2 * n ** 3) / bestSeconds(() => tf.matMul(a, b).dispose());
  });
}

function memoryRate(): number {
  return tf.tidy(() => {
    const { engine } = nativeBackend();
    const from = tf.fill([ROWS, COLUMNS], 0.5) as tf.Tensor2D;
    const to = tf.fill([ROWS, COLUMNS], 0);
    const operands = [from, to].map((t) => nativeBackend().operand(t));
    const copy = (2 * BUFFER_BYTES) / bestSeconds(() => engine.run('copy', operands));
    const x = tf.fill([1, COLUMNS], 0.5);
    const read = BUFFER_BYTES / bestSeconds(() => linear(x, from).dispose());
    return Math.max(copy, read);
  });
}

/** Measures the machine with the engine's threads; takes some seconds and 512 MB. */
export function measureLimits(): Limits {
  const limits = { flopsPerSecond: gemmRate(), bytesPerSecond: memoryRate() };
  nativeBackend().engine.addon.trim();
  return limits;
}

/** Work of a step at a mean context. `weightBytes` are those of all weights as stored. */
export function stepWork(
  config: LlamaConfig,
  weightBytes: number,
  batch: number,
  context: number,
): StepWork {
  const { dModel, nLayers, nHeads, nKvHeads, headDim, dMlp, vocabSize } = config;
  const attention = 2 * dModel * nHeads * headDim + 2 * dModel * nKvHeads * headDim;
  const products = nLayers * (attention + 3 * dModel * dMlp) + dModel * vocabSize;
  const scores = 2 * nLayers * nHeads * headDim * context;
  const caches = 4 * 2 * nLayers * nKvHeads * headDim * context;
  return {
    flopsPerToken: 2 * (products + scores),
    bytesPerStep: weightBytes + batch * caches,
  };
}

/** The longer of the two limits of a step. */
export function floorOf(work: StepWork, batch: number, limits: Limits): Floor {
  const arithmeticMs = (1e3 * batch * work.flopsPerToken) / limits.flopsPerSecond;
  const memoryMs = (1e3 * work.bytesPerStep) / limits.bytesPerSecond;
  return {
    arithmeticMs,
    memoryMs,
    bound: arithmeticMs > memoryMs ? 'arithmetic' : 'memory',
  };
}
