/**
 * The recurrence of Mamba-2 (Dao and Gu 2024, equations 1 and 16) for both of its forms:
 * `S_t = d_t S_{t-1} + w_t x_t B_t^T`, `y_t = S_t C_t + D x_t`.
 *
 * With `A`, `a` is the step size dt: `w = softplus(a + bias)`, `d = exp(w A)`. Without it the
 * recurrence is discrete: `d = sigmoid(-a)`, `w = 1`.
 */
import * as tf from '@tensorflow/tfjs-core';
import {
  type Given,
  registerDifferentiable,
  runCommand,
  runDifferentiable,
  runGradientCommand,
} from './differentiable.js';
import { documents, expectSequence, realTokens, zeroUnless } from './sequence.js';
import { expect, expectShape, shapeText } from './shapes.js';

const NAME = 'MambalabSSD';

/** Tokens that the composition takes at a time. */
const CHUNK = 64;

/** Both forms' operands. */
export interface SsdOperands {
  x: tf.Tensor4D;
  a: tf.Tensor3D;
  B: tf.Tensor4D;
  C: tf.Tensor4D;
  A?: tf.Tensor1D;
  bias?: tf.Tensor1D;
  D?: tf.Tensor1D;
  state?: tf.Tensor4D;
  lens?: tf.Tensor1D;
  resets?: tf.Tensor2D;
}

/** What the condition holds for; 0 elsewhere. */
const keepWhere = (condition: tf.Tensor, t: tf.Tensor) =>
  tf.where(tf.broadcastTo(condition, t.shape), t, tf.zerosLike(t));

/** Broadcasts to a shape. An addition: the gradient of tfjs' own has four axes and a slice for each copy. */
export function spread(t: tf.Tensor, shape: number[]): tf.Tensor {
  return tf.add(t, tf.zeros(shape));
}

/** `[b, l, g, n]` to `[b, heads, l, n]`: neighbouring heads share a group. */
export function spreadGroups(t: tf.Tensor, heads: number): tf.Tensor4D {
  const [b, l, g, n] = t.shape as [number, number, number, number];
  const byGroup = tf.reshape(tf.transpose(t, [0, 2, 1, 3]), [b, g, 1, l, n]);
  return tf.reshape(spread(byGroup, [b, g, heads / g, l, n]), [b, heads, l, n]);
}

/**
 * `[b, h, t, s]`: the sum of `g [b, h, l]` over the tokens after s up to t, 0 where s is not before t.
 * Sums and not differences of sums: those lose the small beside the large.
 */
export function segmentSums(g: tf.Tensor): tf.Tensor4D {
  const [b, h, l] = g.shape as [number, number, number];
  const at = tf.range(0, l, 1, 'int32');
  const after = tf.greater(at, tf.reshape(at, [l, 1]));
  const square = spread(tf.reshape(g, [b, h, 1, l]), [b, h, l, l]);
  // Along the last axis: tfjs' gradient of a running sum along another one is wrong.
  return tf.transpose(tf.cumsum(keepWhere(after, square), 3) as tf.Tensor4D, [0, 1, 3, 2]);
}

/** What token t sees: s up to t in its own document. Bool `[1 or b, 1, t, s]`. */
export function seen(length: number, document: tf.Tensor | undefined): tf.Tensor {
  const at = tf.range(0, length, 1, 'int32');
  const before = tf.reshape(tf.lessEqual(at, tf.reshape(at, [length, 1])), [1, 1, length, length]);
  if (!document) return before;
  const own = tf.reshape(document, [-1, 1, length, 1]);
  return tf.logicalAnd(before, tf.equal(own, tf.reshape(document, [-1, 1, 1, length])));
}

/** Logarithms of the decays and, in the continuous form, the weights of the inputs: `[b, l, h]`. */
function decays(
  { a, A, bias }: Given<tf.Tensor>,
  softplus: boolean,
): { log: tf.Tensor; weight?: tf.Tensor } {
  if (!A) return { log: tf.neg(tf.softplus(a as tf.Tensor)) };
  const shifted = bias ? tf.add(a as tf.Tensor, bias) : (a as tf.Tensor);
  const weight = softplus ? tf.softplus(shifted) : shifted;
  return { log: tf.mul(weight, A), weight };
}

