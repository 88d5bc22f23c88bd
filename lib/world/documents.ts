/** What the models of the mini world are trained on. */
import { createHash } from 'node:crypto';
import {
  atlasQuestions,
  atlasText,
  type MiniFamily,
  type MiniProblem,
  miniProblems,
  solvedMessages,
  type Tokenizer,
} from '../data/index.js';
import {
  type BatchSource,
  conversationDocument,
  packed,
  type TokenDocument,
  textDocument,
} from '../distill/index.js';

/**
 * The mixtures, by what they stand for:
 *
 * - `pretraining`: everything, for the teachers, as Llama's training had everything.
 * - `texts`: problems with their solutions as plain text, for MOHAWK's first two stages (FineMath-4+).
 * - `solved`: problems answered in the chat format, every token counted (OpenMathInstruct-2).
 * - `answers`: the same, the answers counted alone.
 * - `general`: the atlas, told and asked about, and the easiest problems (OpenHermes-2.5).
 */
export type Mixture = 'pretraining' | 'texts' | 'solved' | 'answers' | 'general';

/** How answers of a family are written. */
export const answersOf = { stories: 'gsm8k', algebra: 'math' } as const satisfies Record<
  MiniFamily,
  'gsm8k' | 'math'
>;

/** Both families of problems. */
export const families: readonly MiniFamily[] = ['stories', 'algebra'];

const LEVELS = [1, 2, 3, 4, 5] as const;
const ROW = 256;
const BATCH = 16;

/** Tokens of a training step. */
export const TOKENS_A_STEP = ROW * BATCH;

/** Options of {@link WorldDocuments}. */
export interface WorldDocumentsOptions {
  readonly seed: number;
  /** Problems of each family and level. */
  readonly problems: number;
}

/** The training documents of a seed, made when they are first asked for. */
export class WorldDocuments {
  private readonly made: Partial<Record<Mixture, TokenDocument[]>> = {};
  private problemsMade: readonly MiniProblem[] | undefined;

  constructor(
    readonly tokenizer: Tokenizer,
    readonly options: WorldDocumentsOptions,
  ) {}

  /** Every training problem, those of a family and level one after another. */
  get problems(): readonly MiniProblem[] {
    const { seed, problems: count } = this.options;
    this.problemsMade ??= families.flatMap((family) =>
      LEVELS.flatMap((level) => miniProblems({ family, split: 'train', seed, count, level })),
    );
    return this.problemsMade;
  }

  /** Endless batches of a mixture: 16 rows of 256 tokens. */
  batches(mixture: Mixture, order: number): BatchSource {
    return this.packed(this.of(mixture), order);
  }

  /** Endless batches of other documents. Those that are longer than a row are left out. */
  packed(documents: readonly TokenDocument[], order: number): BatchSource {
    const fitting = documents.filter(({ tokens }) => tokens.length <= ROW);
    return packed(fitting, { length: ROW, batch: BATCH, seed: this.options.seed * 100 + order });
  }

  /** The SHA-256 of a mixture's tokens and of what counts in them. */
  hash(mixture: Mixture): string {
    const hash = createHash('sha256');
    for (const { tokens, mask } of this.of(mixture)) {
      hash.update(Int32Array.from(tokens)).update(Uint8Array.from(mask));
    }
    return hash.digest('hex');
  }

  private of(mixture: Mixture): TokenDocument[] {
    this.made[mixture] ??= this.make(mixture);
    return this.made[mixture];
  }

  private make(mixture: Mixture): TokenDocument[] {
    switch (mixture) {
      case 'pretraining':
        return [...this.of('solved'), ...this.atlas(this.of('solved').length / 4)];
      case 'texts':
        return this.problems.map(({ id, question, solution }) =>
          textDocument(this.tokenizer, `${id} as text`, `${question}\n\n${solution}`),
        );
      case 'solved':
        return this.problems.map((problem) => this.conversation(problem, 'all'));
      case 'answers':
        return this.problems.map((problem) => this.conversation(problem, 'answer'));
      case 'general': {
        const easy = this.of('solved').filter((_, i) => this.problems[i]?.level === 1);
        return [...easy, ...this.atlas(easy.length * 4)];
      }
    }
  }

  private conversation(problem: MiniProblem, loss: 'all' | 'answer'): TokenDocument {
    const messages = solvedMessages(problem, {
      style: 'question',
      answers: answersOf[problem.family],
    });
    return conversationDocument(this.tokenizer, problem.id, messages, loss);
  }

  /** Half texts about lands, half questions of the training split in the manner they are tested. */
  private atlas(count: number): TokenDocument[] {
    const { seed } = this.options;
    const asked = atlasQuestions('train', seed);
    return Array.from({ length: Math.ceil(count) }, (_, i) => {
      if (i % 2 === 0) {
        return textDocument(this.tokenizer, `atlas ${i}`, atlasText(seed, i));
      }
      const { id, question, choices, answer } = asked[(i >> 1) % asked.length] as (typeof asked)[0];
      const text = `Question: ${question}\nAnswer: ${choices[answer]}`;
      return textDocument(this.tokenizer, `${id} as text`, text);
    });
  }
}
