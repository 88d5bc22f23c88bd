/** Decode steps as captured programs: the numbers of eager ones, and no memory. */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { assign, Program } from '../../lib/backend/index.js';
import type { ModelState } from '../../lib/layers/index.js';
import type { Model } from '../../lib/models/index.js';
import { makers } from '../models/students.js';

// More where a device is tried for long.
const STEPS = Number(process.env.MAMBALAB_STEPS ?? 10_000);
const ROWS = 3;
const VOCAB = 97;

beforeAll(() => void backend.init({ threads: 2 }));

/** The tokens of step `i`, and which rows are idle in it. */
function inputsOf(i: number): [Int32Array, Int32Array] {
  const tokens = Int32Array.from({ length: ROWS }, (_, row) => (7 * i + 31 * row) % VOCAB);
  const lens = Int32Array.from({ length: ROWS }, (_, row) => ((i + row) % 5 === 0 ? 0 : 1));
  return [tokens, lens];
}

function captured(model: Model, state: ModelState) {
  const [tokens, lens] = inputsOf(0).map((values) => tf.keep(tf.tensor1d(values, 'int32')));
  const program = Program.trace(() =>
    model.stepOnDevice(tokens as tf.Tensor1D, state, lens as tf.Tensor1D),
  );
  return {
    logits: program.outputs,
    step(i: number) {
      inputsOf(i).forEach((values, at) => {
        assign([tokens, lens][at] as tf.Tensor, values);
      });
      program.replay();
    },
    dispose() {
      program.dispose();
      tf.dispose([tokens, lens] as tf.Tensor[]);
    },
  };
}

function eager(model: Model, state: ModelState, i: number): Float32Array {
  const logits = tf.tidy(() => {
    const [tokens, lens] = inputsOf(i).map((values) => tf.tensor1d(values, 'int32'));
    return model.stepOnDevice(tokens as tf.Tensor1D, state, lens as tf.Tensor1D);
  });
  const values = logits.dataSync() as Float32Array;
  logits.dispose();
  return values.slice();
}

const bits = (values: Float32Array) => new Int32Array(values.slice().buffer);

describe.each(Object.keys(makers))('captured steps of a %s', (name) => {
  let model: Model;
  beforeAll(() => {
    model = (makers[name] as (c: object) => Model)({ contextLength: 2 * STEPS });
  });
  afterAll(() => model.dispose());

  it('give the logits and states of eager ones bit for bit', () => {
    const [one, two] = [model.newState(ROWS, 160), model.newState(ROWS, 160)];
    const program = captured(model, one);
    for (let i = 0; i < 150; i++) {
      if (i > 0) program.step(i);
      const want = eager(model, two, i);
      expect(bits(program.logits.dataSync() as Float32Array)).toEqual(bits(want));
    }
    const tensors = (state: ModelState) =>
      Array.from({ length: model.config.nLayers }, (_, i) => state.layer(i).tensors()).flat();
    const [got, want] = [one, two].map((s) =>
      [...tensors(s), s.positions].map((t) => t.dataSync()),
    );
    expect(got).toEqual(want);
    program.dispose();
    for (const state of [one, two]) state.dispose();
  });

  it(`allocate nothing in ${STEPS} steps and leave memory where it was`, () => {
    const state = model.newState(ROWS, STEPS + 200);
    const program = captured(model, state);
    for (let i = 1; i < 100; i++) program.step(i);
    const measure = () => {
      const { tensors, buffers, bytes, idleBytes, programBytes, peakBytes } = backend.memory();
      return { tensors, buffers, bytes, idleBytes, programBytes, peakBytes };
    };
    const resident = () => {
      global.gc?.();
      return process.memoryUsage().rss;
    };
    const before = measure();
    const start = resident();
    for (let i = 100; i < STEPS + 100; i++) program.step(i);
    expect(measure()).toEqual(before);
    // The pages of an attention cache are there when its positions are written: three rows, two caches.
    const caches = model.stateBytes(STEPS) * ROWS - model.stateBytes(1) * ROWS;
    expect(resident() - start).toBeLessThan(caches + (16 << 20));
    expect((program.logits.dataSync() as Float32Array).every(Number.isFinite)).toBe(true);
    program.dispose();
    state.dispose();
  });
});
