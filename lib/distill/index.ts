export type { AdamW, AdamWOptions } from './adamW.js';
export type { Batch, BatchSource } from './batch.js';
export * as losses from './losses.js';
export { type MambaInLlamaOptions, mambaInLlama } from './mamba-in-llama.js';
export { type MohawkOptions, type MohawkStage, mohawk, type StageOptions } from './mohawk.js';
export { NotFiniteError } from './not-finite.js';
export type { Objective, ObjectivePart } from './objective.js';
export * as objectives from './objectives.js';
export * as optimizers from './optimizers.js';
export { readMetrics, type StepMetrics } from './runs/metrics-file.js';
export * as schedules from './schedules.js';
export { finetuneTeacher, type SftOptions, sft } from './sft.js';
export {
  type Evaluation,
  type RunOptions,
  type TrainingOptions,
  type TrainingResult,
  train,
} from './training.js';
