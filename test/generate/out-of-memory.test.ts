/** Memory that ends in the middle of a run: fewer rows, the same completions. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { planBatch } from '../../lib/generate/batch-plan.js';
import { type Completion, type RunStats, sample } from '../../lib/generate/index.js';
import { type GenerateOptions, settingsOf } from '../../lib/generate/options.js';
import { Sampler } from '../../lib/generate/sampler.js';
import { Llama, type Model } from '../../lib/models/index.js';
import { held, outOfMemory, withFailing } from '../backend/failing-allocations.js';
import { folderWith } from '../data/temporary.js';
import { makers } from '../models/students.js';
import { tinyConfig, tokensOf } from '../models/tiny.js';
import { expectSameCompletions, onGpu } from '../same.js';

let limit = 0;
beforeAll(() => {
  backend.init({ threads: 2 });
  limit = backend.memory().limitBytes;
});
afterEach(() => void backend.init({ memoryLimit: limit }));

const prompts = [1, 2, 3].map((seed) => tokensOf(seed, 3 * seed));
const options = { n: 4, maxNewTokens: 110, temperature: 1, seed: 42, batchSize: 6 };

function essence(completions: readonly Completion[]) {
  return [...completions]
    .sort((a, b) => a.prompt - b.prompt || a.sample - b.sample)
    .map(({ timing: _, ...rest }) => rest);
}

interface Drawn {
  completions: ReturnType<typeof essence>;
  stats: RunStats;
}

async function draw(model: Model, ahead: number, asked: GenerateOptions = options): Promise<Drawn> {
  const settings = settingsOf(asked);
  const plan = planBatch(model, prompts, settings);
  const sampler = new Sampler(model, prompts, settings, undefined, false, plan, new Set(), ahead);
  const completions: Completion[] = [];
  for await (const e of sampler.events())
    if (e.type === 'completion') completions.push(e.completion);
  return { completions: essence(completions), stats: sampler.stats() };
}

/** The same weights every time. */
const seeded = Object.assign(() => undefined, { seed: 5 });
const kinds: typeof makers = {
  ...makers,
  llama: (changes) => new Llama({ ...tinyConfig, ...changes }, seeded),
};

describe.each(['llama', 'hybrid of Mamba-1'])('a run of a %s', (kind) => {
  let model: Model;
  let want: Drawn['completions'];
  beforeAll(async () => {
    model = (kinds[kind] as (c: object) => Model)({ eosIds: [3, 50], contextLength: 200 });
    want = (await draw(model, 0)).completions;
    expect(new Set(want.map((c) => c.stopReason))).toEqual(new Set(['eos', 'length']));
  });
  afterAll(() => model.dispose());

  const places = [
    ['reading a prompt', 'readPrompt', [0, 3]],
    ['making the states', 'new DecodeBatch', [0, 4]],
    ['drawing first tokens', 'DecodeBatch.first', [0, 5]],
    ['tracing a step', 'CapturedSteps.trace', [0, 30]],
    ['growing the caches', 'ModelState.reserve', [0, 5]],
  ] as const;

  describe.each([0, 1])('with %i steps ahead', (ahead) => {
    it.each(places)('goes on where memory ends while %s', async (_, inside, at) => {
      const before = held();
      for (const number of at) {
        const { result, failed } = await withFailing({ at: number, inside }, () =>
          draw(model, ahead),
        );
        expect(failed).toBe(1);
        expectSameCompletions(result.completions, want);
        expect(result.stats.shrunk).toEqual([
          { from: 6, to: 3, reason: expect.stringMatching(/out of memory: \d+ bytes asked/) },
        ]);
        expect(held()).toEqual(before);
      }
    });

    it('goes on wherever memory ends, once or twice in a row', async () => {
      const { counted } = await withFailing({ at: Number.POSITIVE_INFINITY }, () =>
        draw(model, ahead),
      );
      const before = held();
      for (let i = 0; i < 16; i++) {
        const at = Math.floor((i * counted) / 16);
        const times = i % 2 === 0 ? 1 : 2;
        const { result } = await withFailing({ at, times }, () => draw(model, ahead));
        expectSameCompletions(result.completions, want);
        expect(result.stats.shrunk.length).toBeGreaterThan(0);
        expect(held()).toEqual(before);
      }
    });
  });

  it.skipIf(onGpu)('fits its batch to the memory that is there', async () => {
    const before = backend.memory();
    const asked = { ...options, n: 40, batchSize: 64 };
    const whole = await draw(model, 0, asked);
    const { states, scratch } = planBatch(
      model,
      prompts,
      settingsOf({ ...asked, batchSize: 20 }),
    ).bytes;
    backend.init({ memoryLimit: before.bytes + states + scratch });
    const { completions, stats } = await draw(model, 0, asked);
    expectSameCompletions(completions, whole.completions);
    expect(stats.shrunk[0]).toMatchObject({ from: 64, to: 32 });
    expect(stats.occupancy).toBeLessThanOrEqual(1);
    backend.init({ memoryLimit: limit });
    expect((await draw(model, 0, asked)).stats.shrunk).toEqual([]);
    expect(backend.memory().bytes).toBe(before.bytes);
  });
});

describe('a row that does not fit', () => {
  let model: Model;
  beforeAll(() => {
    model = (kinds.llama as (c: object) => Model)({ eosIds: [3, 50, 77] });
  });
  afterAll(() => model.dispose());

  it('ends the run with what was needed and what helps; what was written is gone on with', async () => {
    const texts = [tokensOf(1, 4), tokensOf(2, 5), tokensOf(3, 180)];
    const asked = { n: 3, maxNewTokens: 12, temperature: 1, seed: 7, batchSize: 2 };
    const want = essence(await sample(model, texts, asked).all());
    const before = held();
    const resume = join(folderWith(), 'run.jsonl');
    const samples = sample(model, texts, { ...asked, resume });
    const { result: error } = await withFailing({ at: 2, inside: 'readPrompt', times: 1e9 }, () =>
      outOfMemory(() => samples.all()),
    );
    expect(error.message).toMatch(
      /one row alone \(batchSize 1\) does not fit in memory: .*\d+ bytes asked.*192 tokens takes about .*maxNewTokens, statePrecision 'bf16', more memory \(MAMBALAB_MEMORY/,
    );
    expect(held()).toEqual(before);
    const all = await sample(model, texts, { ...asked, resume }).all();
    expectSameCompletions(essence(all), want);
    expect(readFileSync(resume, 'utf8').trimEnd().split('\n')).toHaveLength(9);
  });

  it('ends, or goes on with what was freed, wherever memory ends once', async () => {
    const asked = { ...options, n: 2, batchSize: 1 };
    for (const ahead of [0, 1]) {
      const want = await draw(model, ahead, asked);
      const run = () => draw(model, ahead, asked);
      const { counted } = await withFailing({ at: Number.POSITIVE_INFINITY }, run);
      const before = held();
      let ends = 0;
      for (let i = 0; i < 15; i++) {
        const at = Math.floor((i * counted) / 15);
        const { result } = await withFailing({ at }, () => run().catch((error: Error) => error));
        if (result instanceof Error) {
          ends++;
          expect(result.message).toMatch(/one row alone .*by a test/);
        } else {
          expectSameCompletions(result.completions, want.completions);
        }
        expect(held()).toEqual(before);
      }
      const growth = { at: 2, inside: 'ModelState.reserve' };
      const { result, failed } = await withFailing(growth, run);
      expect(failed).toBe(1);
      expectSameCompletions(result.completions, want.completions);
      expect(ends).toBeGreaterThan(0);
    }
  });
});
