/** What a reproduction would do: which notebooks run and why, and how long each took last time. */
import { join } from 'node:path';
import { seconds } from '#setup/report.mjs';
import { table } from '../command.js';
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
}

/** What {@link planOf} needs besides the notebooks. */
export interface PlanOptions {
  readonly out: string;
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
  { out, settings, inputs: common, force, clean }: PlanOptions,
): readonly Planned[] {
  return notebooks.map((notebook) => {
    const folder = join(out, notebook.name);
    const inputs = hashOfRun(notebook, common, settings);
    const record = readRecord(folder);
    const last = record && { seconds: record.seconds, scale: record.scale };
    const stale = staleness(folder, inputs);
    const wanted = clean ? 'cleaned' : force ? 'forced' : null;
    const because = stale === 'no results yet' ? stale : (wanted ?? stale);
    return { notebook, inputs, because, last };
  });
}

const counted = (n: number) => `${n} notebook${n === 1 ? '' : 's'}`;

function total(running: readonly Planned[], scale: string): string {
  if (running.length === 0) return 'Nothing to run.\n';
  const known = running.flatMap(({ last }) => (last?.scale === scale ? last.seconds : []));
  const unknown = running.length - known.length;
  const sum = seconds(known.reduce((a, b) => a + b, 0) * 1000);
  const time = [
    ...(known.length > 0 ? [`about ${sum} by the last times`] : []),
    ...(unknown > 0 ? [`${unknown} not timed here yet`] : []),
  ];
  return `${counted(running.length)} to run: ${time.join(', ')}.\n`;
}

/** A plan as lines, with the time that it will take as far as that is known. */
export function describePlan(plan: readonly Planned[], scale: string): string {
  const rows = plan.map(({ notebook, because, last }) => [
    notebook.name,
    because === null ? 'up to date' : `runs (${because})`,
    last
      ? `took ${seconds(last.seconds * 1000)} last time${last.scale === scale ? '' : ` at scale ${last.scale}`}`
      : 'no time known',
  ]);
  return (
    table(rows) +
    total(
      plan.filter(({ because }) => because !== null),
      scale,
    )
  );
}
