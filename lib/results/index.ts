export type { JsonObject } from '../models/files/json.js';
export {
  type ColumnKind,
  type ColumnManifest,
  ColumnWriter,
  columnNames,
  readColumn,
  readColumnManifest,
} from './column.js';
export {
  type CompletionHead,
  type CompletionRecord,
  type Placed,
  readCompletions,
  readHeads,
} from './completions.js';
export { exportTable } from './export.js';
export { type LoadResultsOptions, loadResults } from './load.js';
export type { HashedFile, RunMachine, RunManifest, RunPart } from './manifest.js';
export { type MergedRun, mergeRuns } from './merge.js';
export { findRuns, overviewOf, type RunOverview } from './overview.js';
export { packRun } from './pack.js';
export { type Reduction, reduceSteps, reductions } from './reduce.js';
export { isRun, Run, type RunProblem } from './run.js';
export { checkpointFiles, type RunAbout, RunStore } from './run-store.js';
export {
  type CompletionRow,
  columnsOf,
  type ResultsColumns,
  type ResultsTable,
  tableOf,
  type Verdict,
} from './table.js';
