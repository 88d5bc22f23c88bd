/** Training a process reward model: a causal model that answers `+` or `-` after each step. */
import type { Llama } from '../models/index.js';
import * as objectives from './objectives.js';
import type { SftOptions } from './sft.js';
import { type TrainingResult, train } from './training.js';

/**
 * Trains a Llama to judge steps, in RLHFlow's format (Dong et al. 2024; the paper's verifier is their
 * Llama-3.1-8B PRM): cross-entropy of the labels after each step. It is trained in place; afterwards
 * `eval.rewardModel(model, tokenizer)` scores with it.
 *
 * @param options `data` of {@link rewardDocuments}, packed.
 * @throws what `train` throws.
 */
export function trainRewardModel(model: Llama, options: SftOptions): Promise<TrainingResult> {
  const { checkpoint = false, identity, ...training } = options;
  model.ownParameters();
  const objective = objectives.nextToken(model, { checkpoint });
  return train(model, objective, training, { ...identity, recipe: 'trainRewardModel' });
}
