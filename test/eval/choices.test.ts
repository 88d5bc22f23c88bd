import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { type ChoiceQuestion, loadTokenizer, type Tokenizer } from '../../lib/data/index.js';
import { logLikelihoods, scoreChoices } from '../../lib/eval/index.js';
import { load, type Model } from '../../lib/models/index.js';

const folder = fileURLToPath(new URL('../goldens/reward', import.meta.url));
let model: Model;
let tokenizer: Tokenizer;

beforeAll(() => {
  backend.init({ threads: 2 });
  model = load(folder);
  tokenizer = loadTokenizer(folder);
});
afterAll(() => model.dispose());

/** The sum over the sequence read as a whole, one choice at a time. */
function plainly(prompt: readonly number[], continuation: readonly number[]): number {
  const ids = [...prompt, ...continuation];
  const logProbs = tf.tidy(() =>
    tf.logSoftmax(model.forward(tf.tensor2d(ids, [1, ids.length], 'int32'))).dataSync(),
  );
  return continuation.reduce(
    (sum, id, t) =>
      sum + (logProbs[(prompt.length + t - 1) * model.config.vocabSize + id] as number),
    0,
  );
}

const questions: ChoiceQuestion[] = [
  { id: 'a', question: 'What is wet?', choices: ['Water', 'A stone in the sun', 'I'], answer: 0 },
  { id: 'b', question: 'And dry?', choices: ['Sand', 'The sea', 'Rain, mostly'], answer: 2 },
];

describe('logLikelihoods', () => {
  it('are those of whole sequences, with one prompt read for all', () => {
    const prompt = tokenizer.encode('x'.repeat(700));
    const rows = ['one', ' and another', '', 'z'].map((text) => tokenizer.encode(text));
    logLikelihoods(model, prompt, rows);
    const before = tf.memory().numTensors;
    const got = logLikelihoods(model, prompt, rows);
    expect(tf.memory().numTensors).toBe(before);
    for (const [i, row] of rows.entries()) expect(got[i]).toBeCloseTo(plainly(prompt, row), 3);
    expect(logLikelihoods(model, prompt, [[5], [7]])[1]).toBeCloseTo(plainly(prompt, [7]), 3);
  });
});

describe('scoreChoices', () => {
  it('asks as the harness does, and compares with and without the length', async () => {
    const scores = await scoreChoices(model, tokenizer, questions, { task: 'arc-challenge' });
    for (const [i, { logLikelihoods: got, ...verdict }] of scores.questions.entries()) {
      const { question, choices, answer } = questions[i] as ChoiceQuestion;
      const prompt = tokenizer.encode(`Question: ${question}\nAnswer:`);
      const want = choices.map((choice) => plainly(prompt, tokenizer.encode(` ${choice}`)));
      for (const [j, x] of want.entries()) expect(got[j]).toBeCloseTo(x, 3);
      const best = (values: number[]) => values.indexOf(Math.max(...values));
      expect(verdict.correct).toBe(best(want) === answer);
      const perCharacter = want.map((x, j) => x / (choices[j] as string).length);
      expect(verdict.correctNormalised).toBe(best(perCharacter) === answer);
    }
  });

  it("compares MMLU's letters behind the listed choices and answered questions", async () => {
    const [first, second] = questions as [ChoiceQuestion, ChoiceQuestion];
    const subject = 'weather_lore';
    const scores = await scoreChoices(model, tokenizer, [{ ...second, subject }], {
      task: 'mmlu',
      shots: () => [first],
    });
    const context =
      'The following are multiple choice questions (with answers) about weather lore.\n\n' +
      'What is wet?\nA. Water\nB. A stone in the sun\nC. I\nAnswer: A\n\n' +
      'And dry?\nA. Sand\nB. The sea\nC. Rain, mostly\nAnswer:';
    const prompt = tokenizer.encode(context);
    for (const [j, letter] of ['A', 'B', 'C'].entries()) {
      const want = plainly(prompt, tokenizer.encode(` ${letter}`));
      expect(scores.questions[0]?.logLikelihoods[j]).toBeCloseTo(want, 3);
    }
    const right = scores.questions.filter(({ correct }) => correct).length;
    expect(scores.accuracy).toBe(right / scores.questions.length);
  });

  it('refuses no questions, and a prompt that is too long', async () => {
    const options = { task: 'arc-challenge' } as const;
    await expect(scoreChoices(model, tokenizer, [], options)).rejects.toThrow(/at least one/);
    const long = [{ ...(questions[0] as ChoiceQuestion), question: 'x'.repeat(3000) }];
    await expect(scoreChoices(model, tokenizer, long, options)).rejects.toThrow(
      /a takes \d+ tokens, more than the model's context of 2048/,
    );
  });
});
