/** The loop of every recipe: steps, measurements, evaluations, checkpoints, and going on after a stop. */
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import * as backend from '../backend/index.js';
import * as models from '../models/index.js';
import { type AdamWOptions, adamW } from './adamW.js';
import { type Batch, type BatchSource, countedLabels } from './batch.js';
import { firstNotFinite, NotFiniteError } from './not-finite.js';
import type { Objective } from './objective.js';
import type { Progress } from './runs/checkpoint.js';
import { MetricsFile, type StepMetrics } from './runs/metrics-file.js';
import { type Identity, RunFolder } from './runs/run-folder.js';
import type { Schedule } from './schedules.js';
import { TrainStep } from './train-step.js';

/** What is measured of a student in the middle of its training. */
export interface Evaluation {
  /** Steps between measurements; the last step is always measured. */
  readonly every: number;
  /** Measures; the student must be left as it is. */
  measure(student: models.Model): Record<string, number> | Promise<Record<string, number>>;
  /** The measurement by which the best checkpoint is kept, and whether more is better. */
  readonly best?: { readonly name: string; readonly larger: boolean };
}

/** Where and how often a run is written down. */
export interface RunOptions {
  /** Its folder; a run that is in it goes on. */
  readonly folder: string;
  /** Steps between checkpoints; default 100. The last step's is always written. */
  readonly saveEvery?: number;
  /** Checkpoints that are kept, the latest ones; default 2. */
  readonly keep?: number;
}

/** Options of {@link train}. */
export interface TrainingOptions {
  /** Steps of the whole run. */
  readonly steps: number;
  readonly data: BatchSource;
  /** Learning rate by step, counted from 0. */
  readonly learningRate: Schedule;
  readonly optimizer?: AdamWOptions;
  /** Micro-batches that a batch is cut into; default 1. */
  readonly accumulate?: number;
  readonly run?: RunOptions;
  readonly evaluation?: Evaluation;
  /** Stops after the step that is being made, with a checkpoint where there is a folder. */
  readonly signal?: AbortSignal;
  /** Called after every step; not for steps that were made before. */
  readonly onStep?: (metrics: StepMetrics) => void;
}

/** What a training came to. */
export interface TrainingResult {
  readonly steps: number;
  /** Of every step, those made before included. */
  readonly metrics: readonly StepMetrics[];
  /** The step at which the run went on, 0 for a new one. */
  readonly resumedAt: number;
}

function positive(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`train: ${name} must be a positive integer, got ${value}`);
  }
  return value;
}

/**
 * Trains a model's parameters on an objective. With a folder the run goes on after any stop, and ends
 * with the same weights bit for bit as one that was not stopped, on the same machine and threads.
 *
 * @param student its parameters must have memory of their own (`ownParameters`).
 * @param identity what tells this run from others beside the options; plain JSON.
 * @throws NotFiniteError where a loss or gradient is not finite: the run stops before the update.
 * @throws the signal's reason where it was stopped, with everything saved.
 */
export async function train(
  student: models.Model,
  objective: Objective,
  options: TrainingOptions,
  identity: Identity = {},
): Promise<TrainingResult> {
  const { data, run, signal, evaluation } = options;
  const steps = positive('steps', options.steps);
  const saveEvery = positive('saveEvery', run?.saveEvery ?? 100);
  const keep = positive('keep', run?.keep ?? 2);
  if (evaluation) positive('evaluation.every', evaluation.every);
  const optimizer = adamW(objective.parameters, options.optimizer);
  const step = new TrainStep(objective, optimizer, { accumulate: options.accumulate ?? 1 });
  let folder: RunFolder | undefined;
  let file: MetricsFile | undefined;
  try {
    const weights = options.optimizer?.weights === 'bfloat16' && { weights: 'bfloat16' };
    const start = student.fingerprint();
    folder = run && new RunFolder(run.folder, { ...identity, ...weights, steps, start });
    let at: Progress = { step: 0, tokens: 0, lossTokens: 0, position: data.position() };
    const last = folder?.checkpoints.steps().at(-1);
    if (folder && last !== undefined) {
      at = folder.checkpoints.restore(last, student.parameters(), optimizer);
      await data.seek(at.position);
    }
    const resumedAt = at.step;
    file = folder && new MetricsFile(folder.metricsPath, at.step);
    const metrics: StepMetrics[] = [...(file?.before ?? [])];
    const save = () => folder?.checkpoints.save(student.parameters(), optimizer, at, keep);
    while (at.step < steps) {
      if (signal?.aborted) {
        save();
        throw signal.reason;
      }
      const started = performance.now();
      const batch = await data.next();
      const rate = options.learningRate(at.step);
      const { loss, parts, gradientNorm } = step.run(batch, rate);
      if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
        const where = save();
        throw notFinite(student, step, batch, { loss, gradientNorm, step: at.step + 1, where });
      }
      const read = batch.batch * batch.length;
      at = {
        ...at,
        step: at.step + 1,
        tokens: at.tokens + read,
        lossTokens: at.lossTokens + countedLabels(batch, 0, batch.batch),
        position: data.position(),
      };
      const isLast = at.step === steps;
      const due = evaluation && (isLast || at.step % evaluation.every === 0);
      const seconds = (performance.now() - started) / 1e3;
      const measured = due ? await evaluation.measure(student) : undefined;
      const best = measured && better(evaluation, measured, at);
      if (best) {
        at = { ...at, best };
        if (folder) models.save(student, join(folder.path, 'best'), { precision: 'f32' });
      }
      const made: StepMetrics = {
        step: at.step,
        loss,
        gradientNorm,
        learningRate: rate,
        tokens: at.tokens,
        lossTokens: at.lossTokens,
        tokensPerSecond: read / seconds,
        memoryBytes: backend.memory().bytes,
        ...(Object.keys(parts).length > 1 && { parts }),
        ...(measured && { evaluation: measured }),
      };
      file?.append(made);
      metrics.push(made);
      if (isLast || at.step % saveEvery === 0) save();
      options.onStep?.(made);
      // Lets signals, sockets and other cells have their turn.
      await setImmediate();
    }
    return { steps, metrics, resumedAt };
  } finally {
    file?.close();
    folder?.close();
    step.dispose();
    optimizer.dispose();
  }
}

/** The measurement where it is the best so far of what picks the best checkpoint. */
function better(
  evaluation: Evaluation | undefined,
  measured: Record<string, number>,
  { step, best }: Progress,
): Progress['best'] {
  if (!evaluation?.best) return undefined;
  const { name, larger } = evaluation.best;
  const value = measured[name];
  if (value === undefined) {
    throw new RangeError(
      `train: evaluation.best: '${name}' is not measured; there are ${Object.keys(measured).join(', ')}`,
    );
  }
  const isBetter = best === undefined || (larger ? value > best.value : value < best.value);
  return isBetter ? { step, value } : undefined;
}

function notFinite(
  student: models.Model,
  trainStep: TrainStep,
  batch: Batch,
  at: { loss: number; gradientNorm: number; step: number; where: string | undefined },
): NotFiniteError {
  const { loss, gradientNorm, step, where } = at;
  const ids = batch.ids ?? [];
  const place = firstNotFinite(student, trainStep, batch);
  const saved = where === undefined ? '' : `; the run as it was before is in ${where}`;
  return new NotFiniteError(
    `step ${step}: loss ${loss}, gradient norm ${gradientNorm}: the first that is not finite is ` +
      `${place}; batch: ${ids.length > 0 ? ids.join(', ') : 'without ids'}${saved}`,
    step,
    ids,
  );
}
