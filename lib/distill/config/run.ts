/** What a configuration file asks for, made: models, data, recipe, and the trained model in its folder. */
import { join } from 'node:path';
import * as data from '../../data/index.js';
import * as models from '../../models/index.js';
import { mambaInLlama } from '../mamba-in-llama.js';
import { type MohawkOptions, type MohawkStage, mohawk } from '../mohawk.js';
import { trainRewardModel } from '../reward-model.js';
import type { StepMetrics } from '../runs/metrics-file.js';
import { finetuneTeacher, type SftOptions, sft } from '../sft.js';
import type { TrainingResult } from '../training.js';
import {
  evaluationOf,
  fromNothing,
  identityOf,
  llamaOf,
  Open,
  type Stage,
  savedPrecision,
  studentOf,
  type TrainingConfig,
  trainingOf,
  withoutUndefined,
} from './parts.js';

/** How a configured run is watched and stopped. */
export interface Watch {
  readonly signal?: AbortSignal;
  readonly onStep?: (metrics: StepMetrics, stage?: MohawkStage) => void;
  /** Takes lines that say what was made of the configuration. */
  readonly log?: (line: string) => void;
}

/** Where the trained model is, and what the last stage came to. */
export interface ConfiguredResult {
  readonly model: string;
  readonly metrics: readonly StepMetrics[];
}

type Of<Recipe extends TrainingConfig['recipe']> = Extract<TrainingConfig, { recipe: Recipe }>;

interface Ran {
  readonly model: models.Model;
  readonly result: TrainingResult | undefined;
}

/**
 * Runs a configuration to its end, or on to it from where it was stopped. The trained model is saved to
 * `model` in the run's folder.
 *
 * @throws what the recipe throws; Error naming a model, file or task that is not there.
 */
export async function runConfig(
  config: TrainingConfig,
  watch: Watch = {},
): Promise<ConfiguredResult> {
  const open = new Open();
  try {
    const { model, result } = await runRecipe(config, watch, open);
    const folder = join(config.run.folder, 'model');
    models.save(model, folder, { precision: savedPrecision(config) });
    return { model: folder, metrics: result?.metrics ?? [] };
  } finally {
    await open.close();
  }
}

function runRecipe(config: TrainingConfig, watch: Watch, open: Open): Promise<Ran> {
  switch (config.recipe) {
    case 'mohawk':
      return runMohawk(config, watch, open);
    case 'mamba-in-llama':
      return runMambaInLlama(config, watch, open);
    case 'llama':
      return runLlama(config, watch, open);
    case 'sft':
      return runSft(config, watch, open);
    default:
      return runOnLlama(config, watch, open);
  }
}

/** What every recipe is told of the run. */
function runOptions(config: TrainingConfig, { signal, onStep }: Watch) {
  return {
    run: { ...withoutUndefined(config.run), folder: config.run.folder },
    identity: identityOf(config),
    ...(signal && { signal }),
    ...(onStep && { onStep }),
  };
}

async function runMohawk(config: Of<'mohawk'>, watch: Watch, open: Open): Promise<Ran> {
  const teacher = llamaOf(config.teacher, open);
  const student = studentOf('llamba', teacher, config.student, watch, open);
  const tokenizer = data.loadTokenizer(config.teacher);
  const { matrices, hiddenStates, logits } = config.stages;
  const last = logits ?? hiddenStates ?? matrices;
  if (!last) throw new RangeError('stages: expected matrices, hiddenStates or logits, got none');
  const evaluation = await evaluationOf(config.evaluation, last.data, tokenizer);
  const stage = (options: Stage) => trainingOf(options, tokenizer, evaluation, watch, open);
  const stages: MohawkOptions['stages'] = {
    ...(matrices && { matrices: await stage(matrices) }),
    ...(hiddenStates && {
      hiddenStates: {
        ...(await stage(hiddenStates)),
        ...withoutUndefined({ mlp: hiddenStates.mlp }),
      },
    }),
    ...(logits && {
      logits: {
        ...(await stage(logits)),
        ...withoutUndefined({
          divergence: logits.divergence,
          temperature: logits.temperature,
          teacherLogits: logits.teacherLogits,
          checkpoint: logits.checkpoint,
        }),
      },
    }),
  };
  const results = await mohawk(teacher, student, { ...runOptions(config, watch), stages });
  return { model: student, result: results.logits ?? results.hiddenStates ?? results.matrices };
}

async function runMambaInLlama(
  config: Of<'mamba-in-llama'>,
  watch: Watch,
  open: Open,
): Promise<Ran> {
  const teacher = llamaOf(config.teacher, open);
  const student = studentOf('mamba-in-llama', teacher, config.student, watch, open);
  const tokenizer = data.loadTokenizer(config.teacher);
  const { divergence, temperature, teacherLogits, klWeight, ceWeight, rounds, checkpoint } = config;
  const evaluation = await evaluationOf(config.evaluation, config.data, tokenizer);
  const results = await mambaInLlama(teacher, student, {
    ...runOptions(config, watch),
    ...(await trainingOf(config, tokenizer, evaluation, watch, open)),
    ...withoutUndefined({ divergence, temperature, teacherLogits }),
    ...withoutUndefined({ klWeight, ceWeight, rounds, checkpoint }),
  });
  return { model: student, result: results.at(-1) };
}

async function runLlama(config: Of<'llama'>, watch: Watch, open: Open): Promise<Ran> {
  const tokenizer = data.loadTokenizer(config.tokenizer);
  const model = open.add(fromNothing(config, tokenizer));
  return { model, result: await sft(model, await textOptions(config, tokenizer, watch, open)) };
}

async function runSft(config: Of<'sft'>, watch: Watch, open: Open): Promise<Ran> {
  const model = open.add(models.load(config.model));
  const tokenizer = data.loadTokenizer(config.model);
  return { model, result: await sft(model, await textOptions(config, tokenizer, watch, open)) };
}

async function runOnLlama(
  config: Of<'finetune-teacher' | 'reward-model'>,
  watch: Watch,
  open: Open,
): Promise<Ran> {
  const model = llamaOf(config.model, open);
  const tokenizer = data.loadTokenizer(config.model);
  const recipe = config.recipe === 'reward-model' ? trainRewardModel : finetuneTeacher;
  return { model, result: await recipe(model, await textOptions(config, tokenizer, watch, open)) };
}

/** Options of the recipes that train on text alone. */
async function textOptions(
  config: Of<'llama' | 'sft' | 'finetune-teacher' | 'reward-model'>,
  tokenizer: data.Tokenizer,
  watch: Watch,
  open: Open,
): Promise<SftOptions> {
  const evaluation = await evaluationOf(config.evaluation, config.data, tokenizer);
  return {
    ...runOptions(config, watch),
    ...(await trainingOf(config, tokenizer, evaluation, watch, open)),
    ...withoutUndefined({ checkpoint: config.checkpoint }),
  };
}
