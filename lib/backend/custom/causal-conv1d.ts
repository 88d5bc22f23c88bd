/** The short depthwise convolution before a state-space layer: over a sequence, and one token. */
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
  entriesAt,
  expectSequence,
  realTokens,
  type SequenceOptions,
  zeroUnless,
} from './sequence.js';
import { expect, expectShape, shapeText } from './shapes.js';
import { oneToken } from './ssd-kernel.js';

const NAME = 'MambalabCausalConv1d';

/** What follows the convolution. */
export type ConvActivation = 'identity' | 'silu';

/** Operands of {@link causalConv1d}; all float32 but the sequence's. */
export interface CausalConv1dInputs extends SequenceOptions {
  /** `[batch, length, channels]`. */
  x: tf.Tensor3D;
  /** `[channels, width]`, the newest token's weight last; width is 2 to 4. */
  weight: tf.Tensor2D;
  /** `[channels]`. */
  bias?: tf.Tensor1D;
  /** Default 'identity'. */
  activation?: ConvActivation;
  /** The `width - 1` tokens before the first, `[batch, width - 1, channels]`; default 0. */
  initialState?: tf.Tensor3D;
  /** On `native`, writes the new state over `initialState`; there is no gradient then. */
  inPlace?: boolean;
}

/** Operands of {@link causalConv1dStep}; as those of the convolution without the axis of time. */
export interface CausalConv1dStepInputs {
  /** `[batch, channels]`. */
  x: tf.Tensor2D;
  /** `[channels, width]`. */
  weight: tf.Tensor2D;
  /** `[channels]`. */
  bias?: tf.Tensor1D;
  activation?: ConvActivation;
  /** `[batch, width - 1, channels]`, the newest token last. */
  state: tf.Tensor3D;
  /** int32 `[batch]`: 0 for a row that is idle, else 1. */
  lens?: tf.Tensor1D;
  /** On `native`, writes the new state over `state`; there is no gradient then. */
  inPlace?: boolean;
}

/** Entries `start[b]` to `start[b] + count` of axis 1. */
function entriesFrom(t: tf.Tensor, start: tf.Tensor, count: number): tf.Tensor {
  const at = tf.add(tf.reshape(start, [-1, 1]), tf.range(0, count, 1, 'int32'));
  return entriesAt(t, at);
}

function composition(inputs: Given<tf.Tensor>, { activation }: tf.NamedAttrMap): tf.Tensor[] {
  const { weight, bias, lens } = inputs as { weight: tf.Tensor2D } & Given<tf.Tensor>;
  const [b, l, c] = (inputs.x as tf.Tensor).shape as [number, number, number];
  const width = weight.shape[1];
  const real = realTokens(lens, l);
  const past = inputs.state ?? tf.zeros([b, width - 1, c]);
  const all = tf.concat([past, zeroUnless(real, inputs.x as tf.Tensor)], 1);
  const own = documents(inputs.resets && zeroUnless(real, inputs.resets));
  // Tokens before the first belong to document 0.
  const document =
    own &&
    tf.pad(own, [
      [0, 0],
      [width - 1, 0],
    ]);
  let y: tf.Tensor | undefined = bias;
  for (let j = 0; j < width; j++) {
    let token: tf.Tensor = tf.slice(all, [0, j, 0], [-1, l, -1]);
    if (own && document) {
      token = zeroUnless(tf.equal(tf.slice(document, [0, j], [-1, l]), own), token);
    }
    const term = tf.mul(token, tf.reshape(tf.slice(weight, [0, j], [-1, 1]), [c]));
    y = y ? tf.add(y, term) : term;
  }
  let out = y as tf.Tensor;
  if (activation === 'silu') out = tf.mul(out, tf.sigmoid(out));
  const count = width - 1;
  let state = lens ? entriesFrom(all, lens, count) : tf.slice(all, [0, l, 0], [-1, count, -1]);
  if (document) {
    const last = tf.slice(document, [0, document.shape[1] - 1], [-1, 1]);
    const held = lens
      ? entriesFrom(document, lens, count)
      : tf.slice(document, [0, l], [-1, count]);
    state = zeroUnless(tf.equal(held, last), state);
  }
  return [zeroUnless(real, out), state];
}

