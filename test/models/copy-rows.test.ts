import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import type { ModelState } from '../../lib/layers/index.js';
import { makers } from './students.js';
import { tokensOf } from './tiny.js';

beforeAll(() => void backend.init({ threads: 2 }));

it.each(Object.keys(makers))('copyRows of a %s does what copyRow does row by row', (kind) => {
  const model = (makers[kind] as () => ReturnType<NonNullable<(typeof makers)[string]>>)();
  const read = (batch: number, length: number, seed: number) => {
    const state = model.newState(batch, length);
    const tokens = tf.tensor2d(tokensOf(seed, batch * length), [batch, length], 'int32');
    tf.dispose([model.extend(tokens, state, { logits: 'last' }), tokens]);
    return state;
  };
  const prompt = read(2, 9, 1);
  const [together, apart] = [read(5, 4, 2), read(5, 4, 2)];
  together.copyRows(prompt, [1, 1, 0], [4, 0, 2]);
  for (const [from, to] of [
    [1, 4],
    [1, 0],
    [0, 2],
  ] as const) {
    apart.copyRow(prompt, from, to);
  }
  together.copyRows(together, [4, 2], [1, 3]);
  for (const [from, to] of [
    [4, 1],
    [2, 3],
  ] as const) {
    apart.copyRow(apart, from, to);
  }
  expect(together.lengths).toEqual([9, 9, 9, 9, 9]);
  const next = (state: ModelState) => {
    const logits = model.step([1, 2, 3, 4, 5], state);
    const values = [...state.positions.dataSync(), ...logits.dataSync()];
    logits.dispose();
    return values;
  };
  expect(next(together)).toEqual(next(apart));
  expect(() => together.copyRows(prompt, [2], [0])).toThrow('the state has rows 0 to 1, not 2');
  expect(() => together.copyRows(prompt, [0, 1], [0])).toThrow('2 rows for 1 places');
  const other = makers.llama?.({ nKvHeads: 1 });
  const wrong = other?.newState(1, 4) as ModelState;
  expect(() => together.copyRows(wrong, [0], [0])).toThrow(/copyRows: rows of layer 0 differ/);
  wrong.dispose();
  for (const state of [prompt, together, apart]) state.dispose();
  for (const m of [model, other]) m?.dispose();
});
