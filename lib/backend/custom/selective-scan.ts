/** The selective scan of Mamba-1 with grouped B and C: over a sequence, and a step of one token. */
import * as tf from '@tensorflow/tfjs-core';
import {
  type Given,
  registerDifferentiable,
  runCommand,
  runDifferentiable,
  runGradientCommand,
} from './differentiable.js';
import {
  documents,
  expectSequence,
  realTokens,
  type SequenceOptions,
  zeroUnless,
} from './sequence.js';
import { expect, expectShape, shapeText } from './shapes.js';
import { oneToken, spread } from './ssd-kernel.js';

const NAME = 'MambalabSelectiveScan';

/** Operands of {@link selectiveScan}; all float32 but the sequence's. */
export interface SelectiveScanInputs extends SequenceOptions {
  /** `[batch, length, channels]`. */
  u: tf.Tensor3D;
  /** Step sizes, as u. */
  delta: tf.Tensor3D;
  /** `[channels, N]`, negative where the state decays. */
  A: tf.Tensor2D;
  /** `[batch, length, groups, N]`; channel c reads group `floor(c groups / channels)`. */
  B: tf.Tensor4D;
  /** As B. */
  C: tf.Tensor4D;
  /** The skip's weight, `[channels]`; without it there is none. */
  D?: tf.Tensor1D;
  /** The gate, as u: y is multiplied by `silu(z)`. */
  z?: tf.Tensor3D;
  /** Added to delta, `[channels]`. */
  deltaBias?: tf.Tensor1D;
  /** Whether softplus is applied to delta, after the bias; default false. */
  deltaSoftplus?: boolean;
  /** `[batch, channels, N]`; without it the sequence starts from 0. */
  initialState?: tf.Tensor3D;
  /** On `native`, writes the new state over `initialState`; there is no gradient then. */
  inPlace?: boolean;
}

/** Operands of {@link selectiveScanStep}; as those of the scan without the axis of time. */
export interface SelectiveScanStepInputs {
  /** `[batch, channels]`. */
  u: tf.Tensor2D;
  /** `[batch, channels]`. */
  delta: tf.Tensor2D;
  /** `[channels, N]`. */
  A: tf.Tensor2D;
  /** `[batch, groups, N]`. */
  B: tf.Tensor3D;
  /** `[batch, groups, N]`. */
  C: tf.Tensor3D;
  /** `[channels]`. */
  D?: tf.Tensor1D;
  /** `[batch, channels]`. */
  z?: tf.Tensor2D;
  /** `[channels]`. */
  deltaBias?: tf.Tensor1D;
  deltaSoftplus?: boolean;
  /** `[batch, channels, N]`. */
  state: tf.Tensor3D;
  /** int32 `[batch]`: 0 for a row that is idle, else 1. */
  lens?: tf.Tensor1D;
  /** On `native`, writes the new state over `state`; there is no gradient then. */
  inPlace?: boolean;
}

/** `[b, l, g, n]` to `[b, l, channels, n]`: neighbouring channels share a group. */
function spreadChannels(t: tf.Tensor, channels: number): tf.Tensor4D {
  const [b, l, g, n] = t.shape as [number, number, number, number];
  const all = spread(tf.reshape(t, [b, l, g, 1, n]), [b, l, g, channels / g, n]);
  return tf.reshape(all, [b, l, channels, n]);
}

/** The tokens of a sequence; tfjs' gradient of an unstacking into one is wrong. */
const tokens = (t: tf.Tensor) => (t.shape[1] === 1 ? [t] : tf.unstack(t, 1));

/** Each token's neighbour before it; 0 for the first. */
function previous(document: tf.Tensor2D): tf.Tensor2D {
  const [b, l] = document.shape;
  return tf.concat([tf.zeros([b, 1], 'int32'), tf.slice(document, [0, 0], [b, l - 1])], 1);
}

function composition(inputs: Given<tf.Tensor>, attrs: tf.NamedAttrMap): tf.Tensor[] {
  const { deltaBias, D, lens, resets } = inputs;
  const [b, l, d] = (inputs.u as tf.Tensor).shape as [number, number, number];
  const n = (inputs.A as tf.Tensor).shape[1] as number;
  const real = realTokens(lens, l);
  const kept = (t: tf.Tensor | undefined) => zeroUnless(real, t as tf.Tensor);
  const shifted = deltaBias ? tf.add(inputs.delta as tf.Tensor, deltaBias) : inputs.delta;
  const delta = kept(attrs.deltaSoftplus ? tf.softplus(shifted as tf.Tensor) : shifted);
  const [u, B, C] = [inputs.u, inputs.B, inputs.C].map(kept) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const steps = (t: tf.Tensor, ...shape: number[]) =>
    tokens(t).map((token) => tf.reshape(token, [b, ...shape]));
  const [deltas, inputsOf] = [steps(delta, d, 1), steps(tf.mul(delta, u), d, 1)];
  const [keys, queries] = [B, C].map((t) => steps(spreadChannels(t, d), d, n)) as [
    tf.Tensor[],
    tf.Tensor[],
  ];
  const document = documents(resets && kept(resets));
  const goesOn = document && tokens(tf.equal(document, previous(document)));

  let state = (inputs.state ?? tf.zeros([b, d, n])) as tf.Tensor3D;
  const ys: tf.Tensor[] = [];
  for (let t = 0; t < l; t++) {
    if (goesOn) {
      const on = tf.broadcastTo(tf.reshape(goesOn[t] as tf.Tensor, [b, 1, 1]), state.shape);
      state = tf.where(on, state, tf.zerosLike(state));
    }
    const decay = tf.exp(tf.mul(deltas[t] as tf.Tensor, inputs.A as tf.Tensor));
    const added = tf.mul(inputsOf[t] as tf.Tensor, keys[t] as tf.Tensor);
    state = tf.add(tf.mul(decay, state), added);
    ys.push(tf.sum(tf.mul(state, queries[t] as tf.Tensor), -1));
  }
  let y = tf.stack(ys, 1);
  if (D) y = tf.add(y, tf.mul(u, D));
  if (inputs.z) {
    const z = kept(inputs.z);
    y = tf.mul(y, tf.mul(z, tf.sigmoid(z)));
  }
  return [kept(y), state];
}

