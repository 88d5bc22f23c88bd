/** What a folder of a run holds, counted. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { columnNames, readColumn } from './column.js';
import { readHeads } from './completions.js';
import { FILES, isRun, Run } from './run.js';

/** Counts of a run. */
export interface RunOverview {
  readonly path: string;
  readonly model: string;
  readonly task: string;
  readonly problems: number;
  readonly n: number;
  readonly seed: number;
  readonly completions: number;
  /** How many the folder has when it is done. */
  readonly expected: number;
  readonly tokens: number;
  readonly packed: boolean;
  /** How many completions each column has. */
  readonly grades: Readonly<Record<string, number>>;
  readonly scores: Readonly<Record<string, number>>;
}

/**
 * Counts what a run has.
 *
 * @throws CheckpointError where it is not valid.
 */
export function overviewOf(path: string): RunOverview {
  const run = new Run(path);
  const { name, task, seed, n } = run.manifest;
  let completions = 0;
  let tokens = 0;
  for (const { value } of readHeads(run)) {
    completions++;
    tokens += value.tokens;
  }
  const count = (kind: 'grades' | 'scores') =>
    Object.fromEntries(
      columnNames(run, kind).map((column) => {
        let lines = 0;
        for (const _ of readColumn(run, kind, column)) lines++;
        return [column, lines];
      }),
    );
  return {
    path,
    model: name,
    task: task.name,
    problems: run.problems.length,
    n,
    seed,
    completions,
    expected: run.expected,
    tokens,
    packed: existsSync(run.file(FILES.packed)),
    grades: count('grades'),
    scores: count('scores'),
  };
}

/** The runs in a folder: itself, where it is one, or those directly in it, by name. */
export function findRuns(folder: string): string[] {
  if (isRun(folder)) return [folder];
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name))
    .filter(isRun);
}
