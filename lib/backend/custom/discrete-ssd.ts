/** The discrete-time Mamba-2 of Llamba: a scan over a sequence and a step of one token. */
import * as tf from '@tensorflow/tfjs-core';
import type { SequenceOptions } from './sequence.js';
import { expectShape } from './shapes.js';
import { expectSsd, oneToken, runSsd, type SsdOperands } from './ssd-kernel.js';

/** Operands of {@link discreteSSD}; all float32 but the sequence's. */
export interface DiscreteSSDInputs extends SequenceOptions {
  /** `[batch, length, heads, width]`. */
  x: tf.Tensor4D;
  /** `[batch, length, heads]`, before the softplus: the decay is `sigmoid(-a)`. */
  a: tf.Tensor3D;
  /** `[batch, length, groups, N]`; neighbouring heads share a group. */
  B: tf.Tensor4D;
  /** As B. */
  C: tf.Tensor4D;
  /** The skip's weight, `[heads]`; without it there is none. */
  D?: tf.Tensor1D;
  /** `[batch, heads, width, N]`; without it the sequence starts from 0. */
  initialState?: tf.Tensor4D;
  /** On `native`, writes the new state over `initialState`; there is no gradient then. */
  inPlace?: boolean;
}

/** Operands of {@link discreteSSDStep}; as those of the scan without the axis of time. */
export interface DiscreteSSDStepInputs {
  /** `[batch, heads, width]`. */
  x: tf.Tensor3D;
  /** `[batch, heads]`. */
  a: tf.Tensor2D;
  /** `[batch, groups, N]`. */
  B: tf.Tensor3D;
  /** `[batch, groups, N]`. */
  C: tf.Tensor3D;
  /** `[heads]`. */
  D?: tf.Tensor1D;
  /** `[batch, heads, width, N]`. */
  state: tf.Tensor4D;
  /** int32 `[batch]`: 0 for a row that is idle, else 1. */
  lens?: tf.Tensor1D;
  /** On `native`, writes the new state over `state`; there is no gradient then. */
  inPlace?: boolean;
}

/**
 * `S_t = sigmoid(-a_t) S_{t-1} + x_t B_t^T`, `y_t = S_t C_t + D x_t` for every head (Bick et al.
 * 2025, "Llamba", the Discrete-Mamba-2 of MOHAWK). A row's result depends neither on its
 * neighbours nor on its padding.
 *
 * @returns `y [batch, length, heads, width]` and the state after each row's last real token.
 * @throws Error naming the argument whose shape does not fit.
 */
export function discreteSSD({ initialState, inPlace, ...operands }: DiscreteSSDInputs): {
  y: tf.Tensor4D;
  state: tf.Tensor4D;
} {
  const all = { ...operands, ...(initialState && { state: initialState }) };
  expectSsd('discreteSSD', all, { a: 'a', state: 'initialState' });
  return runSsd(all, { inPlace: Boolean(inPlace && initialState) });
}

/**
 * One token of {@link discreteSSD}; equals a scan of length 1.
 *
 * @returns `y [batch, heads, width]` and the new state.
 */
export function discreteSSDStep(inputs: DiscreteSSDStepInputs): {
  y: tf.Tensor3D;
  state: tf.Tensor4D;
} {
  const { x, a, B, C, inPlace, ...rest } = inputs;
  const name = 'discreteSSDStep';
  expectShape(name, 'x', x, [undefined, undefined, undefined]);
  expectShape(name, 'a', a, [x.shape[0], x.shape[1]]);
  expectShape(name, 'B', B, [x.shape[0], undefined, undefined]);
  expectShape(name, 'C', C, B.shape);
  return tf.tidy(() => {
    const tokens = { x: oneToken(x), a: oneToken(a), B: oneToken(B), C: oneToken(C) };
    const all = { ...rest, ...tokens } as SsdOperands;
    expectSsd(name, all, { a: 'a', state: 'state' });
    const { y, state } = runSsd(all, { inPlace: Boolean(inPlace) });
    return { y: tf.reshape(y, x.shape), state };
  });
}
