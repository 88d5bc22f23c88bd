/** What a reproduction would do: which notebooks run and why, and how long each took last time. */
import { join } from 'node:path';
import { seconds } from '#setup/report.mjs';
import { table } from '../command.js';
import { roughly } from '../roughly.js';
import { asksExperiment } from './experiment-plan.js';
import { type Hints, readHints } from './hints.js';
import { hashOfRun, type Notebook } from './notebook.js';
import { readRecord, type Stale, staleness } from './record.js';

/** One notebook of a plan. */
export interface Planned {
  readonly notebook: Notebook;
  /** The hash that results have to carry to be current. */
  readonly inputs: string;
  /** Why it runs; null where its results are current and it is skipped. */
  readonly because: Stale | 'forced' | 'cleaned' | null;
  /** Seconds that the last execution in this folder took, and its scale, where there was one. */
  readonly last: { readonly seconds: number; readonly scale: string } | null;
  /** Seconds that it is expected to take: those of last time, else those of its hints; null if neither is. */
  readonly expected: number | null;
  readonly hints: Hints;
  /** Whether it takes completions from the experiment. */
  readonly samples: boolean;
}

/** What {@link planOf} needs besides the notebooks. */
export interface PlanOptions {
  readonly out: string;
  readonly scale: string;
  /** What notebooks are run with (`settingsOf`). */
  readonly settings: string;
  /** The hash of everything but the notebook and the settings. */
  readonly inputs: string;
  readonly force: boolean;
  /** Results are removed before anything runs. */
  readonly clean: boolean;
}

/** Plans notebooks in their order. */
export function planOf(
  notebooks: readonly Notebook[],
  { out, scale, settings, inputs: common, force, clean }: PlanOptions,
): readonly Planned[] {
  return notebooks.map((notebook) => {
    const folder = join(out, notebook.name);
    const inputs = hashOfRun(notebook, common, settings);
    const record = readRecord(folder);
    const last = record && { seconds: record.seconds, scale: record.scale };
    const stale = staleness(folder, inputs);
    const wanted = clean ? 'cleaned' : force ? 'forced' : null;
    const because = stale === 'no results yet' ? stale : (wanted ?? stale);
    const hints = readHints(notebook.path);
    const known = last?.scale === scale ? last.seconds : hints.takes[scale]?.seconds;
    const samples = asksExperiment(notebook);
    return { notebook, inputs, because, last, expected: known ?? null, hints, samples };
  });
}

const counted = (n: number) => `${n} notebook${n === 1 ? '' : 's'}`;

function total(running: readonly Planned[]): string {
  if (running.length === 0) return 'Nothing to run.\n';
  const known = running.flatMap(({ expected }) => expected ?? []);
  const unknown = running.length - known.length;
  const time = [
    ...(known.length > 0 ? [`about ${roughly(known.reduce((a, b) => a + b, 0))}`] : []),
    ...(unknown > 0 ? [`${unknown} not timed here yet`] : []),
  ];
  return `${counted(running.length)} to run: ${time.join(', ')}.\n`;
}

function timeOf({ last, expected }: Planned, scale: string): string {
  if (last?.scale === scale) return `took ${seconds(last.seconds * 1000)} last time`;
  if (expected !== null) return `about ${roughly(expected)} on two cores`;
  if (last) return `took ${seconds(last.seconds * 1000)} last time at scale ${last.scale}`;
  return 'no time known';
}

/** A plan as lines, with the time that it will take as far as that is known. */
export function describePlan(plan: readonly Planned[], scale: string): string {
  const rows = plan.map((planned) => [
    planned.notebook.name,
    planned.because === null ? 'up to date' : `runs (${planned.because})`,
    timeOf(planned, scale),
  ]);
  return table(rows) + total(plan.filter(({ because }) => because !== null));
}
