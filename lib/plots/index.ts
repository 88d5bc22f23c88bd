export type { Axis } from './axes.js';
export type { Bar, BarOptions } from './bars.js';
export { bars } from './bars.js';
export type { ChartOptions } from './coverage.js';
export { coverage } from './coverage.js';
export type { Displayable, MimeBundle } from './display.js';
export { jupyterDisplay } from './display.js';
export type { VegaLiteSpec } from './figure.js';
export { Figure } from './figure.js';
export {
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatPercent,
  formatRate,
} from './format.js';
export type { InferenceTimeOptions, InferenceTimePoint } from './inferenceTime.js';
export { inferenceTime } from './inferenceTime.js';
export type { LineOptions, LinePoint, Reference } from './lines.js';
export { lines } from './lines.js';
export {
  LiveTraining,
  type LiveTrainingOptions,
  liveTraining,
  type TrainingStep,
} from './liveTraining.js';
export { markdown } from './markdown.js';
export { type PanelsOptions, panels } from './panels.js';
export type { PaperFigureOptions, ResultsByModel } from './paper/curves.js';
export {
  accuracyFigure,
  additionalFigure,
  coverageFigure,
  finetunedTeacherFigure,
  finetuningFigure,
  type StageResult,
  stagesFigure,
  type TrainingFigureOptions,
  type TrainingPoint,
  trainingFigure,
} from './paper/figures.js';
export type { IterableProgressOptions, Progress, ProgressOptions } from './progress.js';
export { progress } from './progress.js';
export type { TableOptions } from './table.js';
export { table } from './table.js';
export type { ThroughputPoint } from './throughput.js';
export { throughput } from './throughput.js';
export { toDanfo } from './toDanfo.js';
