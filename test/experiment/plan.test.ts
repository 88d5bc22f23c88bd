import { describe, expect, it } from 'vitest';
import { init } from '../../lib/backend/index.js';
import { openExperiment, planExperiment } from '../../lib/experiment/index.js';

describe('the plan of the scale paper', () => {
  const plan = planExperiment(openExperiment({ scale: 'paper' }));
  const run = (label: string) =>
    plan.runs.find((r) => r.label === label && r.benchmark === 'MATH-500');

  it('has every model on both benchmarks, 500 problems x 256 completions', () => {
    expect(plan.runs).toHaveLength(24);
    for (const { tokens } of plan.runs) expect(tokens).toBe(500 * 256 * 2048);
  });

  it('is as worked out by hand for Llama-1B', () => {
    const weights = 2 * 1_235_814_400;
    // 16 layers, keys and values of 8 heads of 64, four bytes each.
    const token = 16 * 2 * 8 * 64 * 4;
    const step = weights + 256 * token * (256 + 1024);
    expect(run('Llama-1B')).toMatchObject({
      weightBytes: weights,
      memoryBytes: weights + 256 * token * (256 + 2048),
    });
    expect(run('Llama-1B')?.seconds).toBeCloseTo((500 * 2048 * step) / 2.5e12, 3);
  });

  it('counts eight operations a parameter and token of a distillation into the same size', () => {
    const training = plan.trainings.find(
      ({ label, stage }) => label === 'MambaInLlama-1B' && stage === 'mambaInLlama',
    );
    const [student, teacher] = [1_293.0e6, 1_235.8e6];
    expect(training?.tokens).toBe(8e9);
    expect(training?.seconds).toBeCloseTo((8e9 * (6 * student + 2 * teacher)) / 6e14, -2);
  });

  it('says of each model that is missing where to put it', () => {
    expect(plan.missing.join('\n')).toMatch(
      /Llama-3\.2-1B-Instruct: put its Hugging Face folder at .*models/,
    );
  });
});

it('the plan of the scale mini has nothing missing', () => {
  init();
  const { runs, missing, trainings } = planExperiment(openExperiment({ scale: 'mini' }));
  expect([missing, trainings]).toEqual([[], []]);
  expect(runs).toHaveLength(24);
  for (const { seconds, memoryBytes, weightBytes } of runs) {
    expect(seconds).toBeGreaterThan(0);
    expect(memoryBytes).toBeGreaterThan(weightBytes);
  }
});
