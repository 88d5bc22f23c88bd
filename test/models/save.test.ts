import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import * as models from '../../lib/models/index.js';
import { folderWith } from '../data/temporary.js';
import { tinyConfig, tokensOf } from './tiny.js';

const disk = vi.hoisted(() => ({ room: Number.POSITIVE_INFINITY }));

// A disk that fills: after so many bytes every write fails as Linux makes it fail.
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const writeSync = (file: number, bytes: Uint8Array, at: number, length: number) => {
    if (length > disk.room) {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    }
    disk.room -= length;
    return fs.writeSync(file, bytes, at, length);
  };
  return { ...fs, writeSync };
});

afterEach(() => {
  disk.room = Number.POSITIVE_INFINITY;
});

const students = fileURLToPath(new URL('../goldens/students/', import.meta.url));
beforeAll(() => void backend.init({ threads: 2 }));

function logitsOf(model: models.Model, tokens: readonly number[]): Float32Array {
  const input = tf.tensor2d([...tokens], [1, tokens.length], 'int32');
  const values = tf.tidy(() => model.forward(input).dataSync() as Float32Array);
  input.dispose();
  return values;
}

function using<T>(model: models.Model, use: (model: models.Model) => T): T {
  try {
    return use(model);
  } finally {
    model.dispose();
  }
}

const load = (folder: string, options?: models.LoadOptions) => models.load(folder, options);
const tokens = tokensOf(3, 12, 30);

