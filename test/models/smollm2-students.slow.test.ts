import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { loadTokenizer } from '../../lib/data/index.js';
import { sample } from '../../lib/generate/index.js';
import * as models from '../../lib/models/index.js';
import { folderWith } from '../data/temporary.js';

describe('students of SmolLM2-135M-Instruct', () => {
  let teacher: models.Llama;
  beforeAll(() => {
    backend.init({ threads: 2 });
    teacher = models.load('smollm2-135m-instruct') as models.Llama;
  });
  afterAll(() => teacher?.dispose());

  const log = () => {};
  const every = (n: number, from: number) =>
    Array.from({ length: 30 }, (_, i) => i).filter((i) => i % n === from);
  it.each<[string, models.LlambaSpec | models.MambaInLlamaSpec]>([
    ['a Llamba', { family: 'llamba', log }],
    ['a hybrid', { family: 'mamba-in-llama', attentionLayers: every(5, 4), log }],
  ])('%s runs, samples, saves and loads', async (_, spec) => {
    const student: models.Model = models.convert(teacher, spec as never);
    const tokenizer = loadTokenizer('smollm2-135m-instruct');
    const prompt = tokenizer.encode('Tom has 3 apples and buys 4 more. Now he has');
    const input = tf.tensor2d(prompt, [1, prompt.length], 'int32');
    const logitsOf = (model: models.Model) => tf.tidy(() => model.forward(input).dataSync());
    expect(logitsOf(student).every(Number.isFinite)).toBe(true);

    const options = { n: 4, maxNewTokens: 12, seed: 1 };
    const all = await sample(student, ['Tom has 3 apples.'], options).all();
    expect(all).toHaveLength(4);
    for (const { tokens, text } of all) {
      expect(tokenizer.decode(tokens, { skipSpecialTokens: true })).toBe(text);
    }

    const folder = folderWith();
    models.save(student, folder, { precision: 'bf16', shardBytes: 100e6 });
    student.dispose();
    const [first, second] = [models.load(folder), models.load(folder, { precision: 'f32' })];
    expect(first.config).toEqual(student.config);
    const [a, b] = [logitsOf(first), logitsOf(second)];
    const most = (values: Iterable<number>) =>
      [...values].reduce((x, y) => Math.max(x, Math.abs(y)), 0);
    expect(most(a.map((x, i) => x - (b[i] as number))) / most(a)).toBeLessThan(1e-4);
    const again = await sample(first, ['Tom has 3 apples.'], options).all();
    expect(again.map((c) => c.tokens.length)).toHaveLength(4);
    for (const model of [first, second]) model.dispose();
    input.dispose();
  });
});
