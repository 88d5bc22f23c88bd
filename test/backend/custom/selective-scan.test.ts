import type * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import {
  type SelectiveScanInputs,
  selectiveScan,
  selectiveScanStep,
} from '../../../lib/backend/custom/selective-scan.js';
import { expectDifferences, expectKernel } from './against-reference.js';
import { floats, type Plain, seed } from './both.js';
import { selectiveScanReference } from './recurrences.js';
import { between, EXTRAS, type Extras, name, onNative, sequence } from './sequence-cases.js';

type Sizes = [b: number, l: number, d: number, n: number, g: number];

const SIZES: Sizes[] = [
  [1, 1, 1, 1, 1],
  [2, 5, 6, 3, 2],
  [3, 33, 26, 16, 2],
  [1, 67, 96, 16, 6],
  [2, 17, 13, 7, 13],
  [1, 300, 8, 5, 1],
  [2, 200, 6, 16, 2],
  [2, 9, 300, 4, 1],
];

function operands([b, l, d, n, g]: Sizes, extras: Extras): Record<string, Plain> {
  seed(b + l + d + n + g);
  return {
    u: floats(b, l, d),
    delta: between(-5, 2, b, l, d),
    A: between(-4, -0.05, d, n),
    B: floats(b, l, g, n),
    C: floats(b, l, g, n),
    D: floats(d),
    z: between(-3, 3, b, l, d),
    deltaBias: floats(d),
    ...(extras.state && { state: floats(b, d, n) }),
    ...sequence(b, l, extras),
  };
}

const scan = ({ state, ...t }: Record<string, tf.Tensor>) =>
  selectiveScan({
    ...t,
    deltaSoftplus: true,
    ...(state && { initialState: state }),
  } as unknown as SelectiveScanInputs);

describe.each(SIZES)('selectiveScan: b %i, L %i, D %i, N %i, G %i', (...sizes) => {
  it.each(EXTRAS.map((extras) => [name(extras), extras] as const))('with %s', (_, extras) => {
    const inputs = operands(sizes, extras);
    expectKernel(inputs, scan, selectiveScanReference(inputs as never, true));
  });
});

describe('selectiveScan', () => {
  it('does without skip, gate, bias and softplus', () => {
    const { D, z, deltaBias, ...inputs } = operands([2, 19, 12, 6, 3], {});
    inputs.delta = between(0.01, 1, 2, 19, 12);
    const plain = (t: Record<string, tf.Tensor>) =>
      selectiveScan(t as unknown as SelectiveScanInputs);
    expectKernel(inputs, plain, selectiveScanReference(inputs as never));
  });

  it('has the gradients that finite differences have', () => {
    const inputs = operands([3, 23, 10, 4, 2], { state: true, lens: true, resets: true });
    expectDifferences(inputs, scan, (over) => selectiveScanReference(over as never, true));
  });

  it.each([[[2, 6, 24, 8, 3]], [[2, 6, 40, 32, 2]], [[2, 6, 32, 5, 2]]] as [Sizes][])(
    'steps equal a scan bit for bit, and a row alone equals itself among others: %o',
    (sizes) => {
      const { A, D, deltaBias, state, ...inputs } = operands(sizes, { state: true });
      const fixed = { A, D, deltaBias, state } as Record<string, Plain>;
      const all = onNative({ ...inputs, ...fixed }, scan);
      const stepped = onNative({ ...inputs, ...fixed }, ({ A, D, deltaBias, state, ...t }) => {
        let now = state as tf.Tensor3D;
        const ys: tf.Tensor[] = [];
        for (let at = 0; at < 6; at++) {
          const token = Object.fromEntries(
            Object.entries(t).map(([key, v]) => [key, v.gather([at], 1).squeeze([1])]),
          );
          const shared = { A, D, deltaBias, deltaSoftplus: true, inPlace: true };
          const next = selectiveScanStep({ ...token, ...shared, state: now } as never);
          ys.push(next.y.expandDims(1));
          now = next.state;
        }
        return { y: (ys[0] as tf.Tensor).concat(ys.slice(1), 1), state: now };
      });
      expect(stepped).toEqual(all);
      const alone = onNative({ ...inputs, ...fixed }, ({ A, D, deltaBias, ...t }) => {
        const rows = Object.entries(t).map(([key, v]) => [key, v.slice([1], [1])]);
        return scan({ ...Object.fromEntries(rows), A, D, deltaBias } as Record<string, tf.Tensor>);
      });
      expect(alone.y).toEqual((all.y as Float32Array).slice(6 * sizes[2]));
    },
  );

  it('lets what is not finite through, to its own channel and no earlier', () => {
    const inputs = operands([1, 30, 12, 4, 2], {});
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const key of ['u', 'delta'] as const) {
        const t = { ...(inputs[key] as Plain), values: [...(inputs[key] as Plain).values] };
        t.values[14 * 12 + 5] = bad;
        const { y } = onNative({ ...inputs, [key]: t }, scan);
        const want = selectiveScanReference({ ...inputs, [key]: t } as never, true).y;
        const finite = (v: ArrayLike<number>) => Array.from(v, Number.isFinite);
        expect(finite(y as Float32Array)).toEqual(finite(want));
      }
    }
  });

  it('names what does not fit', () => {
    const t = (shape: number[]) => ({ shape, dtype: 'float32', rank: shape.length });
    const call = (over: object) =>
      selectiveScan({
        u: t([2, 5, 12]),
        delta: t([2, 5, 12]),
        A: t([12, 4]),
        B: t([2, 5, 3, 4]),
        C: t([2, 5, 3, 4]),
        ...over,
      } as unknown as SelectiveScanInputs);
    expect(() => call({ A: t([11, 4]) })).toThrow(/A must be float32 \[12, \*\], got/);
    expect(() => call({ B: t([2, 5, 5, 4]), C: t([2, 5, 5, 4]) })).toThrow(
      /groups of B \(axis 2\) must divide the channels of u \(axis 2\)/,
    );
    expect(() => call({ z: t([2, 4, 12]) })).toThrow(/z must be float32 \[2, 5, 12\]/);
    expect(() => call({ initialState: t([2, 4, 12]) })).toThrow(/initialState must be/);
  });
});
