/** AdamW in place over all parameters at once, its gradients clipped by their global norm. */
import type * as tf from '@tensorflow/tfjs-core';
import { isNative, nativeBackend } from '../init.js';

/** Constants of {@link adamW}. */
export interface AdamWConstants {
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  /** Largest norm of all gradients together; 0 for no limit. */
  maxNorm: number;
  /** Of each parameter: whether it decays. */
  decays: readonly boolean[];
}

/** What {@link adamW} reads and writes; lists in one order. */
export interface AdamWTensors {
  /** The learning rate and the step, counted from 1: float32 `[2]`. */
  schedule: tf.Tensor;
  /** Takes the norm of all gradients before clipping: float32 `[1]`. */
  norm: tf.Tensor;
  parameters: readonly tf.Tensor[];
  gradients: readonly tf.Tensor[];
  first: readonly tf.Tensor[];
  second: readonly tf.Tensor[];
  /** Take each parameter rounded to bfloat16, to nearest, ties to even; default none. */
  rounded?: readonly tf.Tensor[];
}

/**
 * Writes `norm`, then moves parameters and moments on by one step (Loshchilov and Hutter 2019,
 * algorithm 2). With a norm that is not finite nothing but `norm` changes.
 *
 * @throws Error where the backend is not `native`: other backends' tensors cannot be written in place.
 */
export function adamW(tensors: AdamWTensors, constants: AdamWConstants): void {
  if (!isNative()) throw new Error("adamW: runs on the backend 'native' only");
  const backend = nativeBackend();
  const operands = (list: readonly tf.Tensor[]) => list.map((t) => backend.operand(t));
  const { schedule, norm, parameters, gradients, first, second, rounded = [] } = tensors;
  const { beta1, beta2, epsilon, weightDecay, maxNorm, decays } = constants;
  backend.engine.run('globalNorm', [...operands(gradients), backend.operand(norm)]);
  backend.engine.run(
    'adamW',
    operands([schedule, norm, ...parameters, ...gradients, ...first, ...second, ...rounded]),
    [parameters.length, beta1, beta2, epsilon, weightDecay, maxNorm, ...decays.map(Number)],
  );
}
