/** One line for all models that are being trained. */
import { formatCount, formatRate } from '../../plots/index.js';
import { roughly } from '../roughly.js';
import type { WorldJob } from './jobs.js';

/** A model as the display follows it. */
export interface Followed {
  readonly job: WorldJob;
  state: 'waiting' | 'running' | 'there' | 'made' | 'failed';
  /** Steps that were made before this process looked. */
  before: number;
  step: number;
  loss: number;
}

export const follow = (job: WorldJob): Followed => ({
  job,
  state: 'waiting',
  before: 0,
  step: 0,
  loss: Number.NaN,
});

/** The line as it stands `seconds` after the start. */
export function statusOf(all: readonly Followed[], seconds: number): string {
  const shareOf = ({ state, step, job }: Followed) =>
    state === 'made' ? 1 : state === 'running' ? step / job.steps : 0;
  let [done, left, made] = [0, 0, 0];
  for (const model of all) {
    const { job, state, before } = model;
    if (state === 'there' || state === 'failed') continue;
    const share = shareOf(model);
    left += (1 - share) * job.work;
    if (share === 0) continue;
    done += (share - before / job.steps) * job.work;
    made += share * job.steps - before;
  }
  const ended = all.filter(({ state }) => state === 'there' || state === 'made').length;
  const rates =
    done > 0
      ? [formatRate(made / seconds, 'steps'), `about ${roughly((left * seconds) / done)} left`]
      : [];
  const running = all
    .filter(({ state }) => state === 'running')
    .map(({ job: { name, steps }, step, loss }) => {
      if (step === 0) return `${name}, preparing`;
      if (step === steps) return `${name}, measuring`;
      return `${name} ${formatCount(step)}/${formatCount(steps)}, loss ${loss.toPrecision(3)}`;
    });
  return [[`${ended}/${all.length} models`, ...rates].join(', '), ...running].join(' | ');
}
