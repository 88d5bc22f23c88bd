import type * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import {
  type DiscreteSSDInputs,
  discreteSSD,
  discreteSSDStep,
} from '../../../lib/backend/custom/discrete-ssd.js';
import { type SSDInputs, ssd } from '../../../lib/backend/custom/ssd.js';
import { expectDifferences, expectKernel } from './against-reference.js';
import { floats, type Plain, seed } from './both.js';
import { ssdReference } from './recurrences.js';
import { between, EXTRAS, type Extras, name, onNative, sequence } from './sequence-cases.js';

type Sizes = [b: number, l: number, h: number, p: number, n: number, g: number];

const SIZES: Sizes[] = [
  [1, 1, 1, 1, 1, 1],
  [2, 5, 3, 7, 5, 1],
  [3, 33, 4, 13, 17, 2],
  [2, 64, 2, 16, 8, 2],
  [1, 97, 2, 96, 16, 1],
  [4, 31, 6, 8, 64, 3],
  [1, 130, 1, 64, 64, 1],
  [2, 200, 2, 6, 5, 1],
  [1, 140, 2, 72, 68, 1],
];

function operands([b, l, h, p, n, g]: Sizes, extras: Extras): Record<string, Plain> {
  seed(b + l + h + p + n + g);
  return {
    x: floats(b, l, h, p),
    a: between(-6, 4, b, l, h),
    B: floats(b, l, g, n),
    C: floats(b, l, g, n),
    D: floats(h),
    ...(extras.state && { state: floats(b, h, p, n) }),
    ...sequence(b, l, extras),
  };
}

const discrete = ({ state, ...t }: Record<string, tf.Tensor>) =>
  discreteSSD({ ...t, ...(state && { initialState: state }) } as unknown as DiscreteSSDInputs);

const continuous = ({ state, a, bias, ...t }: Record<string, tf.Tensor>) =>
  ssd({
    ...t,
    dt: a,
    dtBias: bias,
    dtSoftplus: true,
    ...(state && { initialState: state }),
  } as unknown as SSDInputs);

describe.each(SIZES)('SSD: b %i, L %i, H %i, P %i, N %i, G %i', (...sizes) => {
  it.each(EXTRAS.map((extras) => [name(extras), extras] as const))('discrete with %s', (_, e) => {
    const inputs = operands(sizes, e);
    expectKernel(inputs, discrete, ssdReference(inputs as never));
  });

  it.each(EXTRAS.map((extras) => [name(extras), extras] as const))('continuous with %s', (_, e) => {
    const h = sizes[2];
    const inputs = { ...operands(sizes, e), A: between(-3, -0.1, h), bias: floats(h) };
    expectKernel(inputs, continuous, ssdReference(inputs as never, true));
  });
});

describe('SSD', () => {
  it.each([[[2, 6, 4, 8, 8, 2]], [[2, 6, 4, 21, 32, 2]], [[1, 6, 2, 16, 5, 1]]] as [Sizes][])(
    'steps equal a scan bit for bit: %o',
    (sizes) => {
      const { state: initial, ...inputs } = operands(sizes, { state: true });
      const all = onNative({ ...inputs, state: initial as Plain }, discrete);
      const stepped = onNative({ ...inputs, state: initial as Plain }, ({ state, D, ...t }) => {
        let now = state as tf.Tensor4D;
        const ys: tf.Tensor[] = [];
        for (let at = 0; at < 6; at++) {
          const token = Object.fromEntries(
            Object.entries(t).map(([key, v]) => [key, v.gather([at], 1).squeeze([1])]),
          );
          const next = discreteSSDStep({ ...token, D, state: now } as never);
          ys.push(next.y.expandDims(1));
          now = next.state;
        }
        return { y: (ys[0] as tf.Tensor).concat(ys.slice(1), 1), state: now };
      });
      expect(stepped).toEqual(all);
    },
  );

  it('has the gradients that finite differences have', () => {
    const extras = { state: true, lens: true, resets: true };
    const inputs = operands([3, 37, 4, 5, 6, 2], extras);
    expectDifferences(inputs, discrete, (over) => ssdReference(over as never));
    const timed = { ...inputs, A: between(-3, -0.1, 4), bias: floats(4) };
    expectDifferences(timed, continuous, (over) => ssdReference(over as never, true));
  });

  it('updates a state in place and gives a row alone what it gives among others', () => {
    const sizes: Sizes = [3, 21, 4, 12, 8, 4];
    const inputs = operands(sizes, { state: true, lens: true });
    const all = onNative(inputs, discrete);
    const inPlace = onNative(inputs, ({ state, ...t }) => {
      const kept = state as tf.Tensor4D;
      const { y } = discreteSSD({
        ...t,
        initialState: kept,
        inPlace: true,
      } as unknown as DiscreteSSDInputs);
      return { y, state: kept };
    });
    expect(inPlace).toEqual(all);
    const alone = onNative(inputs, (t) => {
      const row = (v: tf.Tensor) => v.slice([2], [1]);
      const rows = Object.fromEntries(
        Object.entries(t).map(([key, v]) => [key, key === 'D' ? v : row(v)]),
      );
      return discrete(rows);
    });
    const size = (alone.y as Float32Array).length;
    expect(alone.y).toEqual((all.y as Float32Array).slice(2 * size));
  });

  it.each([40, 140])(
    'lets what is not finite of %i tokens through, to its own head and no earlier',
    (l) => {
      const inputs = operands([2, l, 2, 8, 8, 2], {});
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const x = { ...(inputs.x as Plain), values: [...(inputs.x as Plain).values] };
        x.values[(20 * 2 + 1) * 8 + 3] = bad;
        const { y } = onNative({ ...inputs, x }, discrete);
        const want = ssdReference({ ...inputs, x } as never).y;
        const finite = (t: ArrayLike<number>) => Array.from(t, Number.isFinite);
        expect(finite(y as Float32Array)).toEqual(finite(want));
      }
    },
  );

  it('names what does not fit', () => {
    const t = (shape: number[], dtype = 'float32') => ({ shape, dtype, rank: shape.length });
    const call = (over: object) =>
      discreteSSD({
        x: t([2, 5, 4, 3]),
        a: t([2, 5, 4]),
        B: t([2, 5, 2, 8]),
        C: t([2, 5, 2, 8]),
        ...over,
      } as unknown as DiscreteSSDInputs);
    expect(() => call({ a: t([2, 5, 3]) })).toThrow(
      /discreteSSD: a must be float32 \[2, 5, 4\], got float32 \[2, 5, 3\]/,
    );
    expect(() => call({ C: t([2, 5, 2, 7]) })).toThrow(/C must be float32 \[2, 5, 2, 8\]/);
    expect(() => call({ B: t([2, 5, 3, 8]), C: t([2, 5, 3, 8]) })).toThrow(
      /the groups of B \(axis 2\) must divide the heads of x \(axis 2\)/,
    );
    expect(() => call({ initialState: t([2, 4, 8, 3]) })).toThrow(
      /initialState must be float32 \[2, 4, 3, 8\]/,
    );
    expect(() => call({ x: t([2, 0, 4, 3]) })).toThrow(/axis 1 \(length\) is 0/);
    expect(() => call({ resets: t([2, 4], 'int32') })).toThrow(/resets must be int32 \[2, 5\]/);
  });
});
