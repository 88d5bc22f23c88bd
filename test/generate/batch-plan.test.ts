import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { type Completion, sample } from '../../lib/generate/index.js';
import type { Model } from '../../lib/models/index.js';
import { makers } from '../models/students.js';
import { tokensOf } from '../models/tiny.js';
import { expectSameCompletions } from '../same.js';

beforeAll(() => void backend.init({ threads: 2 }));

const prompts = [1, 2, 3].map((seed) => tokensOf(seed, 5 * seed));
const options = { n: 40, maxNewTokens: 30, temperature: 1, seed: 2 };
const essence = (all: Completion[]) => all.map(({ timing: _, ...rest }) => rest);

describe.each(['llama', 'llamba', 'hybrid of Mamba-1'])('the plan of a run of a %s', (name) => {
  let model: Model;
  beforeAll(() => {
    model = (makers[name] as (c: object) => Model)({ eosIds: [3, 50] });
  });
  afterAll(() => model.dispose());

  it('takes the batch that is asked for, or 32, or all there is', () => {
    const size = (more: object) => sample(model, prompts, { ...options, ...more }).plan.batchSize;
    expect(size({})).toBe(32);
    expect(size({ batchSize: 7 })).toBe(7);
    expect(size({ n: 2 })).toBe(6);
    expect(size({ batchSize: 500 })).toBe(120);
  });

  it('takes the largest batch that fits the memory, and no smaller one', () => {
    const at = (memory: number) => sample(model, prompts, { ...options, memory }).plan;
    const least = sample(model, prompts, { ...options, batchSize: 1 }).plan.bytes.total;
    let last = 0;
    for (const factor of [1, 1.5, 2, 4, 8]) {
      const { batchSize, bytes } = at(Math.ceil(least * factor));
      expect(bytes.total).toBeLessThanOrEqual(Math.ceil(least * factor));
      expect(bytes.total).toBe(bytes.weights + bytes.states + bytes.scratch);
      if (batchSize < 120) {
        const next = sample(model, prompts, { ...options, batchSize: batchSize + 1 }).plan;
        expect(next.bytes.total).toBeGreaterThan(least * factor);
      }
      expect(batchSize).toBeGreaterThanOrEqual(last);
      last = batchSize;
    }
    expect(last).toBeGreaterThan(1);
  });

  it('counts bfloat16 states in their own bytes', () => {
    const plan = (more: object) => sample(model, prompts, { ...options, ...more }).plan;
    const half = { statePrecision: 'bf16' };
    const { bytes, longestPrompt, longestRow } = plan({ batchSize: 7, ...half });
    const held = 7 * model.stateBytes(longestRow, 'bf16') + model.stateBytes(longestPrompt, 'bf16');
    expect(bytes.states).toBe(Math.ceil(1.25 * held));
    expect(() => plan({ statePrecision: 'f16' })).toThrow(
      'sample: statePrecision must be one of f32, bf16, got "f16"',
    );
  });

  it('refuses a budget that does not hold a row, or the batch that was asked for', () => {
    const { total } = sample(model, prompts, { ...options, batchSize: 1 }).plan.bytes;
    expect(() => sample(model, prompts, { ...options, memory: total - 1 })).toThrow(
      /a batch of 1 takes about .* MiB \(weights .*, states .*, scratch .*\), more than the memory/,
    );
    expect(() => sample(model, prompts, { ...options, memory: 2 * total, batchSize: 100 })).toThrow(
      /a batch of 100 takes about .*, which holds a batch of \d+$/,
    );
  });

  it.each(['f32', 'bf16'] as const)(
    'stays within its memory and gives the same completions: %s',
    async (precision) => {
      const asked = { ...options, statePrecision: precision };
      const want = essence(await sample(model, prompts, asked).all());
      const base = backend.memory().bytes;
      const memory = 3 * sample(model, prompts, { ...asked, batchSize: 1 }).plan.bytes.total;
      const samples = sample(model, prompts, { ...asked, memory });
      let most = 0;
      const got: Completion[] = [];
      for await (const c of samples) {
        got.push(c);
        const now = backend.memory();
        most = Math.max(most, now.bytes - base);
      }
      expect(most).toBeLessThanOrEqual(samples.plan.bytes.states + samples.plan.bytes.scratch);
      got.sort((a, b) => a.prompt - b.prompt || a.sample - b.sample);
      expectSameCompletions(essence(got), want);
    },
  );

  it('says what the run took', async () => {
    const samples = sample(model, prompts, { ...options, batchSize: 8 });
    expect(samples.stats()).toBeUndefined();
    const all = await samples.all();
    const stats = samples.stats();
    const tokens = all.reduce((sum, c) => sum + c.tokens.length, 0);
    expect(stats).toMatchObject({ tokens, completions: 120, promptTokens: 30 });
    // Every token after a completion's first is a row of a step.
    expect((stats?.occupancy as number) * 8 * (stats?.steps as number)).toBeCloseTo(
      tokens - 120,
      6,
    );
    expect(stats?.occupancy).toBeGreaterThan(0.5);
    expect(stats?.occupancy).toBeLessThanOrEqual(1);
    const { wallMs = 0, prefillMs = 0, decodeMs = 0 } = stats ?? {};
    expect(prefillMs).toBeGreaterThan(0);
    expect(prefillMs + decodeMs).toBeLessThanOrEqual(wallMs);
  });
});
