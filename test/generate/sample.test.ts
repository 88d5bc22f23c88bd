import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { type Completion, sample } from '../../lib/generate/index.js';
import type { Llama } from '../../lib/models/index.js';
import { tinyLlama, tokensOf } from '../models/tiny.js';
import { expectSameCompletions } from '../same.js';

let model: Llama;

beforeAll(() => {
  backend.init({ threads: 2 });
  // Three ids of 97 end a text, so that rows finish at many lengths.
  model = tinyLlama({ eosIds: [3, 50, 77] });
});
afterAll(() => model.dispose());

const prompts = [1, 2, 3, 4, 5].map((seed) => tokensOf(seed, 3 * seed));
const options = { n: 7, maxNewTokens: 40, temperature: 1, seed: 42 };

/** What must not depend on how the work was batched. */
function essence(completions: Completion[]) {
  return completions.map(({ timing: _, ...rest }) => rest);
}

describe('sample', () => {
  it('gives every sample of every prompt once, with its reason', async () => {
    const all = await sample(model, prompts, options).all();
    expect(all.map((c) => [c.prompt, c.sample])).toEqual(
      prompts.flatMap((_, p) => Array.from({ length: 7 }, (_, s) => [p, s])),
    );
    for (const c of all) {
      const last = c.tokens.at(-1) as number;
      const ended = model.config.eosIds.includes(last);
      expect(c.stopReason).toBe(ended ? 'eos' : 'length');
      expect(ended || c.tokens.length === 40).toBe(true);
      expect(c.tokens.slice(0, -1).some((t) => model.config.eosIds.includes(t))).toBe(false);
      expect(c.logProb).toBeLessThan(0);
      expect(c.timing.prefillMs).toBeGreaterThan(0);
    }
    expect(new Set(all.map((c) => c.tokens.length)).size).toBeGreaterThan(5);
  });

  it('gives the same completions at batch 1, 2, 8 and 64', async () => {
    const want = essence(await sample(model, prompts, { ...options, batchSize: 1 }).all());
    for (const batchSize of [2, 8, 64]) {
      const got = essence(await sample(model, prompts, { ...options, batchSize }).all());
      expectSameCompletions(got, want);
    }
  });

  it('draws otherwise with another seed, and all alike without temperature', async () => {
    const a = await sample(model, [prompts[0] as number[]], { ...options, seed: 1 }).all();
    const b = await sample(model, [prompts[0] as number[]], { ...options, seed: 2 }).all();
    expect(essence(a)).not.toEqual(essence(b));
    const greedy = await sample(model, prompts, { ...options, temperature: 0 }).all();
    for (const c of greedy) {
      expect(c.tokens).toEqual(greedy.find((other) => other.prompt === c.prompt)?.tokens);
    }
  });

  it('reports the log-probability that the full forward gives', async () => {
    const tf = await import('@tensorflow/tfjs');
    const [c] = await sample(model, [prompts[2] as number[]], { ...options, n: 1 }).all();
    const text = [...(prompts[2] as number[]), ...(c as Completion).tokens];
    const logs = tf.tidy(() => {
      const logits = model.forward(tf.tensor2d(text, [1, text.length], 'int32'));
      return tf.logSoftmax(logits, -1).arraySync() as number[][][];
    });
    const from = (prompts[2] as number[]).length;
    const sum = (c as Completion).tokens.reduce(
      (s, t, i) => s + (logs[0]?.[from + i - 1]?.[t] as number),
      0,
    );
    expect((c as Completion).logProb).toBeCloseTo(sum, 3);
  });

  it('yields completions as they finish', async () => {
    const order: number[] = [];
    for await (const c of sample(model, prompts, { ...options, batchSize: 4 })) {
      order.push(c.prompt * 7 + c.sample);
    }
    expect(order).toHaveLength(35);
    expect(order).not.toEqual([...order].sort((a, b) => a - b));
  });

  it("stops when a notebook's cell is interrupted, whether or not it has a signal of its own", async () => {
    const key = Symbol.for('Jupyter.interrupt');
    for (const own of [undefined, new AbortController().signal]) {
      const interrupt = new AbortController();
      Object.defineProperty(globalThis, key, { value: interrupt.signal, configurable: true });
      try {
        const all = sample(model, prompts, { ...options, ...(own && { signal: own }) });
        const run = async () => {
          for await (const _ of all) interrupt.abort(new Error('interrupted'));
        };
        await expect(run()).rejects.toThrow('interrupted');
      } finally {
        delete (globalThis as Record<symbol, unknown>)[key];
      }
    }
  });

  it('stops when it is aborted, and frees what it held', async () => {
    await sample(model, prompts, options).all();
    const before = backend.memory();
    const abort = new AbortController();
    const seen: Completion[] = [];
    const run = async () => {
      const all = sample(model, prompts, { ...options, batchSize: 4, signal: abort.signal });
      for await (const c of all) {
        seen.push(c);
        if (seen.length === 3) abort.abort();
      }
    };
    await expect(run()).rejects.toThrow(/abort/i);
    expect(seen.length).toBeLessThan(35);
    for await (const _ of sample(model, prompts, options)) break;
    const after = backend.memory();
    expect(after.tensors).toBe(before.tensors);
    expect(after.bytes).toBe(before.bytes);
    expect(after.programs).toBe(before.programs);
  });

  it('draws a part of a run as the whole run does', async () => {
    const whole = await sample(model, prompts, options).all();
    const ranges = [
      { from: 0, to: 10 },
      { from: 10, to: 11 },
      { from: 11, to: 35 },
    ];
    const parts: Completion[] = [];
    for (const range of ranges) {
      parts.push(...(await sample(model, prompts, { ...options, range, batchSize: 4 }).all()));
    }
    expectSameCompletions(essence(parts), essence(whole));
    const past = { ...options, range: { from: 0, to: 36 } };
    expect(() => sample(model, prompts, past)).toThrow(
      /range.to must be at most 35 \(5 prompts x 7\), got 36/,
    );
    const empty = { ...options, range: { from: 5, to: 5 } };
    expect(() => sample(model, prompts, empty)).toThrow(/range.to must be an integer from 6 up/);
  });

  it('divides the time of the steps among the completions', async () => {
    const run = sample(model, prompts, { ...options, batchSize: 4 });
    const all = await run.all();
    const shares = all.reduce((sum, { timing }) => sum + timing.shareMs, 0);
    expect(shares).toBeCloseTo(run.stats()?.decodeMs as number, 6);
  });

  it('ends at the end of the context', async () => {
    const long = tokensOf(8, 195);
    const endless = tinyLlama();
    const [c] = await sample(endless, [long], { maxNewTokens: 100 }).all();
    expect(c?.stopReason).toBe('length');
    expect(c?.tokens).toHaveLength(5);
    endless.dispose();
  });

  it.each([
    [{ n: 0 }, /n must be an integer from 1 up, got 0/],
    [{ temperature: Number.NaN }, /temperature must be a number from 0 .* got NaN/],
    [{ temperature: -1 }, /temperature/],
    [{ topP: 0 }, /topP/],
    [{ topK: 1.5 }, /topK must be an integer/],
    [{ maxNewTokens: 0 }, /maxNewTokens/],
    [{ batchSize: 0 }, /batchSize/],
    [{ seed: -1 }, /seed must be an integer from 0 to 4294967295, got -1/],
    [{ stop: '' }, /stop must be texts of at least one character/],
    [{ temprature: 1 }, /unknown option 'temprature'/],
  ])('refuses the options %j', (bad, message) => {
    expect(() => sample(model, prompts, bad as never)).toThrow(message);
  });

  it.each([
    [[[]], /prompt 0 has no tokens/],
    [[[1], [97]], /prompt 1 has the token 97; ids are 0 to 96/],
    [[tokensOf(1, 200)], /prompt 0 has 200 tokens; the model's context of 200/],
    [['text'], /not loaded from a checkpoint/],
    ['text', /prompts must be an array/],
  ])('refuses the prompts %j', (bad, message) => {
    expect(() => sample(model, bad as never)).toThrow(message);
  });
});