function composition(inputs: Given<tf.Tensor>, attrs: tf.NamedAttrMap): tf.Tensor[] {
  const [b, l, h, p] = (inputs.x as tf.Tensor).shape as [number, number, number, number];
  const real = realTokens(inputs.lens, l);
  const [x, B, C] = [inputs.x, inputs.B, inputs.C].map((t) => zeroUnless(real, t as tf.Tensor));
  const n = (B as tf.Tensor).shape[3] as number;
  const { log, weight } = decays(inputs, attrs.softplus as boolean);
  const byHead = (t: tf.Tensor) => tf.transpose(t, [0, 2, 1]);
  const g = byHead(zeroUnless(real, log));
  let input = tf.transpose(x as tf.Tensor, [0, 2, 1, 3]);
  if (weight) input = tf.mul(input, tf.reshape(byHead(zeroUnless(real, weight)), [b, h, l, 1]));
  const [keys, queries] = [B, C].map((t) => spreadGroups(t as tf.Tensor, h));
  const document = documents(inputs.resets && zeroUnless(real, inputs.resets));

  let state = inputs.state;
  let last: tf.Tensor = tf.zeros([b, 1], 'int32');
  const ys: tf.Tensor[] = [];
  for (let start = 0; start < l; start += CHUNK) {
    const length = Math.min(CHUNK, l - start);
    const cut = (t: tf.Tensor) =>
      tf.slice(t, [0, 0, start, 0].slice(0, t.rank), [-1, -1, length, -1].slice(0, t.rank));
    const [xs, bs, cs, gs] = [input, keys, queries, g].map((t) => cut(t as tf.Tensor)) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    const own = document && tf.slice(document, [0, start], [-1, length]);
    const sums = segmentSums(gs);
    const mixer = tf.mul(tf.matMul(cs, bs, false, true), tf.exp(sums));
    let y: tf.Tensor = tf.matMul(keepWhere(seen(length, own), mixer), xs);
    let toEnd: tf.Tensor = tf.exp(tf.slice(sums, [0, 0, length - 1, 0], [-1, -1, 1, -1]));
    if (own) {
      const end = tf.slice(own, [0, length - 1], [-1, 1]);
      toEnd = keepWhere(tf.reshape(tf.equal(own, end), [b, 1, 1, length]), toEnd);
    }
    const added = tf.matMul(tf.mul(xs, tf.reshape(toEnd, [b, h, length, 1])), bs, true, false);
    if (state) {
      const fromStart = tf.reshape(tf.exp(tf.cumsum(gs, 2)), [b, h, length, 1]);
      const on = own && tf.reshape(tf.equal(own, last), [b, 1, length, 1]);
      const through = on ? keepWhere(on, fromStart) : fromStart;
      y = tf.add(y, tf.mul(through, tf.matMul(cs, state, false, true)));
      const kept = tf.mul(state, tf.slice(through, [0, 0, length - 1, 0], [-1, -1, 1, -1]));
      state = tf.add(kept, added);
    } else {
      state = added;
    }
    if (own) last = tf.slice(own, [0, length - 1], [-1, 1]);
    ys.push(y);
  }
  let y = tf.transpose(tf.concat(ys, 2), [0, 2, 1, 3]);
  if (inputs.D) y = tf.add(y, tf.mul(x as tf.Tensor, tf.reshape(inputs.D, [h, 1])));
  return [zeroUnless(real, y), tf.reshape(state as tf.Tensor, [b, h, p, n])];
}

const INPUTS = {
  required: ['x', 'a', 'B', 'C'],
  optional: ['A', 'bias', 'D', 'state', 'lens', 'resets'],
};

registerDifferentiable({
  name: NAME,
  composition,
  native(backend, inputs, { softplus, inPlace }) {
    const { x, B, state } = inputs as { x: tf.TensorInfo; B: tf.TensorInfo } & typeof inputs;
    const [b, , h, p] = x.shape as [number, number, number, number];
    const y = backend.makeOutput(x.shape);
    const next =
      inPlace && state ? backend.alias(state) : backend.makeOutput([b, h, p, B.shape[3] as number]);
    runCommand(backend, 'ssdScan', INPUTS, inputs, [y, next], [Number(softplus)]);
    return [y, next];
  },
  nativeGradient: (backend, inputs, dys, { softplus }) =>
    runGradientCommand(backend, 'ssdBackward', INPUTS, inputs, dys, [Number(softplus)]),
});

/** Checks the operands of either form; `names` are the caller's for `a`, `bias` and `state`. */
export function expectSsd(
  kernel: string,
  { x, a, B, C, A, bias, D, state, ...sequence }: SsdOperands,
  names: { a: string; bias?: string; state: string },
): void {
  expectShape(kernel, 'x', x, [undefined, undefined, undefined, undefined]);
  const [b, l, h, p] = x.shape;
  expectSequence(kernel, sequence, b, l);
  expectShape(kernel, names.a, a, [b, l, h]);
  expectShape(kernel, 'B', B, [b, l, undefined, undefined]);
  const [, , groups, n] = B.shape;
  expectShape(kernel, 'C', C, [b, l, groups, n]);
  expect(
    groups > 0 && h % groups === 0,
    kernel,
    () =>
      `the groups of B (axis 2) must divide the heads of x (axis 2), got B ${shapeText(B)} and ` +
      `x ${shapeText(x)}`,
  );
  if (A) expectShape(kernel, 'A', A, [h]);
  if (bias) expectShape(kernel, names.bias ?? 'bias', bias, [h]);
  if (D) expectShape(kernel, 'D', D, [h]);
  if (state) expectShape(kernel, names.state, state, [b, h, p, n]);
}

/** Runs the recurrence on checked operands. */
export function runSsd(
  operands: SsdOperands,
  { softplus = false, inPlace = false }: { softplus?: boolean; inPlace?: boolean } = {},
): { y: tf.Tensor4D; state: tf.Tensor4D } {
  const [y, state] = runDifferentiable(NAME, { ...operands }, { softplus, inPlace });
  return { y: y as tf.Tensor4D, state: state as tf.Tensor4D };
}

/** A step's operand `[batch, ...]` as a sequence of one token. */
export function oneToken<T extends tf.Tensor>(t: tf.Tensor): T {
  const [batch, ...rest] = t.shape as [number, ...number[]];
  return tf.reshape(t, [batch, 1, ...rest]) as T;
}
