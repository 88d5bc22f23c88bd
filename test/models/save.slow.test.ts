import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { loadTokenizer } from '../../lib/data/index.js';
import * as models from '../../lib/models/index.js';
import { folderWith } from '../data/temporary.js';
import { tinyConfig, tokensOf } from './tiny.js';

const students = fileURLToPath(new URL('../goldens/students/', import.meta.url));
const script = fileURLToPath(new URL('../goldens/read_saved.py', import.meta.url));
// Has torch, safetensors and transformers where the benchmarks' peers are installed.
const python = fileURLToPath(new URL('../../.mambalab/peers/venv/bin/python', import.meta.url));

interface Found {
  tensors: Record<string, { dtype: string; shape: number[]; sum: number; squares: number }>;
  logits?: number[][];
  text?: string;
  ids?: number[];
}

function inPython(...folders: string[]): Found[] {
  const env = { ...process.env, HF_HUB_OFFLINE: '1', TOKENIZERS_PARALLELISM: 'false' };
  const options = { env, maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] as never };
  const output = execFileSync(python, [script, ...folders], options).toString();
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Found);
}

beforeAll(() => void backend.init({ threads: 2 }));

describe.skipIf(!existsSync(python))("saved folders in Python's libraries", () => {
  it('have equal tensors in safetensors', () => {
    const layouts = readdirSync(students);
    const folders = layouts.map((layout) => {
      const folder = folderWith();
      const model = models.load(students + layout);
      models.save(model, folder);
      model.dispose();
      return folder;
    });
    const found = inPython(...layouts.map((layout) => students + layout), ...folders);
    for (const [i, layout] of layouts.entries()) {
      const want = found[i] as Found;
      const got = found[i + layouts.length] as Found;
      expect(Object.keys(got.tensors).sort(), layout).toEqual(Object.keys(want.tensors).sort());
      for (const [name, { dtype: _, ...rest }] of Object.entries(want.tensors)) {
        const { dtype, ...values } = got.tensors[name] as Found['tensors'][string];
        expect(values, name).toEqual(rest);
        expect(['torch.float32', 'torch.bfloat16']).toContain(dtype);
      }
    }
  });

  it('run in transformers, where they are Llamas', () => {
    const tokens = tokensOf(3, 12);
    const ropeScaling = { type: 'factors' as const, factors: [1, 2, 3, 8] };
    const configs = [tinyConfig, { ...tinyConfig, ropeScaling, tieEmbeddings: false }];
    const wanted: Float32Array[] = [];
    const folders = configs.map((config) => {
      const folder = folderWith();
      const model = new models.Llama(config, undefined, { interleavedRope: true });
      models.save(model, folder);
      const input = tf.tensor2d(tokens, [1, tokens.length], 'int32');
      wanted.push(tf.tidy(() => model.forward(input).dataSync() as Float32Array));
      model.dispose();
      return folder;
    });
    const found = inPython(...folders.map((folder) => `${folder}=${tokens.join()}`));
    for (const [i, want] of wanted.entries()) {
      const got = found[i]?.logits?.flat() as number[];
      expect(got).toHaveLength(want.length);
      want.forEach((x, at) => {
        expect(got[at]).toBeCloseTo(x, 4);
      });
    }
  });

  it('have the tokenizer of the GGUF file that they came from', () => {
    const folder = folderWith();
    const model = models.load('smollm2-135m-instruct', { precision: 'bf16' });
    models.save(model, folder);
    model.dispose();
    const [found] = inPython(folder);
    const tokenizers = [loadTokenizer('smollm2-135m-instruct'), loadTokenizer(folder)];
    for (const tokenizer of tokenizers) {
      expect(tokenizer.encode(found?.text as string)).toEqual(found?.ids);
    }
    const messages = [{ role: 'user' as const, content: 'What is 2 + 3?' }];
    const [one, two] = tokenizers.map((t) => t.applyChatTemplate(messages));
    expect(two).toBe(one);
    expect(tokenizers[1]?.eosIds).toEqual(tokenizers[0]?.eosIds);
  });
});
