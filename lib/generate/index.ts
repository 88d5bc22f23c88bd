export type { BatchBytes, BatchPlan } from './batch-plan.js';
export type { Completion, StopReason, Timing, TokenEvent } from './completion.js';
export type { Floor } from './floor.js';
export {
  type InferencePoint,
  type InferenceTimeOptions,
  inferenceTime,
  type MeasuredPoint,
  type OutOfMemoryPoint,
} from './inference-time.js';
export type { CompletionRange, GenerateOptions, SamplingOptions } from './options.js';
export type { CompletionStore, OpenedRun, RunIdentity } from './run-file.js';
export type { RunStats, Shrink } from './run-stats.js';
export { type Samples, sample, stream } from './sample.js';
