/** Models, data, schedules and evaluations as a configuration names them. */
import type { z } from 'zod';
import * as data from '../../data/index.js';
import * as models from '../../models/index.js';
import type { Batch } from '../batch.js';
import * as evaluations from '../evaluations.js';
import type { RateConfig } from '../presets.js';
import type { Identity } from '../runs/run-folder.js';
import * as schedules from '../schedules.js';
import type { TeacherLogits } from '../teacher-cache/choose.js';
import type { Evaluation, TrainingOptions } from '../training.js';
import { type OpenedData, openData } from './open-data.js';
import type { distillConfig, sftConfig, trainConfig } from './schema.js';

/** Any checked configuration. */
export type TrainingConfig =
  | z.output<typeof distillConfig>
  | z.output<typeof sftConfig>
  | z.output<typeof trainConfig>;

export type DataConfig = z.output<typeof sftConfig>['data'];
export type EvaluationConfig = z.output<typeof sftConfig>['evaluation'];
type StudentConfig = Exclude<z.output<typeof distillConfig>['student'], string>;

/** What every stage of every recipe has. */
export interface Stage {
  readonly steps: number;
  readonly data: DataConfig;
  readonly learningRate: RateConfig;
  readonly optimizer?: z.output<typeof sftConfig>['optimizer'];
  readonly accumulate?: number | undefined;
  readonly checkpoint?: boolean | undefined;
  readonly teacherLogits?: TeacherLogits | undefined;
}

/** Takes lines that say what was made of a configuration. */
export interface Logging {
  readonly log?: (line: string) => void;
}

/** The models and data of a run, let go at its end. */
export class Open {
  private readonly models: models.Model[] = [];
  private readonly data: OpenedData[] = [];

  add<M extends models.Model>(model: M): M {
    this.models.push(model);
    return model;
  }

  addData(data: OpenedData): OpenedData {
    this.data.push(data);
    return data;
  }

