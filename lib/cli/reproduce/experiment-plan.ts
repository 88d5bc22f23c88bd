/** What a scale's completions and trainings will take, as lines. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ExperimentPlan, openExperiment, planExperiment } from '../../experiment/index.js';
import { formatBytes, formatCount, formatDuration } from '../../plots/index.js';
import { table } from '../command.js';
import type { Notebook } from './notebook.js';
import type { SettingOptions } from './settings.js';

/** Whether a notebook takes completions from the experiment. */
export const asksExperiment = ({ path }: Notebook): boolean =>
  readFileSync(path, 'utf8').includes('mambalab/experiment');

/** Plans the experiment that notebooks of these settings ask for. */
export function experimentPlan({ scale, out, seed, samples, problems }: SettingOptions) {
  const experiment = openExperiment({
    scale,
    runs: join(out, 'runs'),
    ...(seed !== undefined && { seed }),
    ...(samples !== undefined && { samples }),
    ...(problems !== undefined && { problems }),
  });
  return { experiment, plan: planExperiment(experiment) };
}

/** The plan as tables: completions of every model, trainings, and what is missing. */
export function describeExperiment(plan: ExperimentPlan): string {
  const { machine, runs, trainings, missing } = plan;
  const time = (seconds: number) => `at least ${formatDuration(seconds)}`;
  const rows = runs.map((run) => [
    `${run.label}, ${run.benchmark}`,
    `${formatCount(run.problems)} x ${formatCount(run.samples)}`,
    `up to ${formatCount(run.tokens)} tokens`,
    formatBytes(run.memoryBytes),
    time(run.seconds),
  ]);
  const sum = (all: readonly { readonly seconds: number }[]) =>
    formatDuration(all.reduce((total, { seconds }) => total + seconds, 0));
  const lines = [
    `\nCompletions, all models; times by the limits of ${machine} where none ends early:\n`,
    table(rows),
    `In all at least ${sum(runs)}.\n`,
  ];
  if (trainings.length > 0) {
    const made = trainings.map(({ label, stage, tokens, seconds }) => [
      label,
      stage,
      `${formatCount(tokens)} tokens`,
      time(seconds),
    ]);
    lines.push(
      `\nTrainings that the students come from; times by the products' rate of ${machine}:\n`,
      table(made),
      `In all at least ${sum(trainings)}.\n`,
    );
  }
  if (missing.length > 0) {
    lines.push(`\nMissing:\n${missing.map((text) => `  ${text}\n`).join('')}`);
  }
  return lines.join('');
}
