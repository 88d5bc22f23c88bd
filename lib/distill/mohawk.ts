/**
 * MOHAWK (Bick et al. 2024, "Transformers to SSMs") as the paper uses it for Llamba (section 3): a
 * student learns the teacher's attention matrices, then its layers, then its distributions.
 */
import { join } from 'node:path';
import type { Llama, Llamba } from '../models/index.js';
import { checkFit } from './check-fit.js';
import * as objectives from './objectives.js';
import type { StepMetrics } from './runs/metrics-file.js';
import type { Identity } from './runs/run-folder.js';
import { chooseTeacherLogits, type TeacherLogits } from './teacher-cache/choose.js';
import { type TrainingOptions, type TrainingResult, train } from './training.js';

/** The stages, in their order. */
export type MohawkStage = 'matrices' | 'hiddenStates' | 'logits';

/** How a stage is trained. Each has a source of data of its own. */
export type StageOptions = Omit<TrainingOptions, 'run' | 'signal' | 'onStep'>;

/** Options of {@link mohawk}. */
export interface MohawkOptions {
  /** A stage that is left out is not made. */
  readonly stages: {
    /** Stage 1: mixer matrices against attention matrices, layer by layer. */
    readonly matrices?: StageOptions;
    /** Stage 2: hidden states, layer by layer. */
    readonly hiddenStates?: StageOptions & {
      /**
       * `trained` (default): whole blocks, MLP and norms transferred and trained too, as the paper has
       * it; `frozen`: the mixers alone, as MOHAWK was published.
       */
      readonly mlp?: 'trained' | 'frozen';
    };
    /** Stage 3: distributions over the next token, end to end. */
    readonly logits?: StageOptions & {
      /** Default `forward`: the cross-entropy of the teacher's distributions, less their entropy. */
      readonly divergence?: 'forward' | 'reverse';
      readonly temperature?: number;
      /** Default `live`; or a cache of this teacher's logits over this stage's data. */
      readonly teacherLogits?: TeacherLogits;
      /** Computes the insides of blocks again in the backward pass; default false. */
      readonly checkpoint?: boolean;
    };
  };
  /** Where the stages are written down, each in a folder of its own; what is there goes on. */
  readonly run?: TrainingOptions['run'];
  readonly signal?: AbortSignal;
  readonly onStep?: (metrics: StepMetrics, stage: MohawkStage) => void;
  /** Called when a stage is done, with the student as it then is. */
  readonly onStage?: (stage: MohawkStage, result: TrainingResult) => void | Promise<void>;
  /** What tells this run from others, such as the names of teacher and data. */
  readonly identity?: Identity;
}

const FOLDERS: Record<MohawkStage, string> = {
  matrices: '1-matrices',
  hiddenStates: '2-hidden-states',
  logits: '3-logits',
};

/**
 * Distils a Llama into a Llamba that was converted from it. The student is trained in place.
 *
 * @returns what each stage came to.
 * @throws RangeError where teacher and student do not fit, and what `train` throws.
 */
export async function mohawk(
  teacher: Llama,
  student: Llamba,
  options: MohawkOptions,
): Promise<Partial<Record<MohawkStage, TrainingResult>>> {
  const { stages } = options;
  checkFit('mohawk', teacher, student, {
    width: stages.hiddenStates !== undefined,
    matrices: stages.matrices !== undefined,
  });
  student.ownParameters();
  const results: Partial<Record<MohawkStage, TrainingResult>> = {};
  const make = async (
    stage: MohawkStage,
    stageOptions: StageOptions,
    objective: Parameters<typeof train>[1],
    more: Identity,
  ) => {
    const { run, signal, onStep, identity } = options;
    const result = await train(
      student,
      objective,
      {
        ...stageOptions,
        ...(run && { run: { ...run, folder: join(run.folder, FOLDERS[stage]) } }),
        ...(signal && { signal }),
        ...(onStep && { onStep: (metrics) => onStep(metrics, stage) }),
      },
      { ...identity, recipe: 'mohawk', stage, ...more },
    );
    results[stage] = result;
    await options.onStage?.(stage, result);
  };

  if (stages.matrices) {
    await make('matrices', stages.matrices, objectives.matrices(student, teacher), {});
  }
  if (stages.hiddenStates) {
    const { mlp = 'trained' } = stages.hiddenStates;
    const objective = objectives.hiddenStates(student, teacher, { mlp: mlp === 'trained' });
    await make('hiddenStates', stages.hiddenStates, objective, { mlp });
  }
  if (stages.logits) {
    const { divergence = 'forward', temperature = 1, checkpoint = false } = stages.logits;
    const { teacherLogits = 'live', steps } = stages.logits;
    const use = { teacher, data: stages.logits.data, steps, temperature };
    const chosen = chooseTeacherLogits(teacherLogits, use);
    const loss = { divergence, temperature };
    const objective = objectives.logits(student, chosen.teacher, { ...loss, checkpoint });
    const stage = { ...stages.logits, data: chosen.data };
    await make('logits', stage, objective, { ...loss, ...chosen.identity });
  }
  return results;
}
