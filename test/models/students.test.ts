import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { type Completion, sample } from '../../lib/generate/index.js';
import { ModelState } from '../../lib/layers/index.js';
import type * as models from '../../lib/models/index.js';
import { expectSameCompletions } from '../same.js';
import { makers } from './students.js';
import { tokensOf } from './tiny.js';

const vocab = 97;

beforeAll(() => void backend.init({ threads: 2 }));

function ids(rows: readonly (readonly number[])[]): tf.Tensor2D {
  const length = Math.max(...rows.map((r) => r.length));
  const padded = rows.map((r) => [...r, ...new Array<number>(length - r.length).fill(0)]);
  return tf.tensor2d(padded, [rows.length, length], 'int32');
}

function rowsOf(logits: tf.Tensor): Float32Array[] {
  const values = logits.dataSync() as Float32Array;
  logits.dispose();
  return Array.from({ length: values.length / vocab }, (_, i) =>
    values.slice(i * vocab, (i + 1) * vocab),
  );
}

/** Equal but for rounding: a scan adds in another order than steps do. */
function expectClose(got: readonly Float32Array[], want: readonly (Float32Array | undefined)[]) {
  expect(got).toHaveLength(want.length);
  got.forEach((row, r) => {
    const other = want[r] as Float32Array;
    const scale = Math.max(...other.map(Math.abs));
    const worst = Math.max(...row.map((x, i) => Math.abs(x - (other[i] as number))));
    expect(worst / scale, `row ${r}`).toBeLessThan(2e-5);
  });
}

