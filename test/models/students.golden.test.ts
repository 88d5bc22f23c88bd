import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import * as models from '../../lib/models/index.js';
import { onGpu } from '../same.js';

// Written by test/goldens/students.py: the models' equations in NumPy float64.
interface Golden {
  readonly tokens: readonly number[];
  readonly logits: readonly (readonly number[])[];
}

const folder = fileURLToPath(new URL('../goldens/students/', import.meta.url));
const layouts = readdirSync(folder);

beforeAll(() => void backend.init({ threads: 2 }));

function golden(layout: string): Golden {
  return JSON.parse(readFileSync(`${folder}${layout}/golden.json`, 'utf8')) as Golden;
}

/** The largest difference, relative to the largest logit. */
function distance(got: ArrayLike<number>, want: readonly number[]): number {
  const scale = Math.max(...want.map(Math.abs));
  return Math.max(...want.map((x, i) => Math.abs(x - (got[i] as number)))) / scale;
}

// A GPU rounds what bf16 weights are multiplied with to bf16 too.
const tolerance = onGpu ? 4e-2 : 1e-4;

it('has every published layout', () => {
  expect(layouts).toEqual([
    'llamba-tied',
    'llamba-untied-sharded',
    'm1-mamba',
    'm1-mamba2',
    'mamba-in-llama-mamba',
    'mamba-in-llama-mamba2',
  ]);
});

describe.each(layouts)('%s', (layout) => {
  let model: models.Model;
  beforeAll(() => {
    model = models.load(folder + layout);
  });
  afterAll(() => model?.dispose());

  it('is the family that its folder says', () => {
    const kind = layout.startsWith('llamba') ? models.Llamba : models.MambaInLlama;
    expect(model).toBeInstanceOf(kind);
    const { tensors } = models.plan(model.config);
    expect(tensors.length).toBeGreaterThan(15);
  });

  it("gives the equations' logits for the whole sequence", () => {
    const { tokens, logits } = golden(layout);
    const input = tf.tensor2d([...tokens], [1, tokens.length], 'int32');
    const got = tf.tidy(() => model.forward(input).dataSync());
    expect(distance(got, logits.flat())).toBeLessThan(tolerance);
    input.dispose();
  });

  it("gives the equations' logits token by token", () => {
    const { tokens, logits } = golden(layout);
    const state = model.newState(1);
    tokens.forEach((token, t) => {
      const step = model.step([token], state);
      expect(distance(step.dataSync(), logits[t] as number[])).toBeLessThan(1e-4);
      step.dispose();
    });
    state.dispose();
  });

  it('gives them with weights in float32 too', () => {
    const { tokens, logits } = golden(layout);
    const dense = models.load(folder + layout, { precision: 'f32' });
    const input = tf.tensor2d([...tokens], [1, tokens.length], 'int32');
    const got = tf.tidy(() => dense.forward(input).dataSync());
    expect(distance(got, logits.flat())).toBeLessThan(1e-4);
    input.dispose();
    dense.dispose();
  });
});
