export {
  type CompletionHead,
  type CompletionRecord,
  type Placed,
  readCompletions,
  readHeads,
} from './completions.js';
export type { HashedFile, RunMachine, RunManifest, RunPart } from './manifest.js';
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
