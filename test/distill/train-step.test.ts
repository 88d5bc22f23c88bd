import { createHash } from 'node:crypto';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import type { Objective } from '../../lib/distill/objective.js';
import * as objectives from '../../lib/distill/objectives.js';
import { adamW } from '../../lib/distill/optimizers.js';
import { TrainStep } from '../../lib/distill/train-step.js';
import * as models from '../../lib/models/index.js';
import { tinyConfig } from '../models/tiny.js';
import { batchOf } from './source.js';

beforeAll(() => void backend.init({ threads: 2 }));

const tinyLlama = () =>
  new models.Llama(
    tinyConfig,
    Object.assign(() => undefined, { seed: 5 }),
  );

const convert = (teacher: models.Llama, family: 'llamba' | 'mamba-in-llama') =>
  family === 'llamba'
    ? models.convert(teacher, { family, log: () => {} })
    : models.convert(teacher, { family, attentionLayers: [1], stateDim: 8, log: () => {} });

type Make = (student: models.Model, teacher: models.Llama) => Objective;
const cases: [string, 'llamba' | 'mamba-in-llama', Make][] = [
  ['next token of a Llamba', 'llamba', (s) => objectives.nextToken(s)],
  [
    'next token of a hybrid',
    'mamba-in-llama',
    (s) => objectives.nextToken(s, { checkpoint: true }),
  ],
  [
    'reverse KL of a hybrid',
    'mamba-in-llama',
    (s, t) => objectives.logits(s, t, { divergence: 'reverse', ceWeight: 0.5 }),
  ],
  [
    'forward KL of a Llamba',
    'llamba',
    (s, t) => objectives.logits(s, t, { divergence: 'forward' }),
  ],
  ['matrices', 'llamba', objectives.matrices],
  ['hidden states', 'llamba', (s, t) => objectives.hiddenStates(s, t, { mlp: true })],
  ['hidden states of mixers', 'llamba', (s, t) => objectives.hiddenStates(s, t, { mlp: false })],
];

describe.each(cases)('%s', (_, family, make) => {
  /** Losses and final parameters of some steps. */
  function train(options: { accumulate?: number; eager?: boolean }, steps = 12) {
    const teacher = tinyLlama();
    const student = convert(teacher, family);
    student.ownParameters();
    const objective = make(student, teacher);
    const optimizer = adamW(objective.parameters);
    const step = new TrainStep(objective, optimizer, options);
    const results = Array.from({ length: steps }, () => step.run(batchOf(1), 3e-3));
    const values = [...student.parameters().values()].map((t) => Float32Array.from(t.dataSync()));
    step.dispose();
    optimizer.dispose();
    student.dispose();
    teacher.dispose();
    const hashes = values.map((v) => createHash('sha256').update(v).digest('hex'));
    return { results, values, hashes };
  }

  it('falls over steps; captured steps are those from JavaScript, bit for bit', () => {
    const captured = train({});
    const eager = train({ eager: true });
    expect(captured.results).toEqual(eager.results);
    expect(captured.hashes).toEqual(eager.hashes);
    const losses = captured.results.map(({ loss }) => loss);
    expect(losses.at(-1)).toBeLessThan(0.95 * (losses[0] as number));
  });

  it('micro-batches make the steps of the batch', () => {
    const whole = train({}, 3);
    const parts = train({ accumulate: 2 }, 3);
    whole.results.forEach(({ loss, gradientNorm }, i) => {
      expect(parts.results[i]?.loss).toBeCloseTo(loss, 4);
      expect((parts.results[i]?.gradientNorm as number) / gradientNorm).toBeCloseTo(1, 3);
    });
    const apart = whole.values.map((values, i) => {
      const other = parts.values[i] as Float32Array;
      return values.reduce((most, x, j) => Math.max(most, Math.abs(x - (other[j] as number))), 0);
    });
    expect(Math.max(...apart)).toBeLessThan(2e-3);
  });
});

it('a batch that makes no equal micro-batches is an error', () => {
  const model = tinyLlama();
  model.ownParameters();
  const objective = objectives.nextToken(model);
  const step = new TrainStep(objective, adamW(objective.parameters), { accumulate: 3 });
  expect(() => step.run(batchOf(0), 1e-3)).toThrow('a batch of 4 is no 3 equal micro-batches');
});

it('1,000 steps leave no tensor behind and take no memory', () => {
  const model = tinyLlama();
  model.ownParameters();
  const objective = objectives.nextToken(model);
  const step = new TrainStep(objective, adamW(objective.parameters));
  step.run(batchOf(0), 1e-3);
  const { numTensors } = tf.memory();
  const { bytes } = backend.memory();
  for (let i = 0; i < 1000; i++) step.run(batchOf(i), 1e-3);
  expect(tf.memory().numTensors).toBe(numTensors);
  expect(backend.memory().bytes).toBe(bytes);
});
