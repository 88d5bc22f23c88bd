/** How new parameters start, where tf.layers has no such initialiser. */
import * as tf from '@tensorflow/tfjs-core';

/** Makes a parameter's first value; the same seed makes the same, no seed a new one each time. */
export type InitialValue = (shape: readonly number[], seed?: number) => tf.Tensor;

/** PyTorch's default for a linear or convolution layer: uniform within 1 / sqrt(fan in). */
export function uniformByFanIn(fanIn: number): InitialValue {
  const bound = 1 / Math.sqrt(fanIn);
  return (shape, seed) => tf.randomUniform([...shape], -bound, bound, 'float32', seed);
}

/**
 * The bias of a time step: softplus^-1 of steps that are log-uniform from `least` to `most`
 * (Gu and Dao 2023, section 3.6), none below `floor`.
 */
export function timeStepBias(least = 1e-3, most = 1e-1, floor = 1e-4): InitialValue {
  return (shape, seed) =>
    tf.tidy(() => {
      const [low, high] = [Math.log(least), Math.log(most)];
      const logs = tf.randomUniform([...shape], low, high, 'float32', seed);
      const step = tf.maximum(tf.exp(logs), floor);
      // softplus^-1(x) = x + log(1 - exp(-x))
      return tf.add(step, tf.log(tf.neg(tf.expm1(tf.neg(step)))));
    });
}

/** `log(n + 1)` along the last axis: A = -1, -2, ... for every channel (S4D-real). */
export const logOfCount: InitialValue = (shape) =>
  tf.tidy(() => {
    const n = shape[shape.length - 1] as number;
    return tf.broadcastTo(tf.log(tf.range(1, n + 1)), [...shape]);
  });

/** Logarithms of numbers uniform from `least` to `most`. */
export function logOfUniform(least: number, most: number): InitialValue {
  return (shape, seed) =>
    tf.tidy(() => tf.log(tf.randomUniform([...shape], least, most, 'float32', seed)));
}

/** A seed for one parameter out of the seed of all. */
export function seedOf(path: string, seed: number): number {
  let hash = 2166136261 ^ seed;
  for (let i = 0; i < path.length; i++) hash = Math.imul(hash ^ path.charCodeAt(i), 16777619);
  return hash >>> 0;
}
