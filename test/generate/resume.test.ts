import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { nativeBackend } from '../../lib/backend/init.js';
import { type Completion, type GenerateOptions, sample } from '../../lib/generate/index.js';
import type { Model } from '../../lib/models/index.js';
import { folderWith } from '../data/temporary.js';
import { makers } from '../models/students.js';
import { tinyLlama, tokensOf } from '../models/tiny.js';
import { expectSameCompletions } from '../same.js';

let model: Model;

beforeAll(() => {
  backend.init({ threads: 2 });
  model = makers.llamba?.({ eosIds: [3, 50, 77] }) as Model;
});
afterAll(() => model.dispose());

const prompts = [1, 2, 3, 4].map((seed) => tokensOf(seed, 3 * seed));
const options = { n: 5, maxNewTokens: 20, temperature: 1, seed: 7, batchSize: 4 };

/** As a set: in one order, and without what differs from run to run. */
function essence(completions: readonly Completion[]) {
  return completions
    .map(({ timing: _, ...rest }) => rest)
    .sort((a, b) => a.prompt - b.prompt || a.sample - b.sample);
}

function linesOf(path: string): Completion[] {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Completion);
}

/** Samples until so many completions have come, and stops like a consumer that is gone. */
async function some(count: number, resume: string, more: GenerateOptions = {}) {
  const seen: Completion[] = [];
  for await (const c of sample(model, prompts, { ...options, ...more, resume })) {
    seen.push(c);
    if (seen.length === count) break;
  }
  return seen;
}

describe('resume', () => {
  it('writes the completions of a run without it', async () => {
    const path = join(folderWith(), 'deep', 'run.jsonl');
    const want = essence(await sample(model, prompts, options).all());
    const got = await sample(model, prompts, { ...options, resume: path }).all();
    expectSameCompletions(essence(got), want);
    expectSameCompletions(essence(linesOf(path)), want);
  });

  it('goes on where a run stopped, at any batch size, and yields all', async () => {
    const path = join(folderWith(), 'run.jsonl');
    const want = essence(await sample(model, prompts, options).all());
    await some(3, path);
    expect(linesOf(path)).toHaveLength(3);
    const old = readFileSync(path, 'utf8');
    await some(9, path, { batchSize: 2 });
    expect(readFileSync(path, 'utf8').startsWith(old)).toBe(true);
    expect(linesOf(path)).toHaveLength(9);
    const all = await sample(model, prompts, { ...options, batchSize: 16, resume: path }).all();
    expectSameCompletions(essence(all), want);
    expectSameCompletions(essence(linesOf(path)), want);
    const done = readFileSync(path, 'utf8');
    const again = await sample(model, prompts, { ...options, resume: path }).all();
    expectSameCompletions(essence(again), want);
    expect(readFileSync(path, 'utf8')).toBe(done);
  });

  it('goes on with bfloat16 states, and with no others', async () => {
    const path = join(folderWith(), 'run.jsonl');
    const half = { statePrecision: 'bf16' } as const;
    const want = essence(await sample(model, prompts, { ...options, ...half }).all());
    await some(3, path, half);
    await expect(some(4, path)).rejects.toThrow(/found another statePrecision$/);
    const all = await sample(model, prompts, { ...options, ...half, resume: path }).all();
    expectSameCompletions(essence(all), want);
    const logProbs = (completions: readonly { logProb: number }[]) =>
      completions.map(({ logProb }) => logProb);
    const whole = essence(await sample(model, prompts, options).all());
    expect(logProbs(want)).not.toEqual(logProbs(whole));
  });

  it('cuts off the line that a killed run was writing', async () => {
    const path = join(folderWith(), 'run.jsonl');
    const want = essence(await sample(model, prompts, options).all());
    await some(4, path);
    appendFileSync(path, '{"prompt":2,"sample":1,"tok');
    const all = await sample(model, prompts, { ...options, resume: path }).all();
    expectSameCompletions(essence(all), want);
    expectSameCompletions(essence(linesOf(path)), want);
  });

  it.each<[string, () => Promise<unknown>, RegExp]>([
    [
      'options',
      () => some(1, file(), { seed: 8, temperature: 0.5 }),
      /another sampling\.temperature, another sampling\.seed/,
    ],
    [
      'states',
      () => some(1, file(), { statePrecision: 'bf16' }),
      /run\.jsonl\.run\.json: run: expected .*, found another statePrecision$/,
    ],
    [
      'prompts',
      () => sample(model, [[1]], { ...options, resume: file() }).all(),
      /another prompts\.count, another prompts\.sha256/,
    ],
    [
      'weights',
      async () => {
        const other = makers.llamba?.({ eosIds: [3, 50, 77], normEps: 1e-5 }) as Model;
        const norm = other.parameters().get('norm.weight');
        backend.assign(norm as never, new Float32Array(48).fill(1.5));
        try {
          await sample(other, prompts, { ...options, resume: file() }).all();
        } finally {
          other.dispose();
        }
      },
      /run\.jsonl\.run\.json: run: expected .*, found another weights$/,
    ],
    [
      'activations',
      async () => {
        const matrix = model.parameters().get('layers.0.mlp.gate') as tf.Tensor;
        nativeBackend().setActivations(matrix, 'int8');
        try {
          await some(1, file());
        } finally {
          nativeBackend().setActivations(matrix, 'float32');
        }
      },
      /run\.jsonl\.run\.json: run: expected .*, found another weights$/,
    ],
    [
      'model',
      async () => {
        const other = tinyLlama();
        try {
          await sample(other, prompts, { ...options, resume: file() }).all();
        } finally {
          other.dispose();
        }
      },
      /another model\./,
    ],
  ])('refuses the file of a run with other %s and leaves it alone', async (_, act, message) => {
    path = join(folderWith(), 'run.jsonl');
    await some(3, path);
    const before = readFileSync(path, 'utf8');
    await expect(act()).rejects.toThrow(message);
    expect(readFileSync(path, 'utf8')).toBe(before);
  });
  let path = '';
  const file = () => path;

  it('refuses a file without its run, and lines that are no completions of it', async () => {
    const at = join(folderWith({ 'run.jsonl': '{"a":1}\n' }), 'run.jsonl');
    await expect(some(1, at)).rejects.toThrow(/run\.jsonl: file: expected its run beside it/);
    rmSync(at);
    await some(2, at);
    const good = readFileSync(at, 'utf8');
    for (const [bad, message] of [
      [good + good, /line 3: expected each completion once, found prompt 0, sample \d again/],
      [`${good}{"a":1}\n`, /line 3: expected a completion, found {"a":1}/],
      [
        `${good}${good.split('\n')[0]?.replace('"prompt":0', '"prompt":4')}\n`,
        /line 3: expected one of the completions 0 to 19 of 5 samples a prompt, found prompt 4/,
      ],
      [`${good}nonsense\n`, /line 3: expected one JSON value/],
    ] as const) {
      writeFileSync(at, bad);
      await expect(some(3, at)).rejects.toThrow(message);
      expect(readFileSync(at, 'utf8')).toBe(bad);
    }
    expect(() => sample(model, prompts, { resume: '' })).toThrow(/resume must be the path/);
  });
});
