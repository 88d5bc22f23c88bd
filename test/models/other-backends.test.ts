/** The layers and models unchanged on tfjs' own backends, where the compositions serve. */

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, tensorflowFolder } from '#setup/places.mjs';
import * as backend from '../../lib/backend/index.js';
import { type Completion, sample } from '../../lib/generate/index.js';
import * as models from '../../lib/models/index.js';
import { makers } from './students.js';
import { tinyConfig, tokensOf } from './tiny.js';

const require = createRequire(import.meta.url);
const published = fileURLToPath(new URL('../goldens/students/', import.meta.url));
const TOLERANCE = 1e-4;

/** Where set-up built tfjs-node: `node lib/setup/tensorflow.mjs`. */
const built = join(tensorflowFolder, 'stamps', 'tfjs-node.json');

const starts: Record<string, () => void> = {
  cpu: () => undefined,
  wasm: () =>
    setWasmPaths(
      dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')) +
        sep +
        join('dist', sep),
    ),
  tensorflow: () => createRequire(join(tensorflowFolder, 'package.json'))('@tensorflow/tfjs-node'),
};

interface Golden {
  readonly tokens: number[];
  readonly logits: readonly (readonly number[])[];
}

/** The largest difference, relative to the largest of `want`. */
function distance(got: ArrayLike<number>, want: ArrayLike<number>): number {
  const all = Array.from(want);
  const scale = Math.max(...all.map(Math.abs));
  return Math.max(...all.map((x, i) => Math.abs(x - (got[i] as number)))) / scale;
}

/** A model with the same random weights on every backend. */
function make(kind: string, changes: object = {}): models.Model {
  if (kind !== 'llama') return (makers[kind] as (c: object) => models.Model)(changes);
  return new models.Llama(
    { ...tinyConfig, ...changes },
    Object.assign(() => undefined, { seed: 5 }),
  );
}

/** What a model gives where it is made, on the present backend. */
async function everything(kind: string) {
  const model = make(kind, { eosIds: [3, 50] });
  const rows = [tokensOf(2, 9), tokensOf(3, 70)];
  const padded = rows.map((r) => [...r, ...new Array<number>(70 - r.length).fill(0)]);
  const input = tf.tensor2d(padded, [2, 70], 'int32');
  const state = model.newState(2, 4);
  const prefilled = model.extend(input, state, { lengths: [9, 70], logits: 'last' });
  const both = state.select([1, 0, 1]);
  both.copyRow(state, 0, 2);
  const stepped = model.step([5, 6, 7], both);
  const values = [prefilled, stepped].map((t) => Float32Array.from(t.dataSync()));
  const completions = await sample(model, rows, { n: 2, maxNewTokens: 8, temperature: 1 }).all();
  tf.dispose([input, prefilled, stepped]);
  for (const s of [state, both]) s.dispose();
  model.dispose();
  const essence = ({ tokens, stopReason }: Completion) => ({ tokens, stopReason });
  return { values, completions: completions.map(essence) };
}

/** The loss of a text and its gradient by every parameter. */
function gradients(kind: string): Map<string, Float32Array> {
  const model = make(kind);
  const tokens = tf.tensor2d(tokensOf(5, 12), [1, 12], 'int32');
  const targets = tf.oneHot(tf.tensor1d(tokensOf(6, 12), 'int32'), tinyConfig.vocabSize);
  const { value, grads } = tf.variableGrads(
    () => tf.neg(tf.mean(tf.mul(targets, tf.logSoftmax(model.forward(tokens))))) as tf.Scalar,
  );
  const all = [value, ...Object.values(grads)];
  const paths = ['loss', ...model.parameters().keys()];
  expect(all.length).toBe(paths.length);
  const values = all.map((t) => Float32Array.from(t.dataSync()));
  tf.dispose([tokens, targets, value, grads]);
  model.dispose();
  return new Map(paths.map((path, i) => [path, values[i] as Float32Array]));
}

const wanted = new Map<string, Awaited<ReturnType<typeof everything>>>();
const wantedGradients = new Map<string, Map<string, Float32Array>>();

beforeAll(async () => {
  backend.init({ threads: 2 });
  for (const name of Object.keys(makers)) {
    wanted.set(name, await everything(name));
    wantedGradients.set(name, gradients(name));
  }
});

describe.each(Object.keys(starts))("tfjs' backend '%s'", (name) => {
  const runs = name !== 'tensorflow' || existsSync(built);
  describe.skipIf(!runs)('runs', () => {
    beforeAll(async () => {
      starts[name]?.();
      await tf.setBackend(name);
    });
    afterAll(() => void backend.init());

    it.each(readdirSync(published))("%s with the reference's logits", (layout) => {
      const text = readFileSync(join(published, layout, 'golden.json'), 'utf8');
      const { tokens, logits } = JSON.parse(text) as Golden;
      const model = models.load(published + layout);
      expect(tf.getBackend()).toBe(name);
      const input = tf.tensor2d([tokens], [1, tokens.length], 'int32');
      const forward = tf.tidy(() => model.forward(input).dataSync());
      expect(distance(forward, logits.flat())).toBeLessThan(TOLERANCE);
      const state = model.newState(1);
      const half = Math.floor(tokens.length / 2);
      const first = tf.tensor2d([tokens.slice(0, half)], [1, half], 'int32');
      model.extend(first, state, { logits: 'last' }).dispose();
      for (let t = half; t < tokens.length; t++) {
        const step = model.step([tokens[t] as number], state);
        expect(distance(step.dataSync(), logits[t] as number[])).toBeLessThan(TOLERANCE);
        step.dispose();
      }
      tf.dispose([input, first]);
      state.dispose();
      model.dispose();
    });

    it.each(Object.keys(makers))(
      'a %s as native does: ragged rows, steps, samples',
      async (kind) => {
        const got = await everything(kind);
        const want = wanted.get(kind);
        expect(got.completions).toEqual(want?.completions);
        got.values.forEach((values, i) => {
          expect(distance(values, want?.values[i] as Float32Array)).toBeLessThan(TOLERANCE);
        });
      },
    );

    // tfjs' wasm backend lacks a kernel of the embedding's gradient (UnsortedSegmentSum).
    const differentiable = name === 'wasm' ? [] : Object.keys(makers);
    it.each(differentiable)("a %s with native's gradients", (kind) => {
      const want = wantedGradients.get(kind) as Map<string, Float32Array>;
      const got = gradients(kind);
      expect([...got.keys()]).toEqual([...want.keys()]);
      for (const [path, values] of got) {
        expect(distance(values, want.get(path) as Float32Array), path).toBeLessThan(TOLERANCE);
      }
    });
  });
});

it('is the backend of a loaded model where the program chose it, and native where none was', () => {
  const loaded = (choice: string) => {
    const code = `
      import * as tf from '@tensorflow/tfjs';
      import * as models from 'mambalab/models';
      ${choice}
      models.load(${JSON.stringify(`${published}llamba-tied`)});
      process.stdout.write(tf.getBackend());`;
    const args = ['--input-type=module', '-e', code];
    return execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  };
  expect(loaded('')).toBe('native');
  expect(
    loaded("await import('@tensorflow/tfjs-backend-wasm'); await tf.setBackend('wasm');"),
  ).toBe('wasm');
});
