import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import * as distill from '../../lib/distill/index.js';
import * as models from '../../lib/models/index.js';
import { tinyConfig } from '../models/tiny.js';
import { source } from './source.js';

beforeAll(() => void backend.init({ threads: 2 }));

const teacherOf = (changes: Partial<models.LlamaConfig> = {}) =>
  new models.Llama(
    { ...tinyConfig, ...changes },
    Object.assign(() => undefined, { seed: 5 }),
  );
const llambaOf = (teacher: models.Llama) =>
  models.convert(teacher, { family: 'llamba', log: () => {} });
const hybridOf = (teacher: models.Llama) =>
  models.convert(teacher, { family: 'mamba-in-llama', attentionLayers: [1], log: () => {} });

const learningRate = distill.schedules.constant(2e-3);
const stage = (steps = 10): distill.StageOptions => ({ steps, data: source(2), learningRate });

const fell = ({ metrics }: distill.TrainingResult) =>
  (metrics.at(-1)?.loss as number) / (metrics[0]?.loss as number);

describe('mohawk', () => {
  it('makes three stages, and the loss of each falls', async () => {
    const teacher = teacherOf();
    const student = llambaOf(teacher);
    const stages = { matrices: stage(), hiddenStates: stage(), logits: stage() };
    const seen: string[] = [];
    const results = await distill.mohawk(teacher, student, {
      stages,
      onStage: (name) => void seen.push(name),
    });
    expect(seen).toEqual(['matrices', 'hiddenStates', 'logits']);
    for (const name of ['matrices', 'hiddenStates', 'logits'] as const) {
      expect(fell(results[name] as distill.TrainingResult)).toBeLessThan(0.97);
    }
    const matrices = results.matrices as distill.TrainingResult;
    const { parts } = matrices.metrics[0] as distill.StepMetrics;
    expect(Object.keys(parts as object)).toEqual(['layer 0', 'layer 1', 'layer 2']);
  });

  it.each([
    ['trained', true],
    ['frozen', false],
  ] as const)('stage 2 with the MLP %s', async (mlp, moves) => {
    const teacher = teacherOf();
    const student = llambaOf(teacher);
    student.ownParameters();
    const of = (path: string) =>
      Float32Array.from((student.parameters().get(path) as tf.Tensor).dataSync());
    const before = [of('layers.0.mlp.gate'), of('layers.0.mixer.z')] as const;
    await distill.mohawk(teacher, student, { stages: { hiddenStates: { ...stage(2), mlp } } });
    expect(of('layers.0.mlp.gate').some((x, i) => x !== before[0][i])).toBe(moves);
    expect(of('layers.0.mixer.z').some((x, i) => x !== before[1][i])).toBe(true);
  });

  it('goes on at the stage where it was stopped', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mambalab-mohawk-'));
    try {
      const teacher = teacherOf();
      const stages = () => ({ matrices: stage(4), hiddenStates: stage(4), logits: stage(4) });
      const controller = new AbortController();
      const first = distill.mohawk(teacher, llambaOf(teacher), {
        stages: stages(),
        run: { folder },
        signal: controller.signal,
        onStep: ({ step }, name) => {
          if (name === 'hiddenStates' && step === 2) controller.abort(new Error('stop'));
        },
      });
      await expect(first).rejects.toThrow('stop');
      expect(readdirSync(folder).sort()).toEqual(['1-matrices', '2-hidden-states']);
      const [stoppedOnce, never] = [llambaOf(teacher), llambaOf(teacher)];
      await distill.mohawk(teacher, stoppedOnce, { stages: stages(), run: { folder } });
      await distill.mohawk(teacher, never, { stages: stages() });
      expect(stoppedOnce.fingerprint()).toBe(never.fingerprint());
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('mambaInLlama', () => {
  it.each(['forward', 'reverse'] as const)('%s KL falls', async (divergence) => {
    const teacher = teacherOf();
    const [result] = await distill.mambaInLlama(teacher, hybridOf(teacher), {
      ...stage(),
      divergence,
    });
    expect(fell(result as distill.TrainingResult)).toBeLessThan(0.9);
  });

  it('in rounds converts the layers one after another', async () => {
    const teacher = teacherOf();
    const student = hybridOf(teacher);
    const results = await distill.mambaInLlama(teacher, student, { ...stage(11), rounds: 2 });
    expect(results.map(({ steps }) => steps)).toEqual([6, 5]);
    // Half of the layers are the teacher's own in the first round, so that less is amiss.
    const losses = results.map(({ metrics }) => metrics[0]?.loss as number);
    const [whole] = await distill.mambaInLlama(teacher, hybridOf(teacher), stage(1));
    expect(losses[0]).toBeLessThan(whole?.metrics[0]?.loss as number);
    const more = distill.mambaInLlama(teacher, student, { ...stage(3), rounds: 3 });
    await expect(more).rejects.toThrow('rounds must be from 1 to the 2 layers');
  });
});

it('finetuneTeacher and sft train in place', async () => {
  const [teacher, model] = [teacherOf(), teacherOf()];
  const before = teacher.fingerprint();
  await distill.finetuneTeacher(teacher, stage(3));
  await distill.sft(model, stage(3));
  expect(teacher.fingerprint()).not.toBe(before);
  expect(model.fingerprint()).toBe(teacher.fingerprint());
});

it('teacher and student that do not fit are refused, with every size', async () => {
  const teacher = teacherOf();
  const student = llambaOf(teacherOf({ vocabSize: 90, nLayers: 2, nHeads: 4, headDim: 12 }));
  const stages = { matrices: stage(1) };
  await expect(distill.mohawk(teacher, student, { stages })).rejects.toThrow(
    /vocabulary: the teacher's 97, the student's 90.*layers: the teacher's 3, the student's 2.*heads: the teacher's 6, the student's 4/,
  );
  const other = hybridOf(teacherOf({ vocabSize: 90 }));
  await expect(distill.mambaInLlama(teacher, other, stage(1))).rejects.toThrow(
    "mambaInLlama: vocabulary: the teacher's 97",
  );
});
