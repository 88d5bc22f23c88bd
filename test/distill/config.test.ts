import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { savedPrecision } from '../../lib/distill/config/parts.js';
import { readConfig } from '../../lib/distill/config/read.js';
import {
  type DistillConfig,
  distillConfig,
  sftConfig,
  trainConfig,
} from '../../lib/distill/config/schema.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mambalab-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const training = {
  steps: 10,
  data: { sources: ['a.jsonl'] as [string], length: 64, batch: 2 },
  learningRate: { kind: 'constant' as const, rate: 1e-3 },
};

const distill: DistillConfig = {
  recipe: 'mamba-in-llama',
  teacher: 'smollm2-135m-instruct',
  student: { family: 'mamba-in-llama', attentionLayers: [4, 9] },
  run: { folder: 'runs/a' },
  ...training,
};

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

describe('a configuration', () => {
  it('is read from JSON, with defaults', async () => {
    const read = await readConfig(distillConfig, file('a.json', distill));
    expect(read).toEqual({ ...distill, data: { ...training.data, seed: 0, loss: 'all' } });
  });

  it('says what the weights are rounded to, and so how the model is saved', async () => {
    const bf16 = { ...distill, optimizer: { weights: 'bfloat16' } };
    const read = await readConfig(distillConfig, file('w.json', bf16));
    expect(savedPrecision(read)).toBe('bf16');
    expect(savedPrecision(await readConfig(distillConfig, file('w.json', distill)))).toBe('f32');
    const wrong = file('w.json', { ...distill, optimizer: { weights: 'float16' } });
    await expect(readConfig(distillConfig, wrong)).rejects.toThrow('optimizer.weights: Invalid');
  });

  it('is the default export of a TypeScript module', async () => {
    const source = `const steps: number = 5;\nexport default { ...${JSON.stringify(distill)}, steps };`;
    const read = await readConfig(distillConfig, file('a.ts', source));
    expect(read).toMatchObject({ steps: 5, teacher: 'smollm2-135m-instruct' });
  });
});

describe('what is wrong is listed whole', () => {
  it('unknown fields with the nearest known one, missing and wrong ones', async () => {
    const path = file('b.json', {
      ...distill,
      step: 3,
      divergence: 'backward',
      steps: undefined,
      data: { ...training.data, bacth: 4, length: -1 },
    });
    const error = await readConfig(distillConfig, path).catch((e: Error) => e.message);
    expect(error).toContain(path);
    for (const part of [
      "unknown field 'step'; did you mean 'steps'?",
      "data: unknown field 'bacth'; did you mean 'batch'?",
      'steps: Invalid input',
      'data.length: Too small',
      'divergence: Invalid option',
    ]) {
      expect(error).toContain(part);
    }
  });

  it.each([
    ['a recipe that is none', distillConfig, { ...distill, recipe: 'mohawks' }, /recipe: /],
    ['no JSON', sftConfig, '{"a": ', /no JSON/],
    [
      'a stage of another recipe',
      sftConfig,
      { recipe: 'sft', model: 'm', run: { folder: 'x' }, ...training, stages: {} },
      /unknown field 'stages'/,
    ],
    [
      'a shape without layers',
      trainConfig,
      { recipe: 'llama', tokenizer: 't', model: { dModel: 8 }, run: { folder: 'x' }, ...training },
      /model\.nLayers/,
    ],
  ])('%s', async (_, schema, content, message) => {
    await expect(readConfig(schema, file('c.json', content))).rejects.toThrow(message);
  });

  it('a module without a default export, a file of another kind, none at all', async () => {
    await expect(readConfig(sftConfig, file('d.mjs', 'export const a = 1;'))).rejects.toThrow(
      'no default export',
    );
    await expect(readConfig(sftConfig, file('e.yaml', 'a: 1'))).rejects.toThrow('ends in .json');
    await expect(readConfig(sftConfig, join(folder, 'none.json'))).rejects.toThrow('ENOENT');
  });
});