const INPUTS = { required: ['x', 'weight'], optional: ['bias', 'state', 'lens', 'resets'] };

registerDifferentiable({
  name: NAME,
  composition,
  native(backend, inputs, { activation, inPlace }) {
    const { x, weight, state } = inputs as {
      x: tf.TensorInfo;
      weight: tf.TensorInfo;
    } & typeof inputs;
    const [b, , c] = x.shape as [number, number, number];
    const y = backend.makeOutput(x.shape);
    const next =
      inPlace && state
        ? backend.alias(state)
        : backend.makeOutput([b, (weight.shape[1] as number) - 1, c]);
    const silu = Number(activation === 'silu');
    runCommand(backend, 'causalConv1d', INPUTS, inputs, [y, next], [silu]);
    return [y, next];
  },
  nativeGradient: (backend, inputs, dys, { activation }) =>
    runGradientCommand(backend, 'causalConv1dBackward', INPUTS, inputs, dys, [
      Number(activation === 'silu'),
    ]),
});

function expectConv(kernel: string, inputs: CausalConv1dInputs, stateName: string): void {
  const { x, weight, bias, activation, initialState } = inputs;
  expectShape(kernel, 'x', x, [undefined, undefined, undefined]);
  const [b, l, c] = x.shape;
  expectSequence(kernel, inputs, b, l);
  expectShape(kernel, 'weight', weight, [c, undefined]);
  const width = weight.shape[1];
  expect(
    width >= 2 && width <= 4,
    kernel,
    () => `weight must have a width (axis 1) of 2 to 4, got ${shapeText(weight)}`,
  );
  if (bias) expectShape(kernel, 'bias', bias, [c]);
  if (initialState) expectShape(kernel, stateName, initialState, [b, width - 1, c]);
  expect(
    activation === undefined || activation === 'identity' || activation === 'silu',
    kernel,
    () => `activation must be 'identity' or 'silu', got ${JSON.stringify(activation)}`,
  );
}

function runConv(inputs: CausalConv1dInputs): { y: tf.Tensor3D; state: tf.Tensor3D } {
  const { initialState, activation, inPlace, ...rest } = inputs;
  const [y, state] = runDifferentiable(
    NAME,
    { ...rest, state: initialState },
    { activation: activation ?? 'identity', inPlace: Boolean(inPlace && initialState) },
  );
  return { y: y as tf.Tensor3D, state: state as tf.Tensor3D };
}

/**
 * `y_t = activation(bias + sum_j weight_j x_{t - width + 1 + j})` for every channel, with 0 or the
 * given state before the first token (models' "conv1d"). A row's result depends neither on its
 * neighbours nor on its padding.
 *
 * @returns `y [batch, length, channels]` and the last `width - 1` real tokens of each row, 0 where
 *   a document is shorter: the state from which the row goes on.
 * @throws Error naming the argument whose shape does not fit.
 */
export function causalConv1d(inputs: CausalConv1dInputs): { y: tf.Tensor3D; state: tf.Tensor3D } {
  expectConv('causalConv1d', inputs, 'initialState');
  return runConv(inputs);
}

/**
 * One token of {@link causalConv1d}; equals a sequence of length 1.
 *
 * @returns `y [batch, channels]` and the new state.
 */
export function causalConv1dStep(inputs: CausalConv1dStepInputs): {
  y: tf.Tensor2D;
  state: tf.Tensor3D;
} {
  const { x, state: initialState, ...rest } = inputs;
  expectShape('causalConv1dStep', 'x', x, [undefined, undefined]);
  return tf.tidy(() => {
    const all = { ...rest, x: oneToken<tf.Tensor3D>(x), initialState };
    expectConv('causalConv1dStep', all, 'state');
    const { y, state } = runConv(all);
    return { y: tf.reshape(y, x.shape), state };
  });
}
