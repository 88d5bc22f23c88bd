/**
 * Labels of steps by Monte-Carlo roll-outs (Wang et al. 2024, "Math-Shepherd"): a step is right where the
 * answer can still be reached from it.
 */
import { type Problem, promptFor, type Task, type Tokenizer } from '../data/index.js';
import { gradeGsm8k, gradeMath, splitSteps } from '../eval/index.js';
import { sample } from '../generate/index.js';
import type { CausalModel } from '../models/index.js';
import type { LabelledSteps } from './reward-documents.js';

/** Options of {@link labelSteps}. */
export interface LabelStepsOptions {
  /** Continuations from each step; default 4. */
  readonly rollouts?: number;
  /** Of the continuations; default 0.8. */
  readonly temperature?: number;
  /** Longest continuation in tokens; default 256. */
  readonly maxNewTokens?: number;
  /** Continuations that are sampled together; default 64. */
  readonly batchSize?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Called as prefixes are finished. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** A completion of a problem. */
export interface Attempt {
  /** Index of the problem in the task. */
  readonly problem: number;
  readonly text: string;
}

const graders = { gsm8k: gradeGsm8k, math: gradeMath } as const;

interface Prefix {
  readonly attempt: number;
  readonly step: number;
  readonly problem: Problem;
  readonly text: string;
}

/**
 * Labels every step of completions: right where at least one of some continuations from it reaches the
 * problem's answer. The last step is right where the completion is. After a wrong step every later one is
 * wrong too.
 *
 * @param policy the model that continues; mostly the one that wrote the completions.
 */
export async function labelSteps(
  policy: CausalModel,
  tokenizer: Tokenizer,
  { problems, answers }: Pick<Task, 'problems' | 'answers'>,
  attempts: readonly Attempt[],
  options: LabelStepsOptions = {},
): Promise<LabelledSteps[]> {
  const { rollouts = 4, temperature = 0.8, maxNewTokens = 256, batchSize = 64, seed = 0 } = options;
  const grade = graders[answers];
  const solved = (text: string, { answer }: Problem) => grade(text, answer).correct === true;
  const steps = attempts.map(({ text }) => splitSteps(text));
  const reached = steps.map((list) => list.map(() => false));
  const prefixes: Prefix[] = [];
  for (const [attempt, { problem: index, text }] of attempts.entries()) {
    const problem = problems[index];
    if (!problem)
      throw new RangeError(`labelSteps: attempt ${attempt}: there is no problem ${index}`);
    const list = steps[attempt] as string[];
    list.forEach((_, step) => {
      if (step === list.length - 1) {
        (reached[attempt] as boolean[])[step] = solved(text, problem);
      } else {
        const start = list.slice(0, step + 1).join('\n\n');
        prefixes.push({ attempt, step, problem, text: `${start}\n\n` });
      }
    });
  }
  const prompts = prefixes.map(({ problem, text }) =>
    tokenizer.encode(promptFor(tokenizer, problem, { style: 'question', answers }) + text, {
      addSpecialTokens: false,
    }),
  );
  let done = 0;
  if (prompts.length > 0) {
    const settings = { n: rollouts, temperature, maxNewTokens, batchSize, seed };
    const { signal } = options;
    const samples = sample(policy, prompts, { ...settings, ...(signal && { signal }) });
    for await (const { prompt, tokens } of samples) {
      const { attempt, step, problem, text } = prefixes[prompt] as Prefix;
      const rest = tokenizer.decode(tokens, { skipSpecialTokens: true });
      if (solved(text + rest, problem)) (reached[attempt] as boolean[])[step] = true;
      done++;
      if (done % rollouts === 0) options.onProgress?.(done / rollouts, prompts.length);
    }
  }
  return attempts.map(({ problem, text }, i) => {
    let right = true;
    const labels = (reached[i] as boolean[]).map((step) => {
      right &&= step;
      return right;
    });
    return { question: (problems[problem] as Problem).question, completion: text, labels };
  });
}