describe.each(Object.keys(makers).filter((name) => name !== 'llama'))('decoding a %s', (name) => {
  let model: models.Model;
  beforeAll(() => {
    model = (makers[name] as () => models.Model)();
  });
  afterAll(() => model.dispose());

  const full = (tokens: readonly number[]) => {
    const input = ids([tokens]);
    const out = rowsOf(model.forward(input));
    input.dispose();
    return out;
  };
  const extend = (state: ModelState, tokens: readonly number[]) => {
    const input = ids([tokens]);
    const out = rowsOf(model.extend(input, state));
    input.dispose();
    return out;
  };

  const tokens = tokensOf(1, 140);

  it('depends on every earlier token', () => {
    const want = full(tokens);
    for (const at of [0, 60, 138]) {
      const changed = full(tokens.map((t, i) => (i === at ? (t + 1) % vocab : t)));
      expectClose(changed.slice(0, at), want.slice(0, at));
      const moved = changed.at(-1) as Float32Array;
      const last = want.at(-1) as Float32Array;
      if (at > 100)
        expect(Math.max(...moved.map((x, i) => Math.abs(x - (last[i] as number))))).toBeGreaterThan(
          1e-3,
        );
    }
  });

  it.each([
    [140],
    [1, 139],
    [139, 1],
    [2, 138],
    [40, 1, 1, 30, 68],
    [64, 64, 12],
    [127, 1, 1, 1, 10],
  ])('gives the logits of one full forward, split as %s', (...split: number[]) => {
    const state = model.newState(1, 4);
    const got: Float32Array[] = [];
    let at = 0;
    for (const n of split) {
      got.push(...extend(state, tokens.slice(at, at + n)));
      at += n;
    }
    expect(state.lengths).toEqual([140]);
    expectClose(got, full(tokens));
    state.dispose();
  });

  it('gives them in steps alone', () => {
    const state = model.newState(1);
    const some = tokens.slice(0, 50);
    const got = some.flatMap((token) => rowsOf(model.step([token], state)));
    expectClose(got, full(some));
    state.dispose();
  });

  it('takes rows of different lengths together as it takes them alone', () => {
    const rows = [tokensOf(2, 3), tokensOf(3, 70), tokensOf(4, 1), tokensOf(5, 64), []];
    const state = model.newState(5);
    const input = ids(rows);
    const lengths = rows.map((r) => r.length);
    const last = rowsOf(model.extend(input, state, { lengths, logits: 'last' }));
    expectClose(
      last.slice(0, 4),
      rows.slice(0, 4).map((r) => full(r).at(-1)),
    );
    const next = [11, 22, 33, 44, 55];
    const stepped = rowsOf(model.step(next, state));
    expectClose(
      stepped,
      rows.map((r, i) => full([...r, next[i] as number]).at(-1)),
    );
    // And again of different lengths, from states that are there.
    const more = [[1, 2, 3], [], [4], [5, 6], [7, 8, 9]];
    const again = ids(more);
    const counts = more.map((m) => m.length);
    const out = rowsOf(model.extend(again, state, { lengths: counts, logits: 'last' }));
    const want = rows.map((r, i) =>
      full([...r, next[i] as number, ...(more[i] as number[])]).at(-1),
    );
    expectClose(
      out.filter((_, i) => counts[i]),
      want.filter((_, i) => counts[i]),
    );
    tf.dispose([input, again]);
    state.dispose();
  });

  it('a row does not depend on its neighbours and their padding', () => {
    const rows = [tokensOf(2, 9), tokensOf(3, 30)];
    const alone = model.newState(1);
    const one = ids([rows[0] as number[]]);
    const want = rowsOf(model.extend(one, alone, { logits: 'last' }));
    const both = model.newState(2);
    const two = ids(rows);
    const got = rowsOf(model.extend(two, both, { lengths: [9, 30], logits: 'last' }));
    expectClose(got.slice(0, 1), want);
    tf.dispose([one, two]);
    alone.dispose();
    both.dispose();
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
    expectClose(rowsOf(model.step([5, 6, 7], picked)), [
      full([...b, 5]).at(-1),
      full([...a, 6]).at(-1),
      full([...b, 7]).at(-1),
    ]);
    picked.copyRow(one, 0, 2);
    expectClose(rowsOf(model.step([8, 9, 10], picked)).slice(2), [full([...a, 10]).at(-1)]);
    expectClose(rowsOf(model.step([1, 1], clone)), [
      full([...a, 1]).at(-1),
      full([...b, 1]).at(-1),
    ]);
    for (const s of [one, two, both, clone, picked]) s.dispose();
  });

  it('samples the same completions at batch 1, 3 and 16, as the full forward scores them', async () => {
    const prompts = [1, 2, 3].map((seed) => tokensOf(seed, 3 * seed));
    const options = { n: 5, maxNewTokens: 24, temperature: 1, seed: 42 };
    const ending = (makers[name] as (c: object) => models.Model)({ eosIds: [3, 50, 77] });
    const essence = (all: Completion[]) => all.map(({ timing: _, ...rest }) => rest);
    const runs: Completion[][] = [];
    for (const batchSize of [1, 3, 16]) {
      runs.push(await sample(ending, prompts, { ...options, batchSize }).all());
    }
    const [first, ...others] = runs.map(essence);
    for (const other of others) expectSameCompletions(other, first as typeof other);
    const c = runs[0]?.[4] as Completion;
    const text = [...(prompts[c.prompt] as number[]), ...c.tokens];
    const input = ids([text]);
    const logs = tf.tidy(
      () => tf.logSoftmax(ending.forward(input), -1).arraySync() as number[][][],
    );
    const from = (prompts[c.prompt] as number[]).length;
    const sum = c.tokens.reduce((s, t, i) => s + (logs[0]?.[from + i - 1]?.[t] as number), 0);
    expect(c.logProb).toBeCloseTo(sum, 3);
    input.dispose();
    ending.dispose();
  });

  it('leaves memory as it was', async () => {
    const work = async () => {
      const state = model.newState(2, 4);
      const part = state.select([1, 0]);
      const all = ModelState.concat([state, part]);
      all.copyRow(state, 1, 0);
      for (let i = 0; i < 20; i++) model.step([i, i + 1, 3, 4], all).dispose();
      for (const s of [state, part, all]) s.dispose();
      await sample(model, [[1, 2]], { n: 4, maxNewTokens: 6, batchSize: 3 }).all();
    };
    await work();
    const before = backend.memory();
    for (let i = 0; i < 5; i++) await work();
    const after = backend.memory();
    expect(after.tensors).toBe(before.tensors);
    expect(after.bytes).toBe(before.bytes);
  });

  it('refuses the state of another model', () => {
    const other = makers.llama?.() as models.Model;
    const state = other.newState(1);
    expect(() => model.step([1], state)).toThrow(/state/);
    const own = model.newState(1);
    expect(() => other.step([1], own)).toThrow(/state/);
    state.dispose();
    own.dispose();
    other.dispose();
  });
});

describe('a state', () => {
  it('of a model without attention has room for any text at once', () => {
    const model = makers.llamba?.() as models.Model;
    const state = model.newState(1, 4);
    const bytes = state.bytes;
    const input = ids([tokensOf(1, 90)]);
    model.extend(input, state).dispose();
    expect(state.bytes).toBe(bytes);
    tf.dispose(input);
    state.dispose();
    model.dispose();
  });
});
