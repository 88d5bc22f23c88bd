import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { ModelState } from '../../lib/layers/index.js';
import type { Llama } from '../../lib/models/index.js';
import { expectSame } from '../same.js';
import { tinyConfig, tinyLlama, tokensOf } from './tiny.js';

let model: Llama;

beforeAll(() => {
  backend.init({ threads: 2 });
  model = tinyLlama();
});
afterAll(() => model.dispose());

const vocab = tinyConfig.vocabSize;

function ids(rows: readonly (readonly number[])[]): tf.Tensor2D {
  const length = Math.max(...rows.map((r) => r.length));
  const padded = rows.map((r) => [...r, ...new Array<number>(length - r.length).fill(0)]);
  return tf.tensor2d(padded, [rows.length, length], 'int32');
}

/** Logits of every position of one sequence, `[length][vocab]`. */
function full(tokens: readonly number[]): Float32Array[] {
  const values = tf.tidy(() => model.forward(ids([tokens])).dataSync() as Float32Array);
  return tokens.map((_, t) => values.slice(t * vocab, (t + 1) * vocab));
}

function rowsOf(logits: tf.Tensor): Float32Array[] {
  const values = logits.dataSync() as Float32Array;
  logits.dispose();
  return Array.from({ length: values.length / vocab }, (_, i) =>
    values.slice(i * vocab, (i + 1) * vocab),
  );
}

function extend(state: ModelState, tokens: readonly number[]): Float32Array[] {
  const input = ids([tokens]);
  const out = rowsOf(model.extend(input, state));
  input.dispose();
  return out;
}

describe('cached decoding', () => {
  const tokens = tokensOf(1, 90);

  it.each([
    [90],
    [1, 89],
    [89, 1],
    [40, 1, 1, 30, 18],
    [63, 1, 1, 25],
    new Array<number>(90).fill(1),
  ])('gives the logits of one full forward, split as %s', (...split: number[]) => {
    const state = model.newState(1, 4);
    const got: Float32Array[] = [];
    let at = 0;
    for (const n of split) {
      got.push(...extend(state, tokens.slice(at, at + n)));
      at += n;
    }
    expect(state.lengths).toEqual([90]);
    expectSame(got, full(tokens));
    state.dispose();
  });

  it('takes rows of different lengths together as it takes them alone', () => {
    const rows = [tokensOf(2, 3), tokensOf(3, 70), tokensOf(4, 1), tokensOf(5, 64)];
    const state = model.newState(4);
    const input = ids(rows);
    const last = rowsOf(
      model.extend(input, state, { lengths: rows.map((r) => r.length), logits: 'last' }),
    );
    expectSame(
      last,
      rows.map((r) => full(r).at(-1)),
    );
    const next = [11, 22, 33, 44];
    const stepped = rowsOf(model.step(next, state));
    expectSame(
      stepped,
      rows.map((r, i) => full([...r, next[i] as number]).at(-1)),
    );
    tf.dispose(input);
    state.dispose();
  });

  it('goes on from clones, selected rows, copies and concatenations', () => {
    const a = tokensOf(6, 20);
    const b = tokensOf(7, 33);
    const one = model.newState(1);
    extend(one, a);
    const two = model.newState(1);
    extend(two, b);
    const both = ModelState.concat([one, two]);
    const clone = both.clone();
    model.step([1, 1], both).dispose();
    expect(clone.lengths).toEqual([20, 33]);
    const picked = clone.select([1, 0, 1]);
    expectSame(rowsOf(model.step([5, 6, 7], picked)), [
      full([...b, 5]).at(-1),
      full([...a, 6]).at(-1),
      full([...b, 7]).at(-1),
    ]);
    picked.copyRow(one, 0, 2);
    expectSame(rowsOf(model.step([8, 9, 10], picked))[2], full([...a, 10]).at(-1));
    for (const s of [one, two, both, clone, picked]) s.dispose();
  });

  it('leaves memory as it was', () => {
    const work = () => {
      const state = model.newState(2, 4);
      for (let i = 0; i < 20; i++) model.step([i, i + 1], state).dispose();
      state.clone().dispose();
      state.dispose();
    };
    work();
    const before = backend.memory();
    for (let i = 0; i < 5; i++) work();
    const after = backend.memory();
    expect(after.tensors).toBe(before.tensors);
    expect(after.bytes).toBe(before.bytes);
  });
});

describe('other forms of Llama', () => {
  it.each([
    { tieEmbeddings: false },
    { nHeads: 5, nKvHeads: 1, headDim: 12 },
    { nHeads: 2, nKvHeads: 2, headDim: 20 },
    { ropeScaling: { type: 'linear' as const, factor: 4 } },
    {
      ropeScaling: {
        type: 'llama3' as const,
        factor: 8,
        lowFreqFactor: 1,
        highFreqFactor: 4,
        originalContext: 64,
      },
    },
  ])('step as they read: %j', (changes) => {
    const other = tinyLlama(changes);
    const tokens = tokensOf(9, 30);
    const state = other.newState(1);
    const all = rowsOf(other.forward(ids([tokens])));
    const steps = tokens.map((t) => rowsOf(other.step([t], state))[0]);
    expectSame(steps, all);
    state.dispose();
    other.dispose();
  });
});

describe('bad input', () => {
  it.each([
    ['an id outside the vocabulary', () => model.forward(ids([[1, 97]])).dataSync(), /97/],
    ['a negative id', () => model.step([-1], model.newState(1)).dataSync(), /-1/],
    [
      'tokens of another dtype',
      () => model.forward(tf.ones([1, 2])),
      /int32 tokens.*float32 \[1,2\]/,
    ],
    ['no tokens', () => model.forward(tf.zeros([1, 0], 'int32')), /got int32 \[1,0\]/],
    ['too long a text', () => model.forward(ids([tokensOf(1, 201)])), /201 tokens.*context of 200/],
    ['a state of other rows', () => model.step([1, 2], model.newState(3)), /2 rows.*state of 3/],
    ['no rows', () => model.newState(0), /batch must be a positive integer, got 0/],
    [
      'lengths that do not fit',
      () => model.extend(ids([[1, 2]]), model.newState(1), { lengths: [3] }),
      /lengths must be 1 integers from 0 to 2, got \[3\]/,
    ],
    [
      'a disposed state',
      () => {
        const state = model.newState(1);
        state.dispose();
        return model.step([1], state);
      },
      /state was disposed/,
    ],
    [
      'a disposed model',
      () => {
        const gone = tinyLlama();
        gone.dispose();
        return gone.forward(ids([[1]]));
      },
      /model was disposed/,
    ],
    ['rows that are not there', () => model.newState(2).select([2]), /rows 0 to 1, not 2/],
  ])('refuses %s', (_, act, message) => {
    expect(act).toThrow(message);
  });
});
