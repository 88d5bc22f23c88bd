/** The problems that the distillation experiment is about, and how models are measured on them. */
import { join } from 'node:path';
import { root } from '#setup/places.mjs';
import {
  loadTokenizer,
  type MiniProblem,
  miniProblems,
  solvedMessages,
} from '../../lib/data/index.js';
import {
  type BatchSource,
  conversationDocument,
  evaluations,
  packed,
  type TokenDocument,
} from '../../lib/distill/index.js';
import type { Model } from '../../lib/models/index.js';

export const tokenizerFolder = join(root, 'data', 'mini', 'tokenizer');

/** Levels of the word problems: one to three calculations. */
const LEVELS = [1, 2, 3] as const;

const LENGTH = 256;

/** How large the experiment is. */
export interface Size {
  /** Training problems of each level. */
  readonly problems: number;
  /** Test problems of each level. */
  readonly tests: number;
  /** Rows of 256 tokens in a step. */
  readonly batch: number;
  readonly seed: number;
}

/** Problems, documents and measurements. */
export class World {
  readonly tokenizer = loadTokenizer(tokenizerFolder);
  readonly train: readonly MiniProblem[];
  readonly test: readonly MiniProblem[];
  private readonly documents: Partial<Record<'all' | 'answer', TokenDocument[]>> = {};

  constructor(readonly size: Size) {
    const of = (split: 'train' | 'test', seed: number, count: number) =>
      LEVELS.flatMap((level) => miniProblems({ family: 'stories', split, seed, count, level }));
    this.train = of('train', size.seed, size.problems);
    this.test = of('test', size.seed + 1000, size.tests);
  }

  /** Endless batches of training problems. */
  data(loss: 'all' | 'answer', seed = 0): BatchSource {
    this.documents[loss] ??= this.solved(this.train, loss);
    const { batch, seed: base } = this.size;
    return packed(this.documents[loss], { length: LENGTH, batch, seed: base + seed });
  }

  /** Endless batches of test problems. */
  testData(loss: 'all' | 'answer'): BatchSource {
    return this.dataOf(this.solved(this.test, loss));
  }

  /** Endless batches of other documents. */
  dataOf(documents: readonly TokenDocument[]): BatchSource {
    return packed(documents, { length: LENGTH, batch: this.size.batch, seed: this.size.seed });
  }

  private solved(problems: readonly MiniProblem[], loss: 'all' | 'answer'): TokenDocument[] {
    return problems.map((problem) => {
      const messages = solvedMessages(problem, { style: 'question', answers: 'gsm8k' });
      return conversationDocument(this.tokenizer, problem.id, messages, loss);
    });
  }

  /** The share of test problems that the likeliest tokens get right, by level and in all. */
  async accuracy(model: Model): Promise<Record<string, number>> {
    const parts: Record<string, number> = {};
    for (const level of LEVELS) {
      const problems = this.test.filter((problem) => problem.level === level);
      const measure = evaluations.greedyAccuracy(
        this.tokenizer,
        { problems, answers: 'gsm8k' },
        { maxNewTokens: 160, name: `level ${level}`, batchSize: 128 },
      );
      Object.assign(parts, await measure(model));
    }
    const all = Object.values(parts).reduce((sum, x) => sum + x, 0) / LEVELS.length;
    return { ...parts, all };
  }
}
