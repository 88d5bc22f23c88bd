/** Findings on the disk, for pages that show them without computing. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomic } from '../results/write-atomic.js';
import type { Experiment } from './experiment.js';
import type { Finding } from './findings.js';

/** What {@link saveFindings} writes. */
export interface SavedFindings {
  /** How the completions came about. */
  readonly caption: string;
  readonly findings: readonly Finding[];
}

const pathOf = (runs: string, scale: string) => join(runs, scale, 'findings.json');

/** Writes findings beside the runs that they were computed from. */
export function saveFindings(experiment: Experiment, found: readonly Finding[]): void {
  mkdirSync(join(experiment.folder, experiment.scale.name), { recursive: true });
  const saved: SavedFindings = { caption: experiment.caption, findings: found };
  // JSON has no infinity: a time that is never reached is null there.
  const path = pathOf(experiment.folder, experiment.scale.name);
  writeAtomic(path, `${JSON.stringify(saved, null, 2)}\n`);
}

/** The findings that were saved beside runs; undefined where there are none. */
export function readFindings(runs: string, scale: string): SavedFindings | undefined {
  const path = pathOf(runs, scale);
  if (!existsSync(path)) return undefined;
  return JSON.parse(readFileSync(path, 'utf8')) as SavedFindings;
}
