import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { optimizers, schedules } from '../../lib/distill/index.js';

beforeAll(() => void backend.init({ threads: 2 }));

interface Golden {
  peak: number;
  warmup: number;
  start: Record<'w' | 'b', number[]>;
  steps: {
    gradients: Record<'w' | 'b', number[]>;
    norm: number;
    rate: number;
    w: number[];
    b: number[];
  }[];
}

const golden = JSON.parse(
  readFileSync(new URL('../goldens/training/optimizer.json', import.meta.url), 'utf8'),
) as Golden;

const tensors = (values: Record<'w' | 'b', number[]>) => ({
  w: tf.tensor(values.w, [5, 7]),
  b: tf.tensor(values.b, [7]),
});

/** The largest difference, over the largest number. */
function apart(t: tf.Tensor, want: readonly number[]): number {
  const off = Array.from(t.dataSync()).map((x, i) => Math.abs(x - (want[i] as number)));
  return Math.max(...off) / Math.max(...want.map(Math.abs));
}

describe('adamW', () => {
  it('is that of PyTorch over 50 steps, clipped, with and without decay', () => {
    const own = tensors(golden.start);
    const adam = optimizers.adamW(new Map(Object.entries(own)));
    expect(adam.decays).toEqual([true, false]);
    for (const step of golden.steps) {
      const norm = adam.step(tensors(step.gradients), step.rate);
      expect(Math.abs(norm / step.norm - 1)).toBeLessThan(1e-5);
      expect(apart(own.w, step.w)).toBeLessThan(1e-5);
      expect(apart(own.b, step.b)).toBeLessThan(1e-5);
    }
    expect(adam.steps).toBe(50);
    adam.dispose();
  });

  it('lets matrices decay by default, but not A_log', () => {
    const t = tf.zeros([2, 2]);
    const parameters = new Map([
      ['layers.0.mixer.z', t],
      ['layers.0.mixer.ALog', t.clone()],
    ]);
    expect(optimizers.adamW(parameters).decays).toEqual([true, false]);
  });

  it('goes on from saved moments bit for bit', () => {
    const run = (from: number, to: number, values: typeof golden.start, state?: never) => {
      const own = tensors(values);
      const adam = optimizers.adamW(new Map(Object.entries(own)));
      if (state) adam.restore(state);
      for (const { gradients, rate } of golden.steps.slice(from, to)) {
        adam.step(tensors(gradients), rate);
      }
      const end = { w: [...own.w.dataSync()], b: [...own.b.dataSync()] };
      return { end, state: adam.state() };
    };
    const half = run(0, 20, golden.start);
    const resumed = run(20, 40, half.end, half.state as never);
    expect(resumed).toEqual(run(0, 40, golden.start));
  });

  it('changes nothing for a gradient that is not finite', () => {
    const own = tensors(golden.start);
    const adam = optimizers.adamW(new Map(Object.entries(own)));
    const bad = { w: tf.fill([5, 7], Number.NaN), b: tf.zeros([7]) };
    expect(adam.step(bad, 0.1)).toBeNaN();
    expect(adam.steps).toBe(0);
    expect(apart(own.w, golden.start.w)).toBeLessThan(1e-7);
  });

  it('names gradients that are missing or unknown, and constants out of range', () => {
    const own = tensors(golden.start);
    const adam = optimizers.adamW(new Map(Object.entries(own)));
    expect(() => adam.step({ w: own.w, c: own.b }, 0.1)).toThrow('missing b; unknown c');
    const parameters = new Map(Object.entries(own));
    expect(() => optimizers.adamW(parameters, { beta2: 1 })).toThrow(/beta2 .* got 1/);
  });
});