describe('save', () => {
  it.each(readdirSync(students))('writes %s so that it loads as it was', (layout) => {
    const folder = folderWith();
    using(load(students + layout), (model) => {
      const want = logitsOf(model, tokens);
      const { files, bytes } = models.save(model, folder);
      expect(readdirSync(folder).sort()).toEqual([...files].sort());
      expect(bytes).toBe(
        models.plan(model.config, { precision: 'bf16' }).bytes + denseBytes(model),
      );
      using(load(folder), (again) => {
        expect(again.config).toEqual(model.config);
        expect(logitsOf(again, tokens)).toEqual(want);
      });
    });
  });

  // What is kept as float32 in memory takes two bytes a number more than bfloat16.
  function denseBytes(model: models.Model): number {
    const parameters = model.parameters();
    let bytes = 0;
    for (const [path, t] of parameters) {
      const isMatrix = t.rank === 2 && !/(convWeight|ALog)$/.test(path);
      if (!isMatrix) bytes += 2 * t.size;
    }
    return bytes;
  }

  it('cuts large weights into files with an index, and takes old ones away', () => {
    const folder = folderWith({ 'README.md': 'mine' });
    const model = new models.Llama(tinyConfig);
    using(model, () => {
      models.save(model, folder, { shardBytes: 40_000 });
      const files = readdirSync(folder).sort();
      const shards = files.filter((name) => name.endsWith('.safetensors'));
      expect(shards.length).toBeGreaterThan(2);
      expect(shards[0]).toBe(`model-00001-of-0000${shards.length}.safetensors`);
      const want = logitsOf(model, tokens);
      using(load(folder), (again) => expect(logitsOf(again, tokens)).toEqual(want));
      models.save(model, folder);
      expect(readdirSync(folder).sort()).toEqual(['README.md', 'config.json', 'model.safetensors']);
      using(load(folder), (again) => expect(logitsOf(again, tokens)).toEqual(want));
    });
  });

  it('rounds to bfloat16 where asked to', () => {
    const folder = folderWith();
    using(new models.Llama(tinyConfig), (model) => {
      models.save(model, folder, { precision: 'bf16' });
      using(load(folder), (again) => {
        for (const [path, t] of model.parameters()) {
          const got = (again.parameters().get(path) as tf.Tensor).dataSync();
          const want = t.dataSync();
          want.forEach((x, i) => {
            expect(Math.abs(x - (got[i] as number))).toBeLessThanOrEqual(Math.abs(x) * 2 ** -8);
          });
        }
      });
    });
  });

  it('writes the tokenizer of a folder that has nothing else', () => {
    const mini = fileURLToPath(new URL('../../data/mini/tokenizer', import.meta.url));
    const folder = folderWith();
    using(new models.Llama(tinyConfig, undefined, { ref: mini }), (model) => {
      models.save(model, folder);
      for (const name of ['tokenizer.json', 'chat_template.jinja']) {
        expect(readFileSync(join(folder, name), 'utf8')).toBe(
          readFileSync(join(mini, name), 'utf8'),
        );
      }
    });
  });

  it("puts a GGUF's rows in Hugging Face's order", () => {
    const folder = folderWith();
    const model = new models.Llama(tinyConfig, undefined, { interleavedRope: true });
    using(model, () => {
      const want = logitsOf(model, tokens);
      models.save(model, folder);
      using(load(folder), (again) => {
        const got = logitsOf(again, tokens);
        want.forEach((x, i) => {
          expect(got[i]).toBeCloseTo(x, 4);
        });
      });
    });
  });

  it.each([
    { type: 'linear' as const, factor: 4 },
    {
      type: 'llama3' as const,
      factor: 8,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalContext: 64,
    },
    { type: 'factors' as const, factors: [1, 2, 3, 8] },
  ])('keeps the rotary scaling %j', (ropeScaling) => {
    const folder = folderWith();
    using(new models.Llama({ ...tinyConfig, ropeScaling }), (model) => {
      models.save(model, folder);
      using(load(folder), (again) => {
        expect(again.config).toEqual({ ...tinyConfig, ropeScaling });
        expect(logitsOf(again, tokens)).toEqual(logitsOf(model, tokens));
      });
    });
  });

  it.each([0, 100, 50_000])('leaves the old files when the disk fills after %d bytes', (room) => {
    const folder = folderWith();
    using(new models.Llama(tinyConfig), (old) => {
      models.save(old, folder);
      const before = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]);
      using(new models.Llama({ ...tinyConfig, nLayers: 2 }), (next) => {
        disk.room = room;
        expect(() => models.save(next, folder)).toThrow(
          new RegExp(`^save: ${folder} stays as it was: ENOSPC: no space left`),
        );
      });
      const after = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]);
      expect(after).toEqual(before);
    });
  });

  it('refuses what it cannot do, and says why', () => {
    const model = new models.Llama(tinyConfig);
    const file = join(folderWith({ file: 'x' }), 'file');
    expect(() => models.save(model, file)).toThrow(/^save: .*file stays as it was: .*EEXIST/);
    const folder = folderWith();
    expect(() => models.save(model, folder, { precision: 'q4_0' as never })).toThrow(
      /stored, f32 or/,
    );
    expect(() => models.save(model, folder, { shardBytes: 0 })).toThrow(/shardBytes/);
    model.dispose();
    expect(() => models.save(model, folder)).toThrow(/model was disposed/);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('checkpoints that do not fit', () => {
  it('lists every missing, extra and mis-shaped tensor at once', () => {
    const folder = folderWith();
    using(new models.Llama(tinyConfig), (model) => models.save(model, folder));
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
    const changed = { ...config, num_hidden_layers: 2, intermediate_size: 81 };
    writeFileSync(
      join(folder, 'config.json'),
      JSON.stringify({ ...changed, tie_word_embeddings: false }),
    );
    let message = '';
    try {
      load(folder);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toMatch(/tensors: expected those of a Llama/);
    expect(message).toContain('no lm_head.weight [97, 48]');
    for (const part of [
      'gate_proj.weight of shape [80, 48], not [81, 48]',
      'down_proj.weight of shape',
    ]) {
      expect(message).toContain(`model.layers.{0-1}.mlp.${part}`);
    }
    expect(message).toContain('"model.layers.2.mlp.down_proj.weight", which it has not');
  });
});
