import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import * as models from '../../lib/models/index.js';
import { folderWith } from '../data/temporary.js';
import { makers } from './students.js';
import { tinyLlama } from './tiny.js';

beforeAll(() => void backend.init({ threads: 2 }));

/** A Llama whose rows are whole blocks and whose embedding is read in part. */
const wide = { vocabSize: 2000, dModel: 64, nHeads: 8, nKvHeads: 2, dMlp: 96 };

function savedLlama(): string {
  const folder = folderWith();
  const model = tinyLlama(wide);
  models.save(model, folder);
  model.dispose();
  return folder;
}

function fingerprint(folder: string, options?: models.LoadOptions): string {
  const model = models.load(folder, options);
  try {
    return model.fingerprint();
  } finally {
    model.dispose();
  }
}

describe('fingerprint', () => {
  it('is the same for the same weights, and takes no memory', () => {
    const folder = savedLlama();
    const first = fingerprint(folder);
    const before = backend.memory().bytes;
    expect(fingerprint(folder)).toBe(first);
    expect(backend.memory().bytes).toBe(before);
    expect(tf.memory().numTensors).toBe(0);
  });

  it('differs by precision and by how activations are multiplied', () => {
    const folder = savedLlama();
    const ways: models.LoadOptions[] = [
      {},
      { precision: 'bf16' },
      { precision: 'q8_0' },
      { precision: 'q8_0', activations: 'int8' },
      { precision: 'q4_0' },
      { precision: 'q4_0', activations: 'int8' },
    ];
    expect(new Set(ways.map((way) => fingerprint(folder, way))).size).toBe(ways.length);
  });

  it.each([
    'embedding.weight',
    'layers.1.attention.q',
    'layers.2.attentionNorm.weight',
    'norm.weight',
  ])('differs where %s has moved', (path) => {
    const model = tinyLlama(wide);
    const parameter = model.parameters().get(path);
    if (!parameter) throw new Error(`no ${path} in ${[...model.parameters().keys()].join(' ')}`);
    const before = model.fingerprint();
    const values = parameter.dataSync() as Float32Array;
    backend.assign(
      parameter,
      values.map((x) => x * 1.001),
    );
    expect(model.fingerprint()).not.toBe(before);
    backend.assign(parameter, values);
    expect(model.fingerprint()).toBe(before);
    model.dispose();
  });
});

describe.each(Object.keys(makers))('stateBytes of a %s', (name) => {
  it('is what a state takes', () => {
    const model = (makers[name] as () => models.Model)();
    for (const [batch, capacity] of [
      [1, 1],
      [3, 17],
    ] as const) {
      const state = model.newState(batch, capacity);
      expect(batch * model.stateBytes(capacity)).toBe(state.bytes);
      state.dispose();
    }
    model.dispose();
  });
});
