/** What is measured of a student in the middle of its training. */
import * as tf from '@tensorflow/tfjs-core';
import type { Problem, Task, Tokenizer } from '../data/index.js';
import { promptFor } from '../data/index.js';
import { gradeGsm8k, gradeMath } from '../eval/index.js';
import { sample } from '../generate/index.js';
import type { Model } from '../models/index.js';
import { type Batch, BatchRoom, countedLabels } from './batch.js';
import * as losses from './losses.js';
import { headOf } from './objectives.js';

/** Measures a student and leaves it as it is. */
export type Measurement = (
  student: Model,
) => Record<string, number> | Promise<Record<string, number>>;

/** Several measurements one after another. */
export function together(...measurements: readonly Measurement[]): Measurement {
  return async (student) => {
    let all: Record<string, number> = {};
    for (const measure of measurements) all = { ...all, ...(await measure(student)) };
    return all;
  };
}

/**
 * The perplexity of held-out batches: e to the mean cross-entropy of the labels that count.
 *
 * @returns a measurement of `perplexity`.
 * @throws RangeError where no label counts.
 */
export function perplexity(batches: readonly Batch[]): Measurement {
  const counts = batches.map((batch) => countedLabels(batch, 0, batch.batch));
  const total = counts.reduce((sum, n) => sum + n, 0);
  if (total === 0) throw new RangeError('perplexity: no label of the batches counts');
  return (student) => {
    let sum = 0;
    for (const [i, batch] of batches.entries()) {
      const room = new BatchRoom(batch.batch, batch.length);
      try {
        room.write(batch, 0);
        const { labels, mask } = room.tensors;
        const loss = tf.tidy(() =>
          losses.crossEntropy({ logits: headOf(student, room.tensors), labels, mask }).dataSync(),
        );
        sum += (loss[0] as number) * ((counts[i] as number) / total);
      } finally {
        room.dispose();
      }
    }
    return { perplexity: Math.exp(sum) };
  };
}

/** Options of {@link greedyAccuracy}. */
export interface GreedyAccuracyOptions {
  /** Longest answer in tokens; default 256. */
  readonly maxNewTokens?: number;
  /** Problems that are answered together; default 64. */
  readonly batchSize?: number;
  /** Names the measurement; default `accuracy`. */
  readonly name?: string;
}

const graders = { gsm8k: gradeGsm8k, math: gradeMath } as const;

/**
 * The share of held-out problems that a student answers right with its likeliest tokens, asked by the
 * question alone in its chat template.
 */
export function greedyAccuracy(
  tokenizer: Tokenizer,
  { problems, answers }: Pick<Task, 'problems' | 'answers'>,
  { maxNewTokens = 256, batchSize = 64, name = 'accuracy' }: GreedyAccuracyOptions = {},
): Measurement {
  if (problems.length === 0) throw new RangeError('greedyAccuracy: expected problems, got none');
  const prompts = problems.map((problem) =>
    tokenizer.encode(promptFor(tokenizer, problem, { style: 'question', answers }), {
      addSpecialTokens: false,
    }),
  );
  return async (student) => {
    const settings = { n: 1, temperature: 0, maxNewTokens, batchSize };
    let right = 0;
    for await (const { prompt, tokens } of sample(student, prompts, settings)) {
      const text = tokenizer.decode(tokens, { skipSpecialTokens: true });
      const { answer } = problems[prompt] as Problem;
      if (graders[answers](text, answer).correct === true) right++;
    }
    return { [name]: right / problems.length };
  };
}
