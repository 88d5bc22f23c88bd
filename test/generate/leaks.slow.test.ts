/** Ten thousand decode steps, captured and not, leave memory where it was. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { sample } from '../../lib/generate/index.js';
import { tinyLlama, tokensOf } from '../models/tiny.js';

// More where a device is tried for long.
const STEPS = Number(process.env.MAMBALAB_STEPS ?? 10_000);
const PROMPTS = [tokensOf(1, 5), tokensOf(2, 20)];

function measure() {
  const { tensors, buffers, bytes, programs, programBytes } = backend.memory();
  return { tensors, buffers, bytes, programs, programBytes };
}

it('samples', async () => {
  backend.init({ threads: 2 });
  const model = tinyLlama();
  let steps = 0;
  const round = async (seed: number) => {
    const options = { n: 3, batchSize: 4, maxNewTokens: 170, seed };
    const completions = await sample(model, PROMPTS, options).all();
    steps += completions.reduce((sum, c) => sum + c.tokens.length - 1, 0) / options.batchSize;
  };
  await round(0);
  const before = measure();
  steps = 0;
  for (let seed = 1; steps < STEPS; seed++) await round(seed);
  expect(measure()).toEqual(before);
  expect(backend.memory().idleBytes).toBeLessThan(64 << 20);
  model.dispose();
});

it('steps by hand', () => {
  backend.init({ threads: 2 });
  const model = tinyLlama();
  const { contextLength, vocabSize } = model.config;
  let steps = 0;
  const round = () => {
    const state = model.newState(2, 8);
    for (let i = 0; i < contextLength; i++, steps++) {
      const tokens = tf.tensor1d([i % vocabSize, (7 * i) % vocabSize], 'int32');
      tf.dispose([model.step(tokens, state), tokens]);
    }
    state.dispose();
  };
  round();
  const before = measure();
  steps = 0;
  while (steps < STEPS) round();
  expect(measure()).toEqual(before);
  expect(backend.memory().idleBytes).toBeLessThan(64 << 20);
  model.dispose();
});
