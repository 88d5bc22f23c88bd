import type * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import {
  type CausalConv1dInputs,
  causalConv1d,
  causalConv1dStep,
} from '../../../lib/backend/custom/causal-conv1d.js';
import { expectDifferences, expectKernel } from './against-reference.js';
import { floats, type Plain, seed } from './both.js';
import { causalConv1dReference } from './recurrences.js';
import { EXTRAS, type Extras, name, onNative, sequence } from './sequence-cases.js';

type Sizes = [b: number, l: number, c: number, width: number];

const SIZES: Sizes[] = [
  [1, 1, 1, 2],
  [2, 2, 7, 4],
  [4, 19, 13, 3],
  [2, 33, 96, 4],
  [3, 5, 530, 4],
  [2, 70, 5, 2],
];

function operands([b, l, c, width]: Sizes, extras: Extras): Record<string, Plain> {
  seed(b + l + c + width);
  return {
    x: floats(b, l, c),
    weight: floats(c, width),
    bias: floats(c),
    ...(extras.state && { state: floats(b, width - 1, c) }),
    ...sequence(b, l, extras),
  };
}

const conv =
  (activation: 'identity' | 'silu') =>
  ({ state, ...t }: Record<string, tf.Tensor>) =>
    causalConv1d({
      ...t,
      activation,
      ...(state && { initialState: state }),
    } as unknown as CausalConv1dInputs);

describe.each(SIZES)('causalConv1d: b %i, L %i, C %i, width %i', (...sizes) => {
  it.each(EXTRAS.map((extras) => [name(extras), extras] as const))('with %s', (_, extras) => {
    const inputs = operands(sizes, extras);
    expectKernel(inputs, conv('silu'), causalConv1dReference(inputs as never, true));
    const { bias, ...plain } = inputs;
    expectKernel(plain, conv('identity'), causalConv1dReference(plain as never, false));
  });
});

describe('causalConv1d', () => {
  it('has the gradients that finite differences have', () => {
    const inputs = operands([3, 17, 9, 4], { state: true, lens: true, resets: true });
    expectDifferences(inputs, conv('silu'), (over) => causalConv1dReference(over as never, true));
  });

  it('steps equal the sequence bit for bit', () => {
    const inputs = operands([3, 7, 21, 4], { state: true });
    const all = onNative(inputs, conv('silu'));
    const stepped = onNative(inputs, ({ x, weight, bias, state }) => {
      let now = state as tf.Tensor3D;
      const ys: tf.Tensor[] = [];
      for (let at = 0; at < 7; at++) {
        const next = causalConv1dStep({
          x: (x as tf.Tensor).gather([at], 1).squeeze([1]) as tf.Tensor2D,
          weight: weight as tf.Tensor2D,
          bias: bias as tf.Tensor1D,
          activation: 'silu',
          state: now,
          inPlace: true,
        });
        ys.push(next.y.expandDims(1));
        now = next.state;
      }
      return { y: (ys[0] as tf.Tensor).concat(ys.slice(1), 1), state: now };
    });
    expect(stepped).toEqual(all);
  });

  it('names what does not fit', () => {
    const t = (shape: number[]) => ({ shape, dtype: 'float32', rank: shape.length });
    const call = (over: object) =>
      causalConv1d({
        x: t([2, 5, 3]),
        weight: t([3, 4]),
        ...over,
      } as unknown as CausalConv1dInputs);
    expect(() => call({ weight: t([3, 5]) })).toThrow(/width \(axis 1\) of 2 to 4, got \[3, 5\]/);
    expect(() => call({ weight: t([4, 4]) })).toThrow(/weight must be float32 \[3, \*\]/);
    expect(() => call({ initialState: t([2, 4, 3]) })).toThrow(
      /initialState must be .*\[2, 3, 3\]/,
    );
    expect(() => call({ activation: 'relu' })).toThrow(/activation must be 'identity' or 'silu'/);
  });
});
