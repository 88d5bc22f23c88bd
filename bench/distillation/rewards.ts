/** A reward model trained on a teacher's own solutions, and what it is worth. */
import { type MiniProblem, promptFor } from '../../lib/data/index.js';
import * as distill from '../../lib/distill/index.js';
import {
  accuracyCurve,
  gradeGsm8k,
  type Measure,
  type ProblemSamples,
  rewardModel,
} from '../../lib/eval/index.js';
import { groupAnswers } from '../../lib/eval/votes/groups.js';
import { sample } from '../../lib/generate/index.js';
import * as models from '../../lib/models/index.js';
import type { World } from './world.js';

/** Test problems whose completions are scored. */
const MOST_TESTS = 200;

/** Completions of problems. */
interface Completed extends distill.Attempt {
  readonly correct: boolean;
  readonly answer: string | undefined;
}

async function complete(
  { tokenizer }: World,
  model: models.Model,
  problems: readonly MiniProblem[],
  n: number,
  seed: number,
): Promise<Completed[]> {
  const prompts = problems.map((problem) =>
    tokenizer.encode(promptFor(tokenizer, problem, { style: 'question', answers: 'gsm8k' }), {
      addSpecialTokens: false,
    }),
  );
  const options = { n, temperature: 0.8, maxNewTokens: 160, batchSize: 128, seed };
  const made: Completed[] = [];
  for (const { prompt, tokens } of await sample(model, prompts, options).all()) {
    const text = tokenizer.decode(tokens, { skipSpecialTokens: true });
    const { answer, correct } = gradeGsm8k(text, (problems[prompt] as MiniProblem).answer);
    made.push({ problem: prompt, text, correct: correct === true, answer });
  }
  return made;
}

/** The chance that a right one of two scores is the higher; ties are half. */
export function auc(right: readonly number[], wrong: readonly number[]): number {
  let sum = 0;
  for (const a of right) for (const b of wrong) sum += a > b ? 1 : a === b ? 0.5 : 0;
  return sum / (right.length * wrong.length);
}

/** What {@link trainRewards} found. */
export interface Rewards {
  readonly steps: number;
  readonly rightSteps: number;
  readonly losses: readonly [first: number, last: number];
  /** Of the last step's score, right over wrong completions of test problems. */
  readonly auc: number;
  readonly completions: number;
  /** Accuracy on test problems with k completions, in per cent with its interval. */
  readonly accuracy: Readonly<Record<string, readonly [value: number, low: number, high: number]>>;
}

/** Options of {@link trainRewards}. */
export interface RewardsOptions {
  /** Training problems whose solutions are labelled, completions of each, steps of training. */
  readonly problems: number;
  readonly n: number;
  readonly steps: number;
  /** Completions of each test problem. */
  readonly votes: number;
  readonly folder: string;
}

/**
 * Samples solutions of training problems, labels their steps by roll-outs, trains a reward model that
 * starts from the teacher, and scores completions of test problems with it.
 */
export async function trainRewards(
  world: World,
  teacher: models.Llama,
  { problems, n, steps, votes, folder }: RewardsOptions,
): Promise<Rewards> {
  const { tokenizer, size } = world;
  const every = Math.max(1, Math.floor(world.train.length / problems));
  const asked = world.train.filter((_, i) => i % every === 0).slice(0, problems);
  const attempts = await complete(world, teacher, asked, n, size.seed);
  const labelled = await distill.labelSteps(
    teacher,
    tokenizer,
    { problems: asked, answers: 'gsm8k' },
    attempts,
    { rollouts: 4, maxNewTokens: 160, batchSize: 128, seed: size.seed + 1 },
  );
  const whole = labelled.filter(({ labels }) => labels.length > 0);
  const documents = distill
    .rewardDocuments(tokenizer, whole)
    .filter(({ tokens }) => tokens.length <= 256);
  const verifier = models.load(`${folder}/teacher/model`) as models.Llama;
  const result = await distill.trainRewardModel(verifier, {
    steps,
    data: world.dataOf(documents),
    learningRate: distill.schedules.wsd({ peak: 5e-4, steps, warmup: 0.1, decay: 0.3 }),
    run: { folder: `${folder}/reward-model` },
  });
  const judge = rewardModel(verifier, tokenizer, { batchSize: 32 });
  const tested = world.test.filter((_, i) => i % Math.ceil(world.test.length / MOST_TESTS) === 0);
  const tests = await complete(world, teacher, tested, votes, size.seed + 2);
  const scores: number[] = new Array(tests.length).fill(0);
  for (const [i, problem] of tested.entries()) {
    const own = tests.flatMap((t, at) => (t.problem === i ? [at] : []));
    const texts = own.map((at) => (tests[at] as Completed).text);
    for (const [k, steps] of judge.score(problem.question, texts).entries()) {
      scores[own[k] as number] = steps.at(-1) ?? 0;
    }
  }
  const of = (right: boolean) => scores.filter((_, i) => tests[i]?.correct === right);
  const samples = tested.map((problem, i): ProblemSamples => {
    const own = tests.flatMap((t, at) => (t.problem === i ? [at] : []));
    return {
      promptId: problem.id,
      level: problem.level,
      groups: groupAnswers(own.map((at) => tests[at]?.answer)),
      correct: Uint8Array.from(own, (at) => Number(tests[at]?.correct)),
      scores: Float64Array.from(own, (at) => scores[at] as number),
      tokens: new Int32Array(own.length),
      seconds: new Float64Array(own.length),
      promptSeconds: 0,
    };
  });
  const accuracy: Record<string, readonly [number, number, number]> = {};
  for (const measure of ['majority', 'best', 'weighted', 'coverage'] as Measure[]) {
    for (const k of [1, 4, votes]) {
      const [point] = accuracyCurve(samples, measure, [k], { resamples: 1000 });
      if (point) accuracy[`${measure} of ${k}`] = [point.accuracy, point.low, point.high];
    }
  }
  const judged = labelled.flatMap(({ labels }) => labels);
  verifier.dispose();
  return {
    steps: judged.length,
    rightSteps: judged.filter(Boolean).length,
    losses: [result.metrics[0]?.loss ?? 0, result.metrics.at(-1)?.loss ?? 0],
    auc: auc(of(true), of(false)),
    completions: tests.length,
    accuracy,
  };
}
