import { renameSync, rmSync, writeFileSync } from 'node:fs';

/** Where a piece of work is, as another process reads it from a file. */
export interface ProgressState {
  readonly label: string;
  readonly unit: string;
  readonly count: number;
  /** Undefined where it is not known how much there is. */
  readonly total?: number;
  /** Seconds since it began. */
  readonly seconds: number;
  /** Whether it has ended. */
  readonly finished: boolean;
}

/** Milliseconds between writes: often enough for a reader, too seldom to disturb what is measured. */
const INTERVAL = 1000;

let written = Number.NEGATIVE_INFINITY;

/**
 * Writes the state to the file that `MAMBALAB_PROGRESS` names, where it names one: whole, by a rename, and at
 * most once a second but for the first and the last state of a piece of work. Whoever watches loses a line
 * where that fails; the work goes on.
 */
export function writeProgress(state: ProgressState): void {
  const path = process.env.MAMBALAB_PROGRESS;
  if (!path) return;
  const now = performance.now();
  if (state.count > 0 && !state.finished && now - written < INTERVAL) return;
  written = now;
  const temporary = `${path}.${process.pid}`;
  try {
    writeFileSync(temporary, JSON.stringify(state));
    renameSync(temporary, path);
  } catch {
    rmSync(temporary, { force: true });
  }
}
