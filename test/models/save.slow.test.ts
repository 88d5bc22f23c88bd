import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { venvProgram } from '#setup/places.mjs';
import * as backend from '../../lib/backend/index.js';
import { loadTokenizer } from '../../lib/data/index.js';
import * as models from '../../lib/models/index.js';
import { folderWith } from '../data/temporary.js';
import { tinyConfig, tokensOf } from './tiny.js';

const students = fileURLToPath(new URL('../goldens/students/', import.meta.url));
const script = fileURLToPath(new URL('../goldens/read_saved.py', import.meta.url));
const readTensors = fileURLToPath(new URL('../goldens/read_tensors.py', import.meta.url));
// Has transformers and tokenizers where the benchmarks' peers are installed.
const peers = fileURLToPath(new URL('../../.mambalab/peers/venv/bin/python', import.meta.url));

interface Found {
  logits?: number[][];
  text?: string;
  ids?: number[];
}

function inPython(...folders: string[]): Found[] {
  return linesOf<Found>(peers, [script, ...folders]);
}

/** Of each tensor in Python: type, shape and a digest of its values as float32. */
type Tensors = Record<string, { dtype: string; shape: number[]; values: string }>;

function linesOf<T>(python: string, args: string[]): T[] {
  const env = { ...process.env, HF_HUB_OFFLINE: '1', TOKENIZERS_PARALLELISM: 'false' };
  const options = { env, maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] as never };
  const output = execFileSync(python, args, options).toString();
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

beforeAll(() => void backend.init({ threads: 2 }));

describe("saved folders in Python's safetensors", () => {
  const layouts = readdirSync(students);

  it.each([
    ['one file', {}],
    ['several files', { shardBytes: 4096 }],
  ])('have the tensors that they were loaded from, in %s', (_, options) => {
    const folders = layouts.map((layout) => {
      const folder = folderWith();
      const model = models.load(students + layout);
      models.save(model, folder, options);
      model.dispose();
      return folder;
    });
    // The goldens were written by Python, so that nothing of ours is on that side.
    const found = linesOf<Tensors>(venvProgram('python'), [
      readTensors,
      ...layouts.map((layout) => students + layout),
      ...folders,
    ]);
    for (const [i, layout] of layouts.entries()) {
      const want = found[i] as Tensors;
      const got = found[i + layouts.length] as Tensors;
      expect(Object.keys(got).sort(), layout).toEqual(Object.keys(want).sort());
      expect(Object.keys(got).length, layout).toBeGreaterThan(20);
      for (const [name, { shape, values }] of Object.entries(want)) {
        expect(got[name], `${layout} ${name}`).toMatchObject({ shape, values });
        expect(['F32', 'BF16']).toContain(got[name]?.dtype);
      }
    }
  });
});

describe.skipIf(!existsSync(peers))("saved folders in Python's transformers and tokenizers", () => {
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