  async close(): Promise<void> {
    for (const model of this.models.reverse()) model.dispose();
    for (const data of this.data.reverse()) await data.close();
  }
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The fields that have a value. */
export function withoutUndefined<T extends object>(fields: T): Defined<T> {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Defined<T>;
}

/** The schedule that a configuration writes down, over so many steps. */
export function scheduleOf(rate: RateConfig, steps: number): schedules.Schedule {
  switch (rate.kind) {
    case 'constant':
      return schedules.constant(rate.rate);
    case 'wsd': {
      const { peak, warmup, decay, final = 0 } = rate;
      return schedules.wsd({ peak, warmup, decay, final, steps });
    }
    case 'cosine': {
      const { peak, warmup = 0, final = 0 } = rate;
      return schedules.cosine({ peak, warmup, final, steps });
    }
  }
}

const KINDS = { llamba: models.Llamba, 'mamba-in-llama': models.MambaInLlama } as const;

/** A teacher, or another Llama that is trained. */
export function llamaOf(ref: string, open: Open): models.Llama {
  const model = open.add(models.load(ref));
  if (model instanceof models.Llama) return model;
  throw new RangeError(
    `${ref}: a Llama expected, got a model of the family ${model.config.family}`,
  );
}

/** A student made of the teacher, or a saved one of the family. */
export function studentOf<F extends keyof typeof KINDS>(
  family: F,
  teacher: models.Llama,
  student: string | StudentConfig,
  { log = () => {} }: Logging,
  open: Open,
): InstanceType<(typeof KINDS)[F]> {
  const model =
    typeof student === 'string'
      ? models.load(student)
      : models.convert(teacher, { ...withoutUndefined(student), log } as models.LlambaSpec);
  open.add(model);
  if (model instanceof KINDS[family]) return model as InstanceType<(typeof KINDS)[F]>;
  throw new RangeError(`student: a model of the family ${family} expected, ${student} is none`);
}

/** The shape of a Llama that is trained from nothing. */
export function llamaConfigOf(
  { model }: Extract<TrainingConfig, { recipe: 'llama' }>,
  tokenizer: data.Tokenizer,
): models.LlamaConfig {
  if (model.dModel % model.nHeads !== 0) {
    throw new RangeError(
      `model: nHeads must divide dModel, got ${model.nHeads} and ${model.dModel}`,
    );
  }
  return {
    ...model,
    vocabSize: tokenizer.vocabSize,
    headDim: model.dModel / model.nHeads,
    ropeScaling: undefined,
    bosId: tokenizer.bosId,
    eosIds: tokenizer.eosIds,
  };
}

/** A Llama with random weights. */
export function fromNothing(
  config: Extract<TrainingConfig, { recipe: 'llama' }>,
  tokenizer: data.Tokenizer,
): models.Llama {
  const seeded = Object.assign(() => undefined, { seed: config.seed });
  return new models.Llama(llamaConfigOf(config, tokenizer), seeded, { ref: config.tokenizer });
}

/** A stage's options for `train`, its data opened. */
export async function trainingOf(
  { steps, data: from, learningRate, optimizer, accumulate }: Stage,
  tokenizer: data.Tokenizer,
  evaluation: Evaluation | undefined,
  { log }: Logging,
  open: Open,
): Promise<Pick<TrainingOptions, 'steps' | 'data' | 'learningRate'> & Partial<TrainingOptions>> {
  const { batches } = open.addData(await openData(from, tokenizer, log));
  return {
    steps,
    data: batches,
    learningRate: scheduleOf(learningRate, steps),
    ...withoutUndefined({ optimizer: optimizer && withoutUndefined(optimizer), accumulate }),
    ...(evaluation && { evaluation }),
  };
}

/** The measurements that a configuration asks for. */
export async function evaluationOf(
  config: EvaluationConfig,
  from: DataConfig,
  tokenizer: data.Tokenizer,
): Promise<Evaluation | undefined> {
  if (!config) return undefined;
  const { every, perplexity, accuracy, best } = config;
  const measurements: evaluations.Measurement[] = [];
  if (perplexity) {
    const held = await openData({ ...from, sources: perplexity.sources }, tokenizer);
    const batches: Batch[] = [];
    try {
      while (batches.length < perplexity.batches) batches.push(await held.batches.next());
    } finally {
      await held.close();
    }
    measurements.push(evaluations.perplexity(batches));
  }
  if (accuracy) {
    const { task, problems, split, maxNewTokens } = accuracy;
    const options = withoutUndefined({ problems, split });
    const loaded = data.loadTask(task, options);
    const asked = withoutUndefined({ maxNewTokens });
    measurements.push(evaluations.greedyAccuracy(tokenizer, loaded, asked));
  }
  if (measurements.length === 0) {
    throw new RangeError('evaluation: expected perplexity, accuracy or both, got neither');
  }
  return {
    every,
    measure: evaluations.together(...measurements),
    ...(best && { best: { name: best, larger: best === 'accuracy' } }),
  };
}

/**
 * What tells this run from others in its folder: the configuration, less where and how often it is saved
 * and how many threads tokenise.
 */
export function identityOf(config: TrainingConfig): Identity {
  const { run: _run, evaluation: _evaluation, ...rest } = config;
  return { config: withoutWorkers(rest) };
}

function withoutWorkers(part: object): object {
  const entries = Object.entries(part).map(([name, value]) => {
    if (name === 'data') return [name, { ...value, workers: undefined }];
    if (name !== 'stages') return [name, value];
    const stages = Object.entries(value as object);
    return [
      name,
      Object.fromEntries(stages.map(([key, stage]) => [key, stage && withoutWorkers(stage)])),
    ];
  });
  return Object.fromEntries(entries);
}

/** How the trained model is saved: bfloat16 where the last stage trained all of it to be that, and loses nothing. */
export function savedPrecision(config: TrainingConfig): 'f32' | 'bf16' {
  const last = config.recipe === 'mohawk' ? config.stages.logits : config;
  return last?.optimizer?.weights === 'bfloat16' ? 'bf16' : 'f32';
}
