/** What every language model of the laboratory can do, whatever it remembers between tokens. */
import type * as tf from '@tensorflow/tfjs-core';
import type { ModelState, StatePrecision } from '../layers/index.js';

/** The sizes that callers of any model ask for. */
export interface CausalConfig {
  readonly vocabSize: number;
  readonly dModel: number;
  /** Width of the gated feed-forward layers. */
  readonly dMlp: number;
  readonly contextLength: number;
  readonly eosIds: readonly number[];
}

/** Options of {@link CausalModel.newState}. */
export interface StateOptions {
  /** How keys, values and recurrent states are kept; `bf16` on backend `native` only. Default `f32`. */
  precision?: StatePrecision;
}

/** Options of {@link CausalModel.extend}. */
export interface ExtendOptions {
  /** How many of each row's tokens are real; the rest is padding at the end. Default: all. */
  lengths?: readonly number[];
  /** Logits of every position, or only of each row's last real token (`[batch, vocab]`). */
  logits?: 'all' | 'last';
}

/** A causal language model with an explicit decode state. */
export interface CausalModel {
  readonly config: CausalConfig;
  /** The name or path that the model was loaded by. */
  readonly ref: string | undefined;
  /** Bytes of the weights as they are stored. */
  readonly bytes: number;
  /**
   * Tells these weights from others of the same shapes: those of another checkpoint of a training run,
   * of another precision, or multiplied otherwise (`activations`). Of large matrices some rows are read.
   */
  fingerprint(): string;
  /** Bytes of one row's decode state with room for so many tokens; float32 unless told. */
  stateBytes(capacity: number, precision?: StatePrecision): number;
  /** Bytes of one row that reading tokens into a state of this precision takes beside the activations. */
  stateScratchBytes(precision: StatePrecision): number;
  /**
   * Logits of whole sequences, nothing remembered.
   *
   * @param tokens int32 `[batch, length]`.
   * @returns float32 `[batch, length, vocab]`.
   */
  forward(tokens: tf.Tensor): tf.Tensor3D;
  /** An empty state for `batch` rows. */
  newState(batch: number, capacity?: number, options?: StateOptions): ModelState;
  /**
   * Reads more tokens into the state, which moves forward in place.
   *
   * @param tokens int32 `[batch, length]`.
   * @returns `[batch, length, vocab]`, or `[batch, vocab]` of the last tokens.
   */
  extend(tokens: tf.Tensor, state: ModelState, options?: ExtendOptions): tf.Tensor;
  /**
   * Reads one token a row.
   *
   * @param tokens int32 `[batch]`.
   * @returns float32 `[batch, vocab]`.
   */
  step(tokens: tf.Tensor | readonly number[], state: ModelState): tf.Tensor2D;
  /**
   * A step for callers that keep everything on the device and capture it: no checks, no host
   * bookkeeping.
   *
   * @param tokens int32 `[batch]`; @param lens int32 `[batch]`, 1, or 0 for a row that is idle.
   */
  stepOnDevice(tokens: tf.Tensor1D, state: ModelState, lens: tf.Tensor1D): tf.Tensor2D;
  dispose(): void;
}
