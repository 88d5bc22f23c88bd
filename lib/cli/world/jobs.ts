/** The models of the mini world as jobs: what each waits for, and how long it takes beside the others. */
import { stepsOf, type WorldModel, worldModels } from '../../world/index.js';
import type { Job } from '../schedule.js';

/** A model that is to be trained. */
export interface WorldJob extends Job {
  readonly steps: number;
}

/** A step of a large model took about twice as long as one of a small one (docs/mini-world.md). */
const SIZES = { small: 1, large: 2 } as const;

/** Roll-outs before the reward model's steps: they took 4.3 minutes, in which 5,000 steps were made beside them. */
const ROLL_OUTS = 5000;

function jobOf(model: WorldModel, share: number): WorldJob {
  const { name, size, recipe, from, teacher } = model;
  const after = [...new Set([from, teacher])].filter((parent) => parent !== undefined);
  const steps = stepsOf(model, share);
  const before = recipe === 'reward-model' ? ROLL_OUTS * share : 0;
  return { name, after, steps, work: (steps + before) * SIZES[size] };
}

/** Jobs of the models that are asked for, in the order of the plan. */
export const worldJobs = (share: number, only?: readonly string[]): readonly WorldJob[] =>
  worldModels
    .filter(({ name }) => only?.includes(name) ?? true)
    .map((model) => jobOf(model, share));
