/** The continuous-time recurrence of Mamba-2: a scan over a sequence and a step of one token. */
import * as tf from '@tensorflow/tfjs-core';
import type { SequenceOptions } from './sequence.js';
import { expectShape } from './shapes.js';
import { expectSsd, oneToken, runSsd, type SsdOperands } from './ssd-kernel.js';

/** Operands of {@link ssd}; all float32 but the sequence's. */
export interface SSDInputs extends SequenceOptions {
  /** `[batch, length, heads, width]`. */
  x: tf.Tensor4D;
  /** Step sizes `[batch, length, heads]`. */
  dt: tf.Tensor3D;
  /** `[heads]`, negative where the state decays. */
  A: tf.Tensor1D;
  /** `[batch, length, groups, N]`; neighbouring heads share a group. */
  B: tf.Tensor4D;
  /** As B. */
  C: tf.Tensor4D;
  /** The skip's weight, `[heads]`; without it there is none. */
  D?: tf.Tensor1D;
  /** Added to dt, `[heads]`. */
  dtBias?: tf.Tensor1D;
  /** Whether softplus is applied to dt, after the bias; default false. */
  dtSoftplus?: boolean;
  /** `[batch, heads, width, N]`; without it the sequence starts from 0. */
  initialState?: tf.Tensor4D;
  /** On `native`, writes the new state over `initialState`; there is no gradient then. */
  inPlace?: boolean;
}

/** Operands of {@link ssdStep}; as those of the scan without the axis of time. */
export interface SSDStepInputs {
  /** `[batch, heads, width]`. */
  x: tf.Tensor3D;
  /** `[batch, heads]`. */
  dt: tf.Tensor2D;
  /** `[heads]`. */
  A: tf.Tensor1D;
  /** `[batch, groups, N]`. */
  B: tf.Tensor3D;
  /** `[batch, groups, N]`. */
  C: tf.Tensor3D;
  /** `[heads]`. */
  D?: tf.Tensor1D;
  /** `[heads]`. */
  dtBias?: tf.Tensor1D;
  dtSoftplus?: boolean;
  /** `[batch, heads, width, N]`. */
  state: tf.Tensor4D;
  /** int32 `[batch]`: 0 for a row that is idle, else 1. */
  lens?: tf.Tensor1D;
  /** On `native`, writes the new state over `state`; there is no gradient then. */
  inPlace?: boolean;
}

/**
 * `S_t = exp(dt_t A) S_{t-1} + dt_t x_t B_t^T`, `y_t = S_t C_t + D x_t` for every head, where dt is
 * `softplus(dt + bias)` if asked for (Dao and Gu 2024, "Transformers are SSMs", section 2). A row's
 * result depends neither on its neighbours nor on its padding.
 *
 * @returns `y [batch, length, heads, width]` and the state after each row's last real token.
 * @throws Error naming the argument whose shape does not fit.
 */
export function ssd(inputs: SSDInputs): { y: tf.Tensor4D; state: tf.Tensor4D } {
  const { initialState, inPlace, dt, dtBias, dtSoftplus, ...rest } = inputs;
  const optional = {
    ...(dtBias && { bias: dtBias }),
    ...(initialState && { state: initialState }),
  };
  const all = { ...rest, a: dt, ...optional };
  expectSsd('ssd', all, { a: 'dt', bias: 'dtBias', state: 'initialState' });
  return runSsd(all, { softplus: dtSoftplus ?? false, inPlace: Boolean(inPlace && initialState) });
}

/**
 * One token of {@link ssd}; equals a scan of length 1.
 *
 * @returns `y [batch, heads, width]` and the new state.
 */
export function ssdStep(inputs: SSDStepInputs): { y: tf.Tensor3D; state: tf.Tensor4D } {
  const { x, dt, B, C, dtBias, dtSoftplus, inPlace, ...rest } = inputs;
  const name = 'ssdStep';
  expectShape(name, 'x', x, [undefined, undefined, undefined]);
  expectShape(name, 'dt', dt, [x.shape[0], x.shape[1]]);
  expectShape(name, 'B', B, [x.shape[0], undefined, undefined]);
  expectShape(name, 'C', C, B.shape);
  return tf.tidy(() => {
    const tokens = { x: oneToken(x), a: oneToken(dt), B: oneToken(B), C: oneToken(C) };
    const all = { ...rest, ...tokens, ...(dtBias && { bias: dtBias }) } as SsdOperands;
    expectSsd(name, all, { a: 'dt', bias: 'dtBias', state: 'state' });
    const { y, state } = runSsd(all, { softplus: dtSoftplus ?? false, inPlace: Boolean(inPlace) });
    return { y: tf.reshape(y, x.shape), state };
  });
}