const INPUTS = {
  required: ['u', 'delta', 'A', 'B', 'C'],
  optional: ['D', 'z', 'deltaBias', 'state', 'lens', 'resets'],
};

registerDifferentiable({
  name: NAME,
  composition,
  native(backend, inputs, { deltaSoftplus, inPlace }) {
    const { u, A, state } = inputs as { u: tf.TensorInfo; A: tf.TensorInfo } & typeof inputs;
    const y = backend.makeOutput(u.shape);
    const next =
      inPlace && state
        ? backend.alias(state)
        : backend.makeOutput([u.shape[0] as number, ...A.shape]);
    runCommand(backend, 'selectiveScan', INPUTS, inputs, [y, next], [Number(deltaSoftplus)]);
    return [y, next];
  },
  nativeGradient: (backend, inputs, dys, { deltaSoftplus }) =>
    runGradientCommand(backend, 'selectiveScanBackward', INPUTS, inputs, dys, [
      Number(deltaSoftplus),
    ]),
});

function expectScan(kernel: string, inputs: SelectiveScanInputs, stateName: string): void {
  const { u, delta, A, B, C, D, z, deltaBias, initialState } = inputs;
  expectShape(kernel, 'u', u, [undefined, undefined, undefined]);
  const [b, l, d] = u.shape;
  expectSequence(kernel, inputs, b, l);
  expectShape(kernel, 'delta', delta, u.shape);
  expectShape(kernel, 'A', A, [d, undefined]);
  const n = A.shape[1];
  expectShape(kernel, 'B', B, [b, l, undefined, n]);
  expectShape(kernel, 'C', C, B.shape);
  const groups = B.shape[2];
  expect(
    groups > 0 && d % groups === 0,
    kernel,
    () =>
      `the groups of B (axis 2) must divide the channels of u (axis 2), got B ${shapeText(B)} ` +
      `and u ${shapeText(u)}`,
  );
  if (D) expectShape(kernel, 'D', D, [d]);
  if (z) expectShape(kernel, 'z', z, u.shape);
  if (deltaBias) expectShape(kernel, 'deltaBias', deltaBias, [d]);
  if (initialState) expectShape(kernel, stateName, initialState, [b, d, n]);
}

function runScan(inputs: SelectiveScanInputs): { y: tf.Tensor3D; state: tf.Tensor3D } {
  const { initialState, deltaSoftplus, inPlace, ...rest } = inputs;
  const [y, state] = runDifferentiable(
    NAME,
    { ...rest, state: initialState },
    { deltaSoftplus: deltaSoftplus ?? false, inPlace: Boolean(inPlace && initialState) },
  );
  return { y: y as tf.Tensor3D, state: state as tf.Tensor3D };
}

/**
 * `s_t = exp(delta_t A) s_{t-1} + delta_t B_t u_t`, `y_t = (C_t . s_t + D u_t) silu(z_t)` for every
 * channel, where delta is `softplus(delta + bias)` if asked for (Gu and Dao 2023, "Mamba",
 * algorithm 2). A row's result depends neither on its neighbours nor on its padding.
 *
 * @returns `y [batch, length, channels]` and the state after each row's last real token.
 * @throws Error naming the argument whose shape does not fit.
 */
export function selectiveScan(inputs: SelectiveScanInputs): {
  y: tf.Tensor3D;
  state: tf.Tensor3D;
} {
  expectScan('selectiveScan', inputs, 'initialState');
  return runScan(inputs);
}

/**
 * One token of {@link selectiveScan}; equals a scan of length 1.
 *
 * @returns `y [batch, channels]` and the new state.
 */
export function selectiveScanStep(inputs: SelectiveScanStepInputs): {
  y: tf.Tensor2D;
  state: tf.Tensor3D;
} {
  const { u, delta, B, C, z, state: initialState, ...rest } = inputs;
  const name = 'selectiveScanStep';
  expectShape(name, 'u', u, [undefined, undefined]);
  expectShape(name, 'delta', delta, u.shape);
  if (z) expectShape(name, 'z', z, u.shape);
  expectShape(name, 'B', B, [u.shape[0], undefined, undefined]);
  expectShape(name, 'C', C, B.shape);
  return tf.tidy(() => {
    const token = { u: oneToken(u), delta: oneToken(delta), B: oneToken(B), C: oneToken(C) };
    const gate = z && { z: oneToken(z) };
    const all = { ...rest, ...token, ...gate, initialState } as SelectiveScanInputs;
    expectScan(name, all, 'state');
    const { y, state } = runScan(all);
    return { y: tf.reshape(y, u.shape), state };
  });
}
