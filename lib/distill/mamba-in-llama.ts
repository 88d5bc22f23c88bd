/**
 * MambaInLlama (Wang et al. 2024, "The Mamba in the Llama") as the paper uses it (section 3): one round
 * of reverse KL, end to end, all parameters trained.
 */
import { join } from 'node:path';
import * as models from '../models/index.js';
import { checkFit } from './check-fit.js';
import { copyParameters } from './copy-parameters.js';
import * as objectives from './objectives.js';
import type { Identity } from './runs/run-folder.js';
import {
  type ChosenTeacherLogits,
  chooseTeacherLogits,
  type TeacherLogits,
} from './teacher-cache/choose.js';
import { type TrainingOptions, type TrainingResult, train } from './training.js';

/** Options of {@link mambaInLlama}. */
export interface MambaInLlamaOptions extends TrainingOptions {
  /** Default `reverse`, as the paper has it. */
  readonly divergence?: 'forward' | 'reverse';
  /** Default 1. */
  readonly temperature?: number;
  /** Default `live`; or a cache of this teacher's logits over this data, all rounds one after another. */
  readonly teacherLogits?: TeacherLogits;
  /** What the divergence counts; default 1. */
  readonly klWeight?: number;
  /** What the cross-entropy of the data's own tokens counts; default 0. */
  readonly ceWeight?: number;
  /** Computes the insides of blocks again in the backward pass; default false. */
  readonly checkpoint?: boolean;
  /**
   * In how many rounds the layers become Mamba; default 1, as the paper has it. With more, each round
   * converts its share of the layers, evenly spread, and trains for its share of the steps, as
   * MambaInLlama's stepwise distillation did.
   */
  readonly rounds?: number;
  /** What tells this run from others, such as the names of teacher and data. */
  readonly identity?: Identity;
}

/**
 * Distils a Llama into a hybrid that was converted from it. The student is trained in place.
 *
 * @returns what each round came to.
 * @throws RangeError where teacher and student do not fit, and what `train` throws.
 */
export async function mambaInLlama(
  teacher: models.Llama,
  student: models.MambaInLlama,
  options: MambaInLlamaOptions,
): Promise<TrainingResult[]> {
  const { rounds = 1, steps, data, teacherLogits = 'live', temperature = 1 } = options;
  checkFit('mambaInLlama', teacher, student);
  const { attentionLayers, nLayers } = student.config;
  const layers = [...Array(nLayers).keys()].filter((i) => !attentionLayers.includes(i));
  if (!Number.isSafeInteger(rounds) || rounds < 1 || rounds > Math.max(1, layers.length)) {
    throw new RangeError(
      `mambaInLlama: rounds must be from 1 to the ${layers.length} layers that are converted, got ${rounds}`,
    );
  }
  const chosen = chooseTeacherLogits(teacherLogits, { teacher, data, steps, temperature });
  student.ownParameters();
  const results: TrainingResult[] = [];
  for (let round = 0; round < rounds; round++) {
    const attention = layers.filter((_, i) => i % rounds > round);
    const model = attention.length > 0 ? partly(teacher, student, attention) : student;
    const before = Math.ceil((round * steps) / rounds);
    const share = {
      ...options,
      data: chosen.data,
      steps: Math.ceil(((round + 1) * steps) / rounds) - before,
      learningRate: (step: number) => options.learningRate(before + step),
      ...(options.run && {
        run: {
          ...options.run,
          folder:
            rounds === 1 ? options.run.folder : join(options.run.folder, `round-${round + 1}`),
        },
      }),
    };
    try {
      results.push(await oneRound(chosen, model, share));
      if (model !== student) copyParameters(model, student);
    } finally {
      if (model !== student) model.dispose();
    }
  }
  return results;
}

function oneRound(
  { teacher, identity: source }: ChosenTeacherLogits,
  student: models.MambaInLlama,
  options: MambaInLlamaOptions,
): Promise<TrainingResult> {
  const { divergence = 'reverse', temperature = 1, klWeight = 1, ceWeight = 0 } = options;
  const { checkpoint = false, identity, ...training } = options;
  const loss = { divergence, temperature, klWeight, ceWeight };
  const objective = objectives.logits(student, teacher, { ...loss, checkpoint });
  const own = { ...identity, recipe: 'mambaInLlama', ...loss, ...source };
  return train(student, objective, training, own);
}

/** The student as it is, with the teacher's attention still in some layers. */
function partly(
  teacher: models.Llama,
  student: models.MambaInLlama,
  attention: readonly number[],
): models.MambaInLlama {
  const { attentionLayers, mixer, layout } = student.config;
  const model = models.convert(teacher, {
    family: 'mamba-in-llama',
    attentionLayers: [...attentionLayers, ...attention],
    mixer: mixer.type,
    ...(mixer.type === 'mamba' && { stateDim: mixer.stateDim }),
    convWidth: mixer.convWidth,
    layout,
    log: () => {},
  });
  model.ownParameters();
  copyParameters(student, model);
  return model;
}
