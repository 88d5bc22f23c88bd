import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { withCompositions } from '../../../lib/backend/custom/differentiable.js';
import * as backend from '../../../lib/backend/index.js';
import { nativeBackend } from '../../../lib/backend/init.js';
import * as layers from '../../../lib/layers/index.js';

beforeAll(() => void backend.init({ threads: 2 }));

const D_MODEL = 12;
const ROWS = 4;
const STEPS = 5;

type Mixer = layers.LlambaMixer | layers.MambaMixer;

const mixers: Record<string, () => Mixer> = {
  'Llamba, a group a head': () =>
    new layers.LlambaMixer({ nHeads: 3, headDim: 5, stateDim: 16, convWidth: 4 }),
  'Llamba, heads that share B and C': () =>
    new layers.LlambaMixer({ nHeads: 6, nQkHeads: 2, headDim: 7, stateDim: 48, convWidth: 2 }),
  'Llamba, a large state': () =>
    new layers.LlambaMixer({ nHeads: 2, headDim: 64, stateDim: 128, convWidth: 3 }),
  'Mamba, repeated heads': () =>
    new layers.MambaMixer({ dInner: 96, dXb: 32, stateDim: 16, dtRank: 3, convWidth: 4 }),
  'Mamba, nothing repeated': () =>
    new layers.MambaMixer({ dInner: 32, stateDim: 32, dtRank: 2, convWidth: 2 }),
};

/** Some tokens, of which the second row sits out every other one: outputs and the states at the end. */
function steps(mixer: Mixer): Float32Array[] {
  const state = mixer.newState(ROWS);
  const outputs: Float32Array[] = [];
  for (let t = 0; t < STEPS; t++) {
    const x = tf.randomNormal([ROWS, 1, D_MODEL], 0, 1, 'float32', 10 + t);
    const lens = tf.tensor1d([1, t % 2, 1, 1], 'int32');
    const y = mixer.call(x, { state, lens });
    outputs.push(y.dataSync() as Float32Array);
    tf.dispose([x, lens, y]);
  }
  outputs.push(...state.tensors().map((s) => s.dataSync() as Float32Array));
  state.dispose();
  return outputs;
}

function distance(got: Float32Array, want: Float32Array): number {
  expect(got).toHaveLength(want.length);
  const scale = Math.max(1e-6, ...want.map(Math.abs));
  return Math.max(...got.map((g, i) => Math.abs(g - (want[i] as number)))) / scale;
}

const commands = () => {
  const { engine } = nativeBackend();
  const names: string[] = [];
  const run = engine.run.bind(engine);
  engine.run = (op, operands, attrs) => {
    names.push(op);
    run(op, operands, attrs);
  };
  return { names, restore: () => void Reflect.deleteProperty(engine, 'run') };
};

describe.each(Object.entries(mixers))('one token through a mixer: %s', (_, of) => {
  const make = () => {
    const mixer = of();
    mixer.build([ROWS, 1, D_MODEL]);
    mixer.trainableWeights.forEach((weight, i) => {
      weight.write(tf.randomNormal(weight.shape as number[], 0, 0.4, 'float32', 50 + i));
    });
    return mixer;
  };

  it('equals convolution, recurrence and gate one after the other', () => {
    const mixer = make();
    const seen = commands();
    const got = steps(mixer);
    seen.restore();
    expect(seen.names.filter((op) => op.endsWith('MixerStep'))).toHaveLength(STEPS);
    const want = withCompositions(() => steps(mixer));
    got.forEach((values, i) => {
      expect(distance(values, want[i] as Float32Array), `output ${i}`).toBeLessThan(2e-5);
    });
    mixer.dispose();
  });

  it('keeps the state of a row that is idle, whose output is 0 but for the projection of 0', () => {
    const mixer = make();
    const state = mixer.newState(ROWS);
    const x = tf.randomNormal([ROWS, 1, D_MODEL], 0, 1, 'float32', 3);
    mixer.call(x, { state }).dispose();
    const before = state.tensors().map((s) => s.dataSync());
    const lens = tf.zeros([ROWS], 'int32') as tf.Tensor1D;
    const y = mixer.call(x, { state, lens });
    expect(Math.max(...y.dataSync().map(Math.abs))).toBe(0);
    expect(state.tensors().map((s) => s.dataSync())).toEqual(before);
    tf.dispose([x, lens, y]);
    state.dispose();
    mixer.dispose();
  });

  it('takes a state in bfloat16, and rounds what it keeps', () => {
    const mixer = make();
    const x = tf.randomNormal([ROWS, 1, D_MODEL], 0, 1, 'float32', 5);
    const exact = mixer.newState(ROWS);
    const rounded = mixer.newState(ROWS, undefined, 'bf16');
    for (let t = 0; t < 2; t++) {
      const [want, got] = [exact, rounded].map((state) => mixer.call(x, { state }));
      const [values, others] = [got, want].map((y) => y?.dataSync() as Float32Array);
      // The first token's output comes before anything is rounded.
      expect(distance(values as Float32Array, others as Float32Array)).toBeLessThan(
        t ? 2e-2 : 2e-6,
      );
      tf.dispose([want, got] as tf.Tensor[]);
    }
    const kept = rounded.ssm.dataSync() as Float32Array;
    const off = distance(kept, exact.ssm.dataSync() as Float32Array);
    expect(off).toBeGreaterThan(0);
    expect(off).toBeLessThan(1e-2);
    x.dispose();
    exact.dispose();
    rounded.dispose();
    mixer.dispose();
  });
});

describe('a mixer step', () => {
  it('names the tensor that does not fit', () => {
    const { engine } = nativeBackend();
    const backendOf = nativeBackend();
    const zeros = (...shape: number[]) => backendOf.operand(tf.zeros(shape));
    const run = (state: number[]) =>
      engine.run(
        'ssdMixerStep',
        [
          zeros(2, 5 * 3 + 2 * 16),
          zeros(2, 15),
          zeros(2, 3),
          zeros(47, 4),
          zeros(47),
          zeros(3),
          zeros(15),
          zeros(2, 3, 47),
          zeros(...state),
          zeros(2, 15),
        ],
        [0, 1],
      );
    expect(() => run([2, 3, 5, 16])).not.toThrow();
    expect(() => run([2, 3, 5, 8])).toThrow(/ssdMixerStep: xBC should have shape \[2, 31\]/);
    expect(() => run([1, 3, 5, 16])).toThrow(/state/);
  });
});
