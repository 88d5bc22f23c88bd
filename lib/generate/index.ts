export type { Completion, StopReason, Timing, TokenEvent } from './completion.js';
export type { GenerateOptions, SamplingOptions } from './options.js';
export { type Samples, sample, stream } from './sample.js';
