export {
  type ComparisonOptions,
  difference,
  differenceAtSameTime,
  gain,
  type Pairs,
  pairsOf,
  speedRatio,
} from './comparisons.js';
export {
  Experiment,
  type ExperimentOptions,
  openExperiment,
  type ResultsOptions,
} from './experiment.js';
export { type Claimed, type Finding, findings, type Verdict, verdictOf } from './findings.js';
export {
  type ExperimentPlan,
  type PlannedRun,
  type PlannedTraining,
  planExperiment,
} from './plan.js';
export { NEEDS_QUIET } from './sampling.js';
export { readFindings, type SavedFindings, saveFindings } from './save-findings.js';
export {
  type Benchmark,
  type ExperimentModel,
  type Role,
  type Scale,
  type ScaleName,
  scaleNames,
  scales,
} from './scales.js';
