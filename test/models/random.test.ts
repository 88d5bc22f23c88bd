import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import * as models from '../../lib/models/index.js';
import { tinyHybrid, tinyHybrid2, tinyLlamba } from './students.js';
import { tinyConfig } from './tiny.js';

beforeAll(() => void backend.init({ threads: 2 }));

const configs: [string, models.ModelConfig][] = [
  ['llama', tinyConfig],
  ['llamba', tinyLlamba],
  ['hybrid of Mamba-1', tinyHybrid],
  ['hybrid of Mamba-2', tinyHybrid2],
];

describe.each(configs)('a random %s', (_, config) => {
  const logitsOf = (options: models.RandomOptions) => {
    const model = models.random(config, options);
    const logits = tf.tidy(() =>
      model.forward(tf.tensor2d([[1, 2, 3, 4, 5]], [1, 5], 'int32')).dataSync(),
    );
    model.dispose();
    return logits;
  };

  it('is the same for a seed, and of a sensible size', () => {
    const first = logitsOf({ seed: 3 });
    expect(logitsOf({ seed: 3 })).toEqual(first);
    expect(logitsOf({ seed: 4 })).not.toEqual(first);
    const size = Math.sqrt([...first].reduce((s, x) => s + x * x, 0) / first.length);
    expect(size).toBeGreaterThan(0.1);
    expect(size).toBeLessThan(10);
  });

  it.each(['bf16', 'f16'] as const)('keeps its matrices in %s', (precision) => {
    const [full, half] = [models.random(config), models.random(config, { precision })];
    expect(half.bytes).toBeLessThan(full.bytes);
    expect(half.bytes).toBeGreaterThan(full.bytes / 2);
    expect(full.bytes).toBe(models.plan(config).bytes);
    for (const model of [full, half]) model.dispose();
    expect(logitsOf({ precision }).every(Number.isFinite)).toBe(true);
  });

  it('leaves no tensor behind', () => {
    models.random(config).dispose();
    const { tensors, bytes } = backend.memory();
    models.random(config, { precision: 'bf16' }).dispose();
    expect(backend.memory()).toMatchObject({ tensors, bytes });
  });
});

describe('the work of a step', () => {
  const work = (config: models.ModelConfig, batch = 1, context = 0) =>
    models.stepWork(config, 0, batch, context);

  it('of a student counts its matrices and its recurrence', () => {
    const { nLayers, nHeads, headDim, stateDim, dModel, dMlp, vocabSize } = tinyLlamba;
    const inner = nHeads * headDim;
    const inputs = 2 * inner + 2 * 2 * stateDim + nHeads;
    const products = nLayers * (dModel * (inputs + inner) + 3 * dModel * dMlp) + vocabSize * dModel;
    const recurrence = 5 * nLayers * inner * stateDim;
    expect(work(tinyLlamba).flopsPerToken).toBe(2 * products + recurrence);
    const state = models.plan(tinyLlamba).stateBytes;
    expect(work(tinyLlamba, 3, 77).bytesPerStep).toBe(3 * 2 * state);
  });

  it('of a hybrid grows with the context in its attention layers alone', () => {
    const { stateBytes, stateBytesPerToken } = models.plan(tinyHybrid);
    expect(work(tinyHybrid, 2, 10).bytesPerStep).toBe(
      2 * (2 * stateBytes + 10 * stateBytesPerToken),
    );
    const more = work(tinyHybrid, 1, 10).flopsPerToken - work(tinyHybrid).flopsPerToken;
    expect(more).toBe(4 * 48 * 10);
  });

  it('of an untied model reads rows of its embedding only', () => {
    const untied = { ...tinyConfig, tieEmbeddings: false };
    const bytes = models.plan(untied).bytes;
    const embedding = 4 * untied.vocabSize * untied.dModel;
    const read = models.stepWork(untied, bytes, 1, 0).bytesPerStep;
    expect(read).toBeCloseTo(bytes - embedding, 3);
    expect(work(untied).flopsPerToken).toBe(work(tinyConfig).flopsPerToken);
  });
});

it('students have the configuration that a conversion would give', () => {
  const teacher = models.random(tinyConfig) as models.Llama;
  for (const spec of [
    { family: 'llamba' as const },
    { family: 'mamba-in-llama' as const, attentionLayers: [1], stateDim: 8 },
  ]) {
    const student = models.convert(teacher, { ...spec, log: () => undefined } as never);
    expect(models.studentConfig(tinyConfig, spec as never)).toEqual(student.config);
    student.dispose();
  }
  teacher.dispose();
});
