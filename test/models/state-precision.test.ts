/** Decode states in bfloat16: near those in float32, moved and copied alike, in half the bytes. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { sample } from '../../lib/generate/index.js';
import { ModelState, RecurrentState, type StatePrecision } from '../../lib/layers/index.js';
import * as models from '../../lib/models/index.js';
import { expectSame, expectSameCompletions } from '../same.js';
import { makers } from './students.js';
import { tinyLlama, tokensOf } from './tiny.js';

const bf16 = { precision: 'bf16' } as const;

beforeAll(() => void backend.init({ threads: 2 }));

/** Values of a tensor that is no longer wanted. */
function taken(t: tf.Tensor): Float32Array {
  const values = Float32Array.from(t.dataSync());
  t.dispose();
  return values;
}

function distance(got: Float32Array, want: Float32Array): number {
  const scale = Math.max(...want.map(Math.abs));
  return Math.max(...got.map((x, i) => Math.abs(x - (want[i] as number)))) / scale;
}

function ids(rows: readonly (readonly number[])[]): tf.Tensor2D {
  const length = Math.max(...rows.map((r) => r.length));
  const padded = rows.map((r) => [...r, ...new Array<number>(length - r.length).fill(0)]);
  return tf.tensor2d(padded, [rows.length, length], 'int32');
}

/** Reads rows of different lengths at once: the logits of their last tokens. */
function read(model: models.Model, state: ModelState, rows: readonly (readonly number[])[]) {
  const input = ids(rows);
  const lengths = rows.map((r) => r.length);
  const logits = taken(model.extend(input, state, { lengths, logits: 'last' }));
  input.dispose();
  return logits;
}

/** Feeds a row's tokens one by one: the logits after each. */
function steps(model: models.Model, state: ModelState, tokens: readonly number[]): Float32Array[] {
  return tokens.map((token) => taken(model.step([token], state)));
}

const kinds = Object.keys(makers);
const tokens = tokensOf(1, 90);

