/** The mixer of the examples against a plain loop in float64, values and gradients. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatedRecurrence } from '../../examples/gated-recurrence.js';
import { recallBatch } from '../../examples/recall.js';
import { init } from '../../lib/backend/index.js';

const [B, L, D, U] = [2, 7, 5, 3];
type Arrays = Record<'x' | 'gate' | 'gateBias' | 'value', Float64Array>;

function loop({ x, gate, gateBias, value }: Arrays): Float64Array {
  const y = new Float64Array(B * L * U);
  for (let b = 0; b < B; b++) {
    for (let u = 0; u < U; u++) {
      let h = 0;
      for (let t = 0; t < L; t++) {
        let [g, v] = [gateBias[u] as number, 0];
        for (let d = 0; d < D; d++) {
          const input = x[(b * L + t) * D + d] as number;
          g += input * (gate[u * D + d] as number);
          v += input * (value[u * D + d] as number);
        }
        const a = 1 / (1 + Math.exp(-g));
        h = a * h + (1 - a) * v;
        y[(b * L + t) * U + u] = h;
      }
    }
  }
  return y;
}

const weights = Float64Array.from({ length: B * L * U }, (_, i) => Math.sin(1 + 1.7 * i));
const loss = (arrays: Arrays) => loop(arrays).reduce((sum, y, i) => sum + y * (weights[i] ?? 0), 0);

function expectClose(got: ArrayLike<number>, want: Float64Array, tolerance: number, what: string) {
  expect(got.length, what).toBe(want.length);
  const worst = want.reduce((most, w, i) => Math.max(most, Math.abs(w - (got[i] as number))), 0);
  expect(worst, what).toBeLessThan(tolerance);
}

beforeAll(() => void init({ threads: 1 }));

describe.each(['native', 'cpu'])('GatedRecurrence on the backend %s', (backend) => {
  let layer: GatedRecurrence;
  let x: tf.Tensor3D;
  let arrays: Arrays;

  beforeAll(async () => {
    await tf.setBackend(backend);
    layer = new GatedRecurrence({ units: U, seed: 3 });
    x = tf.randomNormal([B, L, D], 0, 1, 'float32', 5);
    layer.build(x.shape);
    const of = (name: string) => Float64Array.from(layer.parameter(name).dataSync());
    arrays = {
      x: Float64Array.from(x.dataSync()),
      gate: of('gate'),
      gateBias: of('gateBias'),
      value: of('value'),
    };
  });
  afterAll(() => {
    layer.dispose();
    x.dispose();
  });

  it('gives what a plain loop gives', () => {
    const y = tf.tidy(() => layer.apply(x) as tf.Tensor);
    expect(y.shape).toEqual([B, L, U]);
    expectClose(y.dataSync(), loop(arrays), 2e-6, 'y');
    y.dispose();
  });

  it('has the gradients that finite differences have', () => {
    const w = tf.tensor3d(Float32Array.from(weights), [B, L, U]);
    const scalar = (input: tf.Tensor) => tf.sum(tf.mul(layer.call(input), w)) as tf.Scalar;
    const { grads } = tf.variableGrads(() => scalar(x));
    const by = (name: string) => grads[(layer.parameter(name) as tf.Variable).name];
    const gradients = {
      x: tf.grad(scalar)(x),
      gate: by('gate'),
      gateBias: by('gateBias'),
      value: by('value'),
    };
    for (const [name, gradient] of Object.entries(gradients)) {
      const array = arrays[name as keyof Arrays];
      const differences = array.map((at, i) => {
        const moved = (by: number) => loss({ ...arrays, [name]: array.with(i, at + by) });
        return (moved(1e-5) - moved(-1e-5)) / 2e-5;
      });
      expectClose(gradient?.dataSync() ?? [], differences, 1e-5, name);
    }
  });

  it('comes back from the JSON of a model and does the same', async () => {
    const model = tf.sequential();
    model.add(tf.layers.inputLayer({ inputShape: [L, D] }));
    model.add(new GatedRecurrence({ units: U, seed: 4 }));
    const again = await tf.models.modelFromJSON(model.toJSON(null, false) as never);
    expect(again.layers.at(-1)).toBeInstanceOf(GatedRecurrence);
    again.setWeights(model.getWeights());
    const [one, other] = [model, again].map((m) => (m.predict(x) as tf.Tensor).dataSync());
    expect(other).toEqual(one);
    expect(one?.some((y) => Math.abs(y) > 0.01)).toBe(true);
    for (const m of [model, again]) m.dispose();
  });
});

it('refuses units that are no size', () => {
  expect(() => new GatedRecurrence({ units: 0 })).toThrow(
    /units must be a positive integer, got 0/,
  );
});

describe('recallBatch', () => {
  const options = { rows: 3, length: 40, symbols: 5, seed: 1 };
  const read = (seed: number) =>
    tf.tidy(() => {
      const { tokens, targets } = recallBatch({ ...options, seed });
      return { tokens: tokens.arraySync(), targets: targets.squeeze([2]).arraySync() };
    });

  it('asks for the symbol that was marked last', () => {
    const { tokens, targets } = read(1);
    for (const [r, row] of tokens.entries()) {
      expect(row[0]).toBeGreaterThanOrEqual(5);
      for (const t of row.keys()) {
        const last = row.slice(0, t + 1).findLast((token) => token >= 5);
        expect((targets as number[][])[r]?.[t]).toBe((last as number) - 5);
      }
    }
    expect(new Set(tokens.flat()).size).toBe(10);
  });

  it('is the same for the same seed alone', () => {
    expect(read(1)).toEqual(read(1));
    expect(read(1)).not.toEqual(read(2));
  });
});
