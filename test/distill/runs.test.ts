import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import * as distill from '../../lib/distill/index.js';
import * as models from '../../lib/models/index.js';
import { tinyConfig } from '../models/tiny.js';
import { source } from './source.js';

beforeAll(() => void backend.init({ threads: 2 }));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mambalab-run-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const seeded = Object.assign(() => undefined, { seed: 5 });
const make = () => new models.Llama(tinyConfig, seeded);

function hashOf(model: models.Model): string {
  const hash = createHash('sha256');
  for (const t of model.parameters().values()) hash.update(t.dataSync() as Float32Array);
  return hash.digest('hex');
}

const learningRate = distill.schedules.wsd({ peak: 3e-3, steps: 20, warmup: 4, decay: 5 });
const options = (more: Partial<distill.SftOptions> = {}): distill.SftOptions => ({
  steps: 20,
  data: source(),
  learningRate,
  run: { folder: join(folder, 'run'), saveEvery: 3 },
  ...more,
});

/** A run that is stopped after some of its steps. */
async function stopped(after: number, more: Partial<distill.SftOptions> = {}): Promise<void> {
  const controller = new AbortController();
  const model = make();
  const onStep = ({ step }: distill.StepMetrics) => {
    if (step === after) controller.abort(new Error('stopped here'));
  };
  const run = distill.sft(model, options({ signal: controller.signal, onStep, ...more }));
  await expect(run).rejects.toThrow('stopped here');
  model.dispose();
}

describe('a run that was stopped', () => {
  it('goes on bit for bit, with the metrics of all steps', async () => {
    const plain = make();
    const { metrics } = await distill.sft(
      plain,
      options({ run: { folder: join(folder, 'plain') } }),
    );
    await stopped(7);
    await stopped(13);
    const model = make();
    const result = await distill.sft(model, options());
    expect(result.resumedAt).toBe(13);
    expect(hashOf(model)).toBe(hashOf(plain));
    const same = (m: distill.StepMetrics) => ({ ...m, tokensPerSecond: 0, memoryBytes: 0 });
    expect(result.metrics.map(same)).toEqual(metrics.map(same));
    const written = distill.readMetrics(join(folder, 'run', 'metrics.jsonl'));
    expect(written.map(same)).toEqual(metrics.map(same));
    expect(metrics.at(-1)?.loss).toBeLessThan(0.9 * (metrics[0]?.loss as number));
  });

  it('makes the steps after its last checkpoint again, where it had no time to save', async () => {
    await stopped(8);
    const checkpoints = join(folder, 'run', 'checkpoints');
    expect(readdirSync(checkpoints)).toEqual(['step-00000006', 'step-00000008']);
    rmSync(join(checkpoints, 'step-00000008'), { recursive: true });
    writeFileSync(join(folder, 'run', 'metrics.jsonl'), '{"step":7,"lo', { flag: 'a' });
    const [plain, model] = [make(), make()];
    await distill.sft(plain, options({ run: { folder: join(folder, 'plain') } }));
    const { resumedAt, metrics } = await distill.sft(model, options());
    expect(resumedAt).toBe(6);
    expect(metrics.map(({ step }) => step)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(hashOf(model)).toBe(hashOf(plain));
  });

  it('that is finished is not made again', async () => {
    const first = make();
    await distill.sft(first, options());
    const data = source();
    const again = make();
    const result = await distill.sft(again, options({ data }));
    expect(data.given).toEqual([]);
    expect(result.resumedAt).toBe(20);
    expect(hashOf(again)).toBe(hashOf(first));
  });
});

describe('a run with bfloat16 weights', () => {
  const optimizer = { weights: 'bfloat16' } as const;

  it('goes on bit for bit, and its model is saved as bfloat16 without loss', async () => {
    const plain = make();
    const { metrics } = await distill.sft(
      plain,
      options({ optimizer, run: { folder: join(folder, 'plain') } }),
    );
    await stopped(7, { optimizer });
    const model = make();
    expect((await distill.sft(model, options({ optimizer }))).resumedAt).toBe(7);
    expect(hashOf(model)).toBe(hashOf(plain));
    expect(metrics.at(-1)?.loss).toBeLessThan(0.9 * (metrics[0]?.loss as number));
    models.save(model, join(folder, 'saved'), { precision: 'bf16' });
    expect(hashOf(models.load(join(folder, 'saved')) as models.Model)).toBe(hashOf(model));
  });

  it('does not go on in a folder of float32 ones', async () => {
    await stopped(4);
    await expect(distill.sft(make(), options({ optimizer }))).rejects.toThrow(
      /weights: nothing there, "bfloat16" asked for/,
    );
  });
});

it('keeps the last checkpoints and the best model', async () => {
  const values = [3, 1, 2, 5];
  const measure = () => ({ perplexity: values.shift() as number });
  const best = { name: 'perplexity', larger: false };
  await distill.sft(make(), options({ evaluation: { every: 5, measure, best } }));
  expect(readdirSync(join(folder, 'run', 'checkpoints'))).toEqual([
    'step-00000018',
    'step-00000020',
  ]);
  const state = join(folder, 'run', 'checkpoints', 'step-00000020', 'state.json');
  expect(JSON.parse(readFileSync(state, 'utf8')).best).toEqual({ step: 10, value: 1 });
  const kept = models.load(join(folder, 'run', 'best'));
  expect(kept.forward(tf.tensor2d([[1, 2]], undefined, 'int32')).shape).toEqual([1, 2, 97]);
  const metrics = distill.readMetrics(join(folder, 'run', 'metrics.jsonl'));
  expect(metrics.filter((m) => m.evaluation).map((m) => m.step)).toEqual([5, 10, 15, 20]);
});

it('a folder of another run, or one that is in use, is refused', async () => {
  await stopped(4);
  const other = distill.sft(make(), options({ steps: 30 }));
  await expect(other).rejects.toThrow(/holds another run.*steps: 20 there, 30 asked for/);
  const running = distill.sft(make(), options());
  await expect(distill.sft(make(), options())).rejects.toThrow(/process \d+ is writing it/);
  await running;
});

it('a loss that is not finite stops the run before the step, with what is known', async () => {
  const model = make();
  const data = source(8, (batch, index) => {
    if (index === 6) {
      const weight = model.parameters().get('layers.1.mlp.down') as tf.Tensor;
      backend.assign(weight, new Float32Array(weight.size).fill(Number.NaN));
    }
    return batch;
  });
  const error = await distill.sft(model, options({ data })).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(distill.NotFiniteError);
  const { message, step, ids } = error as distill.NotFiniteError;
  expect({ step, ids }).toEqual({ step: 7, ids: ['batch 6'] });
  expect(message).toMatch(/parameter layers\.1\.mlp\.down.*batch 6.*checkpoints\/step-00000006/);
});

it('an input that overflows names the layer', async () => {
  const model = make();
  const embedding = model.parameters().get('layers.1.attention.v') as tf.Tensor;
  backend.assign(embedding, new Float32Array(embedding.size).fill(3e38));
  const run = distill.sft(model, options());
  await expect(run).rejects.toThrow(/step 1: .*not finite is layer 1, in row 0; batch: batch 0/);
});

describe('bad options are named', () => {
  it.each([
    [{ steps: 0 }, 'steps must be a positive integer, got 0'],
    [{ accumulate: 1.5 }, 'accumulate must be a positive integer, got 1.5'],
    [{ run: { folder: 'x', saveEvery: 0 } }, 'saveEvery must be a positive integer, got 0'],
  ])('%j', async (more, message) => {
    await expect(distill.sft(make(), options(more))).rejects.toThrow(message);
  });
});
