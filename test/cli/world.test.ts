import { describe, expect, it } from 'vitest';
import { follow, statusOf } from '../../lib/cli/world/display.js';
import { worldJobs } from '../../lib/cli/world/jobs.js';
import { worldModels } from '../../lib/world/index.js';
import { mambalab } from './run.js';

describe('the jobs of the mini world', () => {
  it('wait for what each model is made of', () => {
    const after = Object.fromEntries(worldJobs(1).map((job) => [job.name, job.after]));
    expect(Object.keys(after)).toEqual(worldModels.map(({ name }) => name));
    expect(after['small-teacher']).toEqual([]);
    expect(after['small-llamba']).toEqual(['small-llamba-2', 'small-teacher']);
    expect(after['large-hybrid-sft']).toEqual(['large-hybrid']);
    expect(after['reward-model']).toEqual(['large-teacher']);
  });

  it('are those that were asked for, with fewer steps of a smaller world', () => {
    const [job] = worldJobs(0.01, ['large-hybrid']);
    expect(job).toMatchObject({ name: 'large-hybrid', steps: 40, work: 80 });
  });
});

describe('the line of the training', () => {
  const all = worldJobs(1, ['small-teacher', 'large-teacher', 'small-hybrid']).map(follow);
  const [small, hybrid, large] = ['small-teacher', 'small-hybrid', 'large-teacher'].map(
    (name) => all.find(({ job }) => job.name === name) as (typeof all)[0],
  ) as [(typeof all)[0], (typeof all)[0], (typeof all)[0]];

  it('says what is made, what is at which step, and the time left by the rate of this session', () => {
    expect(statusOf(all, 0)).toBe('0/3 models');
    Object.assign(small, { state: 'there' });
    Object.assign(large, { state: 'running', before: 500, step: 1000, loss: 0.5 });
    Object.assign(hybrid, { state: 'running' });
    // In 100 s 500 steps of a large model: work of 1,000. Left: 2,000 of it and 4,000 of the hybrid.
    expect(statusOf(all, 100)).toBe(
      '1/3 models, 5 steps/s, about 10 min 00 s left | small-hybrid, preparing | large-teacher 1,000/2,000, loss 0.500',
    );
    Object.assign(large, { step: 2000 });
    expect(statusOf(all, 100)).toContain('large-teacher, measuring');
  });
});

describe('world', () => {
  it('has --jobs and --device in its help, and no word of its workers', async () => {
    const { code, out } = await mambalab('world', '--help');
    expect(code).toBe(0);
    expect(out).toContain('--jobs <count>');
    expect(out).toContain('--device <device>');
    expect(out).not.toContain('--worker');
  });

  it.each([
    [['--jobs', '0'], "--jobs: expected an integer from 1 to 16, got '0'"],
    [['--device', 'gpu'], "--device: expected auto, cpu, cuda or cuda:N, got 'gpu'"],
    [['--only', 'tiny'], '--only: there is no model tiny; there are small-teacher'],
  ])('refuses %j', async (args, message) => {
    const { code, err } = await mambalab('world', '--out', '/nowhere', ...args);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});
