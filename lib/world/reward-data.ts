/** Solutions of a teacher, step by step judged: what the reward model learns from. */
import { promptFor } from '../data/index.js';
import { labelSteps, rewardDocuments, type TokenDocument } from '../distill/index.js';
import { sample } from '../generate/index.js';
import type { CausalModel } from '../models/index.js';
import { answersOf, families, type WorldDocuments } from './documents.js';
import { MAX_NEW_TOKENS } from './measure.js';

/** Options of {@link judgedSolutions}. */
export interface JudgedOptions {
  readonly seed: number;
  /** Training problems of each family. */
  readonly problems: number;
  /** Solutions of each problem. */
  readonly solutions: number;
  /** Continuations from each step. */
  readonly rollouts: number;
  readonly signal?: AbortSignal;
}

/** Judged solutions, and how many of their steps are right. */
export interface Judged {
  readonly documents: readonly TokenDocument[];
  readonly steps: number;
  readonly rightSteps: number;
}

/** Samples solutions of training problems at temperature 0.8 and judges their steps by roll-outs. */
export async function judgedSolutions(
  teacher: CausalModel,
  world: WorldDocuments,
  { seed, problems: count, solutions: n, rollouts, signal }: JudgedOptions,
): Promise<Judged> {
  const { tokenizer } = world;
  const documents: TokenDocument[] = [];
  let steps = 0;
  let rightSteps = 0;
  const common = { temperature: 0.8, maxNewTokens: MAX_NEW_TOKENS, batchSize: 512 };
  for (const family of families) {
    const answers = answersOf[family];
    const own = world.problems.filter((problem) => problem.family === family);
    const every = Math.max(1, Math.floor(own.length / count));
    const problems = own.filter((_, i) => i % every === 0).slice(0, count);
    const prompts = problems.map((problem) =>
      tokenizer.encode(promptFor(tokenizer, problem, { style: 'question', answers }), {
        addSpecialTokens: false,
      }),
    );
    const options = { ...common, n, seed, ...(signal && { signal }) };
    const attempts = (await sample(teacher, prompts, options).all()).map(({ prompt, tokens }) => ({
      problem: prompt,
      text: tokenizer.decode(tokens, { skipSpecialTokens: true }),
    }));
    const labelled = await labelSteps(teacher, tokenizer, { problems, answers }, attempts, {
      ...common,
      rollouts,
      seed: seed + 1,
      ...(signal && { signal }),
    });
    const whole = labelled.filter(({ labels }) => labels.length > 0);
    documents.push(...rewardDocuments(tokenizer, whole));
    for (const { labels } of whole) {
      steps += labels.length;
      rightSteps += labels.filter(Boolean).length;
    }
  }
  return { documents, steps, rightSteps };
}