describe.each(kinds)('bfloat16 states of a %s', (name) => {
  let model: models.Model;
  beforeAll(() => {
    model = (makers[name] as () => models.Model)();
  });
  afterAll(() => model.dispose());

  const decoded = (precision: StatePrecision) => {
    const state = model.newState(1, 16, { precision });
    const first = read(model, state, [tokens.slice(0, 40)]);
    const logits = [first, ...steps(model, state, tokens.slice(40))];
    state.dispose();
    return logits;
  };

  it('decode near the whole text, and are not float32', () => {
    const input = ids([tokens]);
    const all = taken(model.forward(input));
    input.dispose();
    const vocab = model.config.vocabSize;
    const got = decoded('bf16');
    got.forEach((logits, i) => {
      const want = all.slice((39 + i) * vocab, (40 + i) * vocab);
      expect(distance(logits, want), `token ${39 + i}`).toBeLessThan(2e-2);
    });
    expect(distance(got.at(-1) as Float32Array, decoded('f32').at(-1) as Float32Array)).not.toBe(0);
  });

  it('decode the same in a batch of rows of different lengths', () => {
    const rows = [tokens.slice(0, 31), tokens.slice(3, 4), tokens.slice(9, 29)];
    const next = [[5], [], [7]];
    const alone = rows.map((row, i) => {
      const state = model.newState(1, 40, bf16);
      const first = read(model, state, [row]);
      const more = steps(model, state, next[i] as number[]).at(-1) ?? [];
      state.dispose();
      return [first, more];
    });
    // Less room than the longest row needs: the state grows.
    const state = model.newState(3, 8, bf16);
    const vocab = model.config.vocabSize;
    const cut = (all: Float32Array, row: number) => all.slice(row * vocab, (row + 1) * vocab);
    const first = read(model, state, rows);
    const input = tf.tensor2d([5, 0, 7], [3, 1], 'int32');
    const second = taken(model.extend(input, state, { lengths: [1, 0, 1], logits: 'last' }));
    input.dispose();
    expect(state.precision).toBe('bf16');
    for (const [row, [one, two]] of alone.entries()) {
      expectSame(cut(first, row), one);
      if (next[row]?.length) expectSame(cut(second, row), two);
    }
    state.dispose();
  });

  it('are cloned, selected, joined and copied by rows', () => {
    const before = backend.memory().tensors;
    const state = model.newState(2, 40, bf16);
    read(model, state, [tokens.slice(0, 12), tokens.slice(20, 50)]);
    const goOn = (of: ModelState) => {
      const next = Array.from({ length: of.batch }, () => 11);
      return [taken(model.step(next, of)), taken(model.step(next, of))];
    };
    const clone = state.clone();
    const turned = state.select([1, 0, 1], 64);
    const joined = ModelState.concat([turned, state]);
    const copy = model.newState(2, 4, bf16);
    copy.copyRow(state, 1, 0);
    copy.copyRow(state, 0, 1);
    copy.copyRow(copy, 0, 1);
    const vocab = model.config.vocabSize;
    const want = goOn(state);
    const expectRows = (of: ModelState, rows: readonly number[]) => {
      expect(of.precision).toBe('bf16');
      expect(of.bytes).toBe(of.batch * model.stateBytes(of.capacity, 'bf16'));
      for (const [step, logits] of goOn(of).entries()) {
        const all = want[step] as Float32Array;
        const picked = rows.flatMap((row) => [...all.slice(row * vocab, (row + 1) * vocab)]);
        expectSame([...logits], picked);
      }
      of.dispose();
    };
    expectRows(clone, [0, 1]);
    expectRows(turned, [1, 0, 1]);
    expectRows(joined, [1, 0, 1, 0, 1]);
    expectRows(copy, [1, 1]);
    state.dispose();
    expect(backend.memory().tensors).toBe(before);
  });

  it('are moved by a view of their first rows', () => {
    const state = model.newState(2, 64, bf16);
    read(model, state, [tokens.slice(0, 9), tokens.slice(9, 14)]);
    const own = state.select([0]);
    const view = state.prefix(1);
    expect(view.precision).toBe('bf16');
    expectSame(steps(model, view, [4, 8]), steps(model, own, [4, 8]));
    for (let i = 0; i < model.config.nLayers; i++) {
      const moved = own.layer(i).tensors();
      for (const [at, whole] of state.layer(i).tensors().entries()) {
        const want = (moved[at] as tf.Tensor).dataSync();
        expectSame([...whole.dataSync().slice(0, want.length)], [...want]);
      }
    }
    for (const s of [view, own, state]) s.dispose();
  });

  it('are moved by captured steps as by eager ones, idle rows not at all', () => {
    const rows = [tokens.slice(0, 9), tokens.slice(9, 14)];
    const [own, other] = [model.newState(2, 32, bf16), model.newState(2, 32, bf16)];
    for (const state of [own, other]) read(model, state, rows);
    const inputs = [tf.tensor1d([3, 4], 'int32'), tf.tensor1d([1, 0], 'int32')] as const;
    const [next, lens] = inputs;
    const program = backend.Program.trace(() => model.stepOnDevice(next, own, lens));
    for (let i = 0; i < 5; i++) {
      if (i > 0) program.replay();
      const want = taken(model.stepOnDevice(next, other, lens));
      const used = model.config.vocabSize;
      const got = program.outputs.dataSync().slice(0, used);
      expectSame([...got], [...want.slice(0, used)]);
    }
    program.dispose();
    for (const one of [...inputs, own, other]) one.dispose();
  });

  it('are sampled from, the same in any batch, and not as float32 ones', async () => {
    const prompts = [tokens.slice(0, 5), tokens.slice(5, 30), tokens.slice(40, 41)];
    const run = async (batchSize: number, statePrecision: StatePrecision) => {
      const options = { n: 3, batchSize, maxNewTokens: 12, temperature: 1, statePrecision };
      const all = await sample(model, prompts, options).all();
      return all.map(({ timing: _, ...rest }) => rest);
    };
    const want = await run(1, 'bf16');
    expectSameCompletions(await run(4, 'bf16'), want);
    const logProbs = (all: readonly { logProb: number }[]) => all.map(({ logProb }) => logProb);
    expect(logProbs(await run(4, 'f32'))).not.toEqual(logProbs(want));
  });

  it('take the bytes that plans say', () => {
    const { stateBytes, stateBytesPerToken } = models.plan(model.config as models.ModelConfig, {
      statePrecision: 'bf16',
    });
    const state = model.newState(3, 17, bf16);
    const { capacity } = state;
    expect(state.bytes).toBe(3 * model.stateBytes(capacity, 'bf16'));
    expect(model.stateBytes(capacity, 'bf16')).toBe(stateBytes + capacity * stateBytesPerToken);
    for (let i = 0; i < model.config.nLayers; i++) {
      const layer = state.layer(i);
      // Windows are small and stay float32.
      const windows = layer instanceof RecurrentState ? layer.conv.size : 0;
      const numbers = layer.tensors().reduce((sum, { size }) => sum + size, 0);
      expect(layer.bytes).toBe(2 * (numbers + windows));
    }
    state.dispose();
  });

  it('do not mix with float32 ones', () => {
    const [half, whole] = [model.newState(1, 4, bf16), model.newState(1, 4)];
    expect(() => whole.copyRow(half, 0, 0)).toThrow(
      'copyRow: rows of a bf16 state do not fit a f32 state',
    );
    expect(() => ModelState.concat([half, whole])).toThrow(
      'concat: rows of a f32 state do not fit a bf16 state',
    );
    half.dispose();
    whole.dispose();
  });
});

