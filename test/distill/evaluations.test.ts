import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { loadTask, loadTokenizer } from '../../lib/data/index.js';
import { evaluations, labelSteps } from '../../lib/distill/index.js';
import * as models from '../../lib/models/index.js';
import { tinyConfig } from '../models/tiny.js';
import { batchOf } from './source.js';

beforeAll(() => void backend.init({ threads: 2 }));

const folder = fileURLToPath(new URL('../../data/mini/tokenizer', import.meta.url));
const tokenizer = loadTokenizer(folder);
const seeded = Object.assign(() => undefined, { seed: 2 });
const make = () =>
  new models.Llama(
    { ...tinyConfig, vocabSize: tokenizer.vocabSize, eosIds: tokenizer.eosIds, contextLength: 400 },
    seeded,
    { ref: folder },
  );

it('perplexity is e to the mean loss of the labels that count', async () => {
  const model = make();
  const batches = [batchOf(1), batchOf(2, 3)];
  const { perplexity } = await evaluations.perplexity(batches)(model);
  let [sum, count] = [0, 0];
  for (const { tokens, labels, mask, batch, length, resets } of batches) {
    const x = tf.tensor2d(tokens, [batch, length], 'int32');
    const hidden = model.read(x, { resets: tf.tensor2d(resets, [batch, length], 'int32') });
    const logits = tf.matMul(hidden.reshape([batch * length, -1]), model.headWeight, false, true);
    const logs = tf.logSoftmax(logits).arraySync() as number[][];
    mask.forEach((m, i) => {
      if (m === 0) return;
      sum -= logs[i]?.[labels[i] as number] as number;
      count++;
    });
  }
  expect((perplexity as number) / Math.exp(sum / count)).toBeCloseTo(1, 4);
  expect(() => evaluations.perplexity([])).toThrow('no label');
});

describe('greedyAccuracy and labelSteps', () => {
  const task = loadTask('stories', { problems: 4, split: 'train', seed: 1 });

  it('a model that knows nothing is right nowhere', async () => {
    const measure = evaluations.greedyAccuracy(tokenizer, task, { maxNewTokens: 8, name: 'held' });
    const both = evaluations.together(measure, () => ({ other: 1 }));
    expect(await both(make())).toEqual({ held: 0, other: 1 });
  });

  it('a last step is judged by its answer; those that lead nowhere are wrong', async () => {
    const attempts = task.problems.flatMap(({ solution }, problem) => [
      { problem, text: solution },
      { problem, text: solution.replace(/#### .*/, '#### 1234567') },
    ]);
    const options = { rollouts: 2, maxNewTokens: 4, seed: 3 };
    let finished = 0;
    const labelled = await labelSteps(make(), tokenizer, task, attempts, {
      ...options,
      onProgress: (done) => {
        finished = done;
      },
    });
    expect(labelled.map(({ completion }) => completion)).toEqual(attempts.map(({ text }) => text));
    for (const [i, { labels, completion }] of labelled.entries()) {
      expect(labels.length).toBe(completion.split('\n\n').length);
      // From a wrong step on nothing is right: not even a right answer that nobody could reach.
      expect(labels.at(-1)).toBe(i % 2 === 0 && labels.every((right) => right));
    }
    expect(finished).toBe(labelled.reduce((sum, { labels }) => sum + labels.length - 1, 0));
    await expect(labelSteps(make(), tokenizer, task, [{ problem: 9, text: '' }])).rejects.toThrow(
      'there is no problem 9',
    );
  });
});
