/** Training on the next token of a text: fine-tuning, the finetuned teacher, and a model from nothing. */
import type { Llama, Model } from '../models/index.js';
import * as objectives from './objectives.js';
import type { Identity } from './runs/run-folder.js';
import { type TrainingOptions, type TrainingResult, train } from './training.js';

/** Options of {@link sft}. */
export interface SftOptions extends TrainingOptions {
  /** Computes the insides of blocks again in the backward pass; default false. */
  readonly checkpoint?: boolean;
  /** What tells this run from others, such as the names of model and data. */
  readonly identity?: Identity;
}

function nextToken(recipe: string, model: Model, options: SftOptions): Promise<TrainingResult> {
  const { checkpoint = false, identity, ...training } = options;
  model.ownParameters();
  const objective = objectives.nextToken(model, { checkpoint });
  return train(model, objective, training, { ...identity, recipe });
}

/**
 * Supervised fine-tuning, as after distillation (the paper, section 3 and Figure 8): cross-entropy of
 * the labels that the data counts. The model is trained in place; one with random weights learns from
 * nothing.
 *
 * @throws what `train` throws.
 */
export function sft(model: Model, options: SftOptions): Promise<TrainingResult> {
  return nextToken('sft', model, options);
}

/**
 * The teacher trained on the data of the distillation (the paper, Figure 3): whether what the students
 * gain comes from the data. It is trained in place; load it once more to keep the original.
 *
 * @throws what `train` throws.
 */
export function finetuneTeacher(teacher: Llama, options: SftOptions): Promise<TrainingResult> {
  return nextToken('finetuneTeacher', teacher, options);
}
