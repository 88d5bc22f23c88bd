/** What a model of the mini world can do. */
import { atlasQuestions, miniProblems, promptFor, type Tokenizer } from '../data/index.js';
import {
  bootstrap,
  gradeGsm8k,
  gradeMath,
  type Interval,
  mean,
  scoreChoices,
} from '../eval/index.js';
import { sample } from '../generate/index.js';
import type { Model } from '../models/index.js';
import { answersOf, families } from './documents.js';

/** Shares from 0 to 1. */
export interface WorldMeasurement {
  /** The mean share of right completions at temperature 0.8, with its 95 % interval over problems. */
  readonly stories: Interval;
  readonly algebra: Interval;
  /** Questions about the atlas that were never asked in training; chance is a quarter. */
  readonly atlas: number;
  /** Problems of each family, and completions of each. */
  readonly problems: number;
  readonly completions: number;
}

/** Options of {@link measureModel}. */
export interface MeasureOptions {
  readonly seed: number;
  /** Test problems of each family, of all levels. */
  readonly problems: number;
  /** Completions of each. */
  readonly completions: number;
}

/** The longest answer, in tokens. */
export const MAX_NEW_TOKENS = 192;

const graders = { gsm8k: gradeGsm8k, math: gradeMath } as const;

/** Samples test problems of both families and asks about the atlas. */
export async function measureModel(
  model: Model,
  tokenizer: Tokenizer,
  { seed, problems: count, completions: n }: MeasureOptions,
): Promise<WorldMeasurement> {
  const found: Partial<Record<string, Interval>> = {};
  for (const family of families) {
    const answers = answersOf[family];
    const problems = miniProblems({ family, split: 'test', seed: seed + 50_000, count });
    const prompts = problems.map((problem) =>
      tokenizer.encode(promptFor(tokenizer, problem, { style: 'question', answers }), {
        addSpecialTokens: false,
      }),
    );
    const right = problems.map(() => 0);
    const options = { n, temperature: 0.8, maxNewTokens: MAX_NEW_TOKENS, batchSize: 256, seed };
    for await (const { prompt, tokens } of sample(model, prompts, options)) {
      const text = tokenizer.decode(tokens, { skipSpecialTokens: true });
      if (graders[answers](text, problems[prompt]?.answer ?? '').correct === true) {
        right[prompt] = (right[prompt] as number) + 1 / n;
      }
    }
    found[family] = bootstrap(right, mean, { seed });
  }
  const asked = atlasQuestions('test', seed);
  const { accuracy } = await scoreChoices(model, tokenizer, asked, { task: 'arc-challenge' });
  return {
    stories: found.stories as Interval,
    algebra: found.algebra as Interval,
    atlas: accuracy,
    problems: count,
    completions: n,
  };
}
