/** What a configuration will take, before anything is made. */
import { init, measureRates } from '../../backend/index.js';
import * as data from '../../data/index.js';
import { sizeOf } from '../../models/files/layout.js';
import * as models from '../../models/index.js';
import { layoutOf } from '../../models/layouts.js';
import { type Estimate, estimate } from '../estimate.js';
import { llamaConfigOf, type Stage, type TrainingConfig, withoutUndefined } from './parts.js';

/** A stage of a run and what it takes, about. */
export interface StagePlan extends Estimate {
  readonly name: string;
}

/** What {@link planConfig} found. */
export interface RunPlan {
  readonly recipe: string;
  readonly folder: string;
  readonly stages: readonly StagePlan[];
}

/** The configuration and bytes of a checkpoint; its weights are mapped and let go. */
function shapeOf(ref: string): { config: models.ModelConfig; bytes: number } {
  const model = models.load(ref);
  try {
    return { config: model.config, bytes: model.bytes };
  } finally {
    model.dispose();
  }
}

type Teacher = ReturnType<typeof shapeOf>;

function studentOf(teacher: Teacher, student: unknown): models.ModelConfig {
  if (typeof student === 'string') return shapeOf(student).config;
  const spec = withoutUndefined(student as object) as models.LlambaSpec;
  return models.studentConfig(teacher.config as models.LlamaConfig, spec);
}

/** The share of a model's numbers whose path belongs. */
function shareOf(config: models.ModelConfig, belongs: (path: string) => boolean): number {
  const parts = layoutOf(config).flatMap((tensor) => tensor.parts);
  const numbers = (some: typeof parts) => some.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return numbers(parts.filter(({ path }) => belongs(path))) / numbers(parts);
}

/**
 * Parameters, memory, tokens, steps and time of a configuration's stages, from the shapes of its models
 * and the rate of products that is measured here.
 *
 * @throws Error naming a model that is not there, or a student that cannot be made of the teacher.
 */
export function planConfig(config: TrainingConfig): RunPlan {
  const { recipe, run } = config;
  const stages: [name: string, stage: Stage, trained: number][] = [];
  let student: models.ModelConfig;
  let teacher: Teacher | undefined;
  if (config.recipe === 'mohawk' || config.recipe === 'mamba-in-llama') {
    teacher = shapeOf(config.teacher);
    student = studentOf(teacher, config.student);
  } else if (config.recipe === 'llama') {
    student = llamaConfigOf(config, data.loadTokenizer(config.tokenizer));
  } else {
    student = shapeOf(config.model).config;
  }
  if (config.recipe === 'mohawk') {
    const { matrices, hiddenStates, logits } = config.stages;
    const mixers = shareOf(student, (path) => path.includes('.mixer.'));
    const blocks = shareOf(student, (path) => path.startsWith('layers.'));
    if (matrices) stages.push(['matrices', matrices, mixers]);
    if (hiddenStates) {
      stages.push(['hiddenStates', hiddenStates, hiddenStates.mlp === 'frozen' ? mixers : blocks]);
    }
    if (logits) stages.push(['logits', logits, 1]);
  } else {
    stages.push([recipe, config, 1]);
  }
  init();
  const { flopsPerSecond } = measureRates();
  return {
    recipe,
    folder: run.folder,
    stages: stages.map(([name, stage, trained]) => ({
      name,
      ...estimate({
        student,
        // A teacher whose logits are cached is not read.
        ...(teacher && typeof stage.teacherLogits !== 'object' && { teacher }),
        trained,
        steps: stage.steps,
        batch: stage.data.batch,
        length: stage.data.length,
        flopsPerSecond,
        masters: stage.optimizer?.weights === 'bfloat16',
        ...withoutUndefined({ accumulate: stage.accumulate, checkpoint: stage.checkpoint }),
      }),
    })),
  };
}
