/** Multiple-choice questions by log-likelihood, as the usual evaluation harness asks them. */
import * as tf from '@tensorflow/tfjs-core';
import type { ChoiceQuestion, ChoiceTask, Tokenizer } from '../data/index.js';
import type { CausalModel } from '../models/index.js';
import { breather } from './breather.js';
import type { PassOptions } from './gradeRun.js';

/** Options of {@link scoreChoices}. */
export interface ScoreChoicesOptions extends PassOptions {
  /** How questions are asked and which continuations are compared. */
  readonly task: ChoiceTask;
  /** Questions that are shown answered before, such as MMLU's five of the same subject. */
  readonly shots?: (question: ChoiceQuestion) => readonly ChoiceQuestion[];
}

/** What a model made of one question. */
export interface ScoredChoices {
  readonly id: string;
  /** Of each choice the logarithm of its probability after the question. */
  readonly logLikelihoods: readonly number[];
  /** Whether the likeliest choice is right: the harness's `acc`. */
  readonly correct: boolean;
  /** Whether the likeliest per character is right: `acc_norm`. */
  readonly correctNormalised: boolean;
}

/** A benchmark's result. */
export interface ChoiceScores {
  readonly questions: readonly ScoredChoices[];
  readonly accuracy: number;
  readonly accuracyNormalised: number;
}

const LETTERS = 'ABCDEFGHIJ';

/** Tokens of a prompt that are read at once. */
const CHUNK = 512;

/**
 * Asks a model multiple-choice questions in the manner of lm-evaluation-harness: the probability of each
 * choice as the continuation of the question, the question read once for all of its choices. For
 * ARC-Challenge the choices' texts follow `Answer:`; for MMLU the choices are listed and their letters
 * follow. `acc_norm` divides by the characters of the continuation.
 *
 * @throws RangeError where there are no questions or a prompt is longer than the model's context.
 */
export async function scoreChoices(
  model: CausalModel,
  tokenizer: Tokenizer,
  questions: readonly ChoiceQuestion[],
  { task, shots = () => [], signal, onProgress }: ScoreChoicesOptions,
): Promise<ChoiceScores> {
  if (questions.length === 0) {
    throw new RangeError('scoreChoices: expected at least one question, got none');
  }
  const breathe = breather(signal);
  const scored: ScoredChoices[] = [];
  for (const question of questions) {
    await breathe();
    const context = contextOf(task, question, shots(question));
    const continuations = continuationsOf(task, question);
    const logLikelihoods = likelihoodsOf(model, tokenizer, context, continuations, question.id);
    const normalised = logLikelihoods.map((x, i) => x / (continuations[i] as string).length);
    scored.push({
      id: question.id,
      logLikelihoods,
      correct: argMax(logLikelihoods) === question.answer,
      correctNormalised: argMax(normalised) === question.answer,
    });
    onProgress?.(scored.length);
  }
  const share = (key: 'correct' | 'correctNormalised') =>
    scored.filter((question) => question[key]).length / scored.length;
  return {
    questions: scored,
    accuracy: share('correct'),
    accuracyNormalised: share('correctNormalised'),
  };
}

function continuationsOf(task: ChoiceTask, { choices }: ChoiceQuestion): readonly string[] {
  return task === 'mmlu' ? choices.map((_, i) => LETTERS[i] as string) : choices;
}

function contextOf(
  task: ChoiceTask,
  question: ChoiceQuestion,
  shots: readonly ChoiceQuestion[],
): string {
  const subject = question.subject?.replaceAll('_', ' ');
  const about = subject === undefined ? '' : ` about ${subject}`;
  const head = `The following are multiple choice questions (with answers)${about}.\n\n`;
  const shown = shots.map(
    (shot) => `${ask(task, shot)} ${continuationsOf(task, shot)[shot.answer]}\n\n`,
  );
  return `${task === 'mmlu' ? head : ''}${shown.join('')}${ask(task, question)}`;
}

function ask(task: ChoiceTask, { question, choices }: ChoiceQuestion): string {
  if (task !== 'mmlu') return `Question: ${question}\nAnswer:`;
  const listed = choices.map((choice, i) => `${LETTERS[i]}. ${choice}\n`);
  return `${question}\n${listed.join('')}Answer:`;
}

function likelihoodsOf(
  model: CausalModel,
  tokenizer: Tokenizer,
  context: string,
  continuations: readonly string[],
  id: string,
): number[] {
  const prompt = tokenizer.encode(context);
  // Continuations are encoded behind their context, where tokens may differ from those of the text alone.
  const rows = continuations.map((text) =>
    tokenizer.encode(`${context} ${text}`).slice(prompt.length),
  );
  const longest = prompt.length + Math.max(...rows.map(({ length }) => length));
  if (prompt.length === 0 || longest > model.config.contextLength) {
    throw new RangeError(
      `scoreChoices: ${id} takes ${longest} tokens, more than the model's context of ` +
        `${model.config.contextLength}`,
    );
  }
  return logLikelihoods(model, prompt, rows);
}

/**
 * The logarithm of the probability of each continuation after a prompt, which is read once.
 *
 * @param prompt token ids, at least one.
 * @param continuations token ids of each.
 */
export function logLikelihoods(
  model: CausalModel,
  prompt: readonly number[],
  continuations: readonly (readonly number[])[],
): number[] {
  const count = continuations.length;
  const width = Math.max(...continuations.map(({ length }) => length));
  const one = model.newState(1, prompt.length);
  let first: tf.Tensor | undefined;
  try {
    for (let at = 0; at < prompt.length; at += CHUNK) {
      const piece = prompt.slice(at, at + CHUNK);
      first?.dispose();
      first = tf.tidy(() => {
        const tokens = tf.tensor2d([...piece], [1, piece.length], 'int32');
        return tf.logSoftmax(model.extend(tokens, one, { logits: 'last' }));
      });
    }
    const start = (first as tf.Tensor).dataSync();
    const sums = continuations.map(([token]) => (token === undefined ? 0 : (start[token] ?? 0)));
    if (width < 2) return sums;
    const state = one.select(new Array<number>(count).fill(0), prompt.length + width);
    try {
      // Each token but the last is read; what comes after it is looked up in its logits.
      const lengths = continuations.map(({ length }) => Math.max(0, length - 1));
      const ids = new Int32Array(count * (width - 1));
      for (const [row, tokens] of continuations.entries()) {
        ids.set(tokens.slice(0, -1), row * (width - 1));
      }
      const { vocabSize } = model.config;
      const logProbs = tf.tidy(() => {
        const tokens = tf.tensor2d(ids, [count, width - 1], 'int32');
        return tf.logSoftmax(model.extend(tokens, state, { lengths })).dataSync();
      });
      for (const [row, tokens] of continuations.entries()) {
        for (let t = 1; t < tokens.length; t++) {
          const at = (row * (width - 1) + t - 1) * vocabSize + (tokens[t] as number);
          sums[row] = (sums[row] as number) + (logProbs[at] as number);
        }
      }
      return sums;
    } finally {
      state.dispose();
    }
  } finally {
    first?.dispose();
    one.dispose();
  }
}

/** The first of the largest. */
function argMax(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}
