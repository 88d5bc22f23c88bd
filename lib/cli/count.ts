import { type Run, readHeads } from '../results/index.js';

/** How many completions a run has so far. */
export function completionsOf(run: Run): number {
  let count = 0;
  for (const _ of readHeads(run)) count++;
  return count;
}