describe('adamW with bfloat16 weights', () => {
  /** The nearest bfloat16 by its definition: of two candidates the nearer, of equals the even one. */
  function bf16(x: number): number {
    const [bits, float] = [new Uint32Array(1), new Float32Array(1)];
    const at = (pattern: number) => {
      bits[0] = pattern << 16;
      float.set(new Float32Array(bits.buffer));
      return float[0] as number;
    };
    const down = new Uint32Array(Float32Array.of(x).buffer)[0] as number;
    const low = down >>> 16;
    const [a, b] = [at(low), at(low + 1)];
    const [toA, toB] = [Math.abs(x - a), Math.abs(b - x)];
    if (toA === toB) return low % 2 === 0 ? a : b;
    return toA < toB ? a : b;
  }
  const rounded = (t: tf.Tensor) => Float32Array.from(t.dataSync(), bf16);
  const bits = (t: tf.Tensor) => [...t.dataSync()];
  const options = { weights: 'bfloat16' } as const;

  /** Gradients that depend on the weights, so that their rounding matters to every later step. */
  const gradientsOf = (own: Record<'w' | 'b', tf.Tensor>, step: number) =>
    tensors({
      w: Array.from(own.w.dataSync(), (x, i) => 0.3 * x + Math.sin(step + i)),
      b: Array.from(own.b.dataSync(), (x, i) => 0.3 * x + Math.cos(step * i)),
    });

  it('is float32 AdamW over masters whose rounded copies give the gradients, over 50 steps', () => {
    const own = tensors(golden.start);
    const adam = optimizers.adamW(new Map(Object.entries(own)), options);
    const masters = tensors(golden.start);
    const plain = optimizers.adamW(new Map(Object.entries(masters)));
    let moved = 0;
    for (let step = 0; step < 50; step++) {
      const working = tensors({ w: [...rounded(masters.w)], b: [...rounded(masters.b)] });
      expect(bits(own.w)).toEqual(bits(working.w));
      expect(bits(own.b)).toEqual(bits(working.b));
      const norms = [
        adam.step(gradientsOf(own, step), 0.01),
        plain.step(gradientsOf(working, step), 0.01),
      ] as const;
      expect(Math.abs(norms[0] / norms[1] - 1)).toBeLessThan(1e-6);
      for (const path of ['w', 'b'] as const) {
        expect(apart(adam.masters.get(path) as tf.Tensor, bits(masters[path]))).toBeLessThan(1e-6);
      }
      if (bits(own.w).some((x, i) => x !== bits(masters.w)[i])) moved++;
    }
    expect(moved).toBe(50);
    adam.dispose();
    plain.dispose();
  });

  it('goes on from saved masters bit for bit', () => {
    const run = (from: number, to: number, values: typeof golden.start, state?: never) => {
      const own = tensors(values);
      const adam = optimizers.adamW(new Map(Object.entries(own)), options);
      if (state) adam.restore(state);
      for (let step = from; step < to; step++) adam.step(gradientsOf(own, step), 0.01);
      return { end: { w: bits(own.w), b: bits(own.b) }, state: adam.state() };
    };
    const half = run(0, 20, golden.start);
    expect(run(20, 40, half.end, half.state as never)).toEqual(run(0, 40, golden.start));
  });

  it('changes nothing for a gradient that is not finite; a state of the other kind is refused', () => {
    const own = tensors(golden.start);
    const adam = optimizers.adamW(new Map(Object.entries(own)), options);
    const before = bits(own.w);
    expect(adam.step({ w: tf.fill([5, 7], Number.NaN), b: tf.zeros([7]) }, 0.1)).toBeNaN();
    expect(bits(own.w)).toEqual(before);
    const plain = optimizers.adamW(new Map(Object.entries(tensors(golden.start))));
    expect(() => plain.restore(adam.state())).toThrow('the state is one of bfloat16 weights');
    expect(() => adam.restore(plain.state())).toThrow('masters: missing w, b');
    const wrong = { weights: 'float16' } as never;
    expect(() => optimizers.adamW(new Map(Object.entries(own)), wrong)).toThrow(
      "weights must be float32 or bfloat16, got 'float16'",
    );
  });
});

describe('schedules', () => {
  it('cosine is that of PyTorch', () => {
    const { peak, warmup, steps } = golden;
    const rate = schedules.cosine({ peak, warmup, steps: steps.length });
    // PyTorch's warm-up starts at a billionth of the peak, not at 0.
    for (const [i, step] of steps.entries()) {
      expect(Math.abs(rate(i) - step.rate)).toBeLessThan(1e-7 * peak);
    }
  });

  it('wsd warms up, stays, and decays over the last steps', () => {
    const rate = schedules.wsd({ peak: 2, steps: 100, warmup: 10, decay: 0.2, final: 1 });
    const at = [0, 5, 10, 50, 80, 90, 100, 120];
    expect(at.map(rate)).toEqual([0, 1, 2, 2, 2, 1.5, 1, 1]);
    expect(schedules.constant(3)(7)).toBe(3);
  });

  it('names what does not fit', () => {
    expect(() => schedules.wsd({ peak: 1, steps: 10, warmup: 6, decay: 5 })).toThrow(
      /warmup \(6\) and decay \(5\)/,
    );
    expect(() => schedules.cosine({ peak: 1, steps: 10, warmup: 1.5 })).toThrow(/got 1.5/);
    expect(() => schedules.constant(Number.NaN)).toThrow(/got NaN/);
  });
});
