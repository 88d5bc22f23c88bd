export type { AdamW, AdamWOptions, AdamWState } from './adamW.js';
export type { Batch, BatchSource, BatchTensors, TeacherRows } from './batch.js';
export type { DistillConfig, SftConfig, TrainConfig } from './config/schema.js';
export type { Piece } from './data/pack.js';
export {
  type DocumentStream,
  type StreamCounts,
  type StreamOptions,
  type StreamPosition,
  type StreamSource,
  streamed,
} from './data/streamed.js';
export type { LossOn } from './data/tokenise.js';
export * as evaluations from './evaluations.js';
export * as losses from './losses.js';
export { type MambaInLlamaOptions, mambaInLlama } from './mamba-in-llama.js';
export { type MohawkOptions, type MohawkStage, mohawk, type StageOptions } from './mohawk.js';
export { NotFiniteError } from './not-finite.js';
export type { Objective, ObjectivePart } from './objective.js';
export * as objectives from './objectives.js';
export * as optimizers from './optimizers.js';
export { type PackedOptions, type PackedPosition, packed } from './packed-documents.js';
export * as presets from './presets.js';
export { type LabelledSteps, rewardDocuments } from './reward-documents.js';
export { trainRewardModel } from './reward-model.js';
export { readMetrics, type StepMetrics } from './runs/metrics-file.js';
export type { Identity } from './runs/run-folder.js';
export * as schedules from './schedules.js';
export { finetuneTeacher, type SftOptions, sft } from './sft.js';
export { type Attempt, type LabelStepsOptions, labelSteps } from './step-labels.js';
export {
  type Synthesized,
  type SynthesizedCounts,
  type SynthesizedManifest,
  type SynthesizeOptions,
  synthesize,
} from './synthesize.js';
export type { TeacherLogits } from './teacher-cache/choose.js';
export type { Lost, TeacherCacheManifest } from './teacher-cache/manifest.js';
export { cacheTeacherLogits, type TeacherCacheOptions } from './teacher-cache/write.js';
export { conversationDocument, type TokenDocument, textDocument } from './token-documents.js';
export {
  type Evaluation,
  type RunOptions,
  type TrainingOptions,
  type TrainingResult,
  train,
} from './training.js';
