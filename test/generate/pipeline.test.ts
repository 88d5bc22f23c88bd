/** Steps asked for before the draws of earlier ones are looked at: the same completions. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import type { Tokenizer } from '../../lib/data/index.js';
import { planBatch } from '../../lib/generate/batch-plan.js';
import type { Completion } from '../../lib/generate/index.js';
import { type GenerateOptions, settingsOf } from '../../lib/generate/options.js';
import { Sampler } from '../../lib/generate/sampler.js';
import type { Model } from '../../lib/models/index.js';
import { makers } from '../models/students.js';
import { tokensOf } from '../models/tiny.js';
import { expectSameCompletions } from '../same.js';

beforeAll(() => void backend.init({ threads: 2 }));

const prompts = [1, 2, 3, 4, 5].map((seed) => tokensOf(seed, 3 * seed));
const options = { n: 7, maxNewTokens: 40, temperature: 1, seed: 42, batchSize: 4 };

/** A token is a letter of its own. */
const letters = {
  createDecoder: () => ({ push: (id: number) => String.fromCharCode(0x100 + id), flush: () => '' }),
  decode: (ids: ArrayLike<number>) => String.fromCharCode(...Array.from(ids, (id) => 0x100 + id)),
} as unknown as Tokenizer;

interface Run {
  ahead: number;
  finished?: ReadonlySet<number>;
  tokens?: boolean;
}

function samplerOf(model: Model, asked: GenerateOptions, run: Run, texts = prompts): Sampler {
  const settings = settingsOf(asked);
  const plan = planBatch(model, texts, settings);
  const { finished = new Set(), tokens = false, ahead } = run;
  return new Sampler(model, texts, settings, letters, tokens, plan, finished, ahead);
}

async function completionsOf(sampler: Sampler): Promise<Omit<Completion, 'timing'>[]> {
  const all: Completion[] = [];
  for await (const e of sampler.events()) if (e.type === 'completion') all.push(e.completion);
  all.sort((a, b) => a.prompt - b.prompt || a.sample - b.sample);
  return all.map(({ timing: _, ...rest }) => rest);
}

describe.each(['llama', 'llamba', 'hybrid of Mamba-1'])('a pipelined run of a %s', (kind) => {
  let model: Model;
  beforeAll(() => {
    model = (makers[kind] as (c: object) => Model)({ eosIds: [3, 50, 77], contextLength: 200 });
  });
  afterAll(() => model.dispose());

  const same = async (asked: GenerateOptions, texts = prompts) => {
    const want = await completionsOf(samplerOf(model, asked, { ahead: 0 }, texts));
    for (const ahead of [1, 2, 5]) {
      const got = await completionsOf(samplerOf(model, asked, { ahead }, texts));
      expectSameCompletions(got, want);
    }
    return want;
  };

  it('refills rows while steps are on their way', async () => {
    const want = await same(options);
    expect(want).toHaveLength(35);
    expect(new Set(want.map((c) => c.stopReason))).toEqual(new Set(['eos', 'length']));
    for (const batchSize of [1, 3, 64]) await same({ ...options, batchSize });
  });

  it('ends at stop texts, the first token among them', async () => {
    const free = await completionsOf(samplerOf(model, options, { ahead: 0 }));
    const letter = (c: (typeof free)[number] | undefined, i: number) => c?.text[i] as string;
    const first = letter(
      free.find((c) => c.tokens.length > 3),
      0,
    );
    const long = free.filter((c) => c.tokens.length > 20);
    const pair = letter(long[1], 9) + letter(long[1], 10);
    const want = await same({ ...options, stop: [first, pair] });
    const stopped = want.filter((c) => c.stopReason === 'stop');
    expect(stopped.some((c) => c.tokens.length === 1 && c.text === '')).toBe(true);
    expect(stopped.some((c) => c.tokens.length > 1)).toBe(true);
    expect(stopped.every((c) => !c.text.includes(first) && !c.text.includes(pair))).toBe(true);
  });

  it('has all rows end at the same step', async () => {
    for (const maxNewTokens of [1, 2, 3, 8]) {
      const want = await same({ ...options, batchSize: 8, maxNewTokens });
      expect(Math.max(...want.map((c) => c.tokens.length))).toBe(maxNewTokens);
    }
    // Without temperature the samples of a prompt are one text, ended by one token.
    await same({ ...options, n: 4, temperature: 0 }, [prompts[2] as number[]]);
  });

  it('grows its caches, up to the end of the context', async () => {
    const texts = [tokensOf(8, 5), tokensOf(9, 20)];
    const endless = (makers[kind] as (c: object) => Model)({ contextLength: 200 });
    const asked = { ...options, n: 4, maxNewTokens: 300 };
    const runs = [0, 1, 2].map((ahead) =>
      completionsOf(samplerOf(endless, asked, { ahead }, texts)),
    );
    const [want, ...others] = await Promise.all(runs);
    endless.dispose();
    expect(want?.map((c) => c.tokens.length)).toEqual([195, 195, 195, 195, 180, 180, 180, 180]);
    for (const got of others) expectSameCompletions(got, want as typeof got);
  });

  it('draws only what is left of a resumed run', async () => {
    const whole = await completionsOf(samplerOf(model, options, { ahead: 0 }));
    const finished = new Set([0, 1, 9, 10, 11, 12, 13, 20, 34]);
    const rest = await completionsOf(samplerOf(model, options, { ahead: 2, finished }));
    const want = whole.filter((c) => !finished.has(c.prompt * 7 + c.sample));
    expectSameCompletions(rest, want);
  });

  it('gives every token of a completion, in order', async () => {
    const sampler = samplerOf(model, options, { ahead: 2, tokens: true });
    const tokens = new Map<number, number[]>();
    for await (const e of sampler.events()) {
      if (e.type === 'token') {
        const place = 7 * e.prompt + e.sample;
        tokens.set(place, [...(tokens.get(place) ?? []), e.event.token]);
      } else if (e.type === 'completion') {
        const { prompt, sample } = e.completion;
        expect(tokens.get(7 * prompt + sample)).toEqual(e.completion.tokens);
      }
    }
    expect(tokens.size).toBe(35);
  });

  it('frees everything where it is aborted or left, and shares the time of its steps', async () => {
    const run = samplerOf(model, options, { ahead: 2 });
    let shares = 0;
    for await (const e of run.events()) {
      if (e.type === 'completion') shares += e.completion.timing.shareMs;
    }
    expect(shares).toBeCloseTo(run.stats().decodeMs, 6);
    const before = backend.memory();
    const abort = new AbortController();
    const aborted = async () => {
      let seen = 0;
      const asked = { ...options, signal: abort.signal };
      for await (const _ of samplerOf(model, asked, { ahead: 2 }).events()) {
        if (++seen === 3) abort.abort(new Error('enough'));
      }
    };
    await expect(aborted()).rejects.toThrow('enough');
    for await (const _ of samplerOf(model, options, { ahead: 2 }).events()) break;
    const after = backend.memory();
    expect(after.tensors).toBe(before.tensors);
    expect(after.bytes).toBe(before.bytes);
    expect(after.programs).toBe(before.programs);
  });
});