describe('a recurrent state in bfloat16', () => {
  it('rounds what is not its own, and takes what was written in place as it is', () => {
    const before = backend.memory().tensors;
    const state = RecurrentState.create(1, [3, 2], [4], 'bf16');
    const { conv, ssm } = state;
    const values = [1, 1.00390625, 1.01171875, -3];
    state.update(conv, tf.tensor(values, [1, 4]));
    expect(state.ssm.dataId).toBe(ssm.dataId);
    expect([...state.ssm.dataSync()]).toEqual([1, 1, 1.015625, -3]);
    // What a kernel that wrote in place returns: the state's data, or the tensor itself.
    state.update(state.conv, state.ssm.clone());
    state.update(state.conv, state.ssm);
    expect(state.precision).toBe('bf16');
    expect(state.ssm.dataId).toBe(ssm.dataId);
    expect([...state.ssm.dataSync()]).toEqual([1, 1, 1.015625, -3]);
    state.dispose();
    expect(backend.memory().tensors).toBe(before);
  });
});

describe('the precision of a state', () => {
  it('is one of two', () => {
    const model = tinyLlama();
    expect(() => model.newState(1, 4, { precision: 'f16' as 'bf16' })).toThrow(
      'newState: precision must be one of f32, bf16, got "f16"',
    );
    expect(() => models.plan('llama-3.2-1b', { statePrecision: 'f64' as 'f32' })).toThrow(
      'plan: statePrecision must be one of f32, bf16, got "f64"',
    );
    model.dispose();
  });

  it('is float32 on the backends of tfjs', async () => {
    await tf.setBackend('cpu');
    try {
      const model = tinyLlama();
      expect(() => model.newState(1, 4, bf16)).toThrow(
        "tensors are stored as BF16 by 'native' only, not by cpu",
      );
      const state = model.newState(1, 4);
      expect(state.precision).toBe('f32');
      expect(state.bytes).toBe(model.stateBytes(4));
      state.dispose();
      model.dispose();
    } finally {
      backend.init();
    }
  });
});
