import { type ColumnKind, columnNames, type Run, readColumn, readHeads } from '../results/index.js';

/** How many of a run's completions a column does not have yet. */
export function missingFrom(run: Run, kind: ColumnKind, name: string): number {
  let count = 0;
  for (const _ of readHeads(run)) count++;
  if (!columnNames(run, kind).includes(name)) return count;
  for (const _ of readColumn(run, kind, name)) count--;
  return count;
}
