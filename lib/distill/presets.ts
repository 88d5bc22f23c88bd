/**
 * The hyperparameters of "Thinking Slow, Fast" (arXiv 2502.20339, section 3 and Appendix B) and of the works
 * that it builds on. Those in `fromMemory` are not in the text that was at hand: they are given as known.
 */

/** A learning rate by step, as configurations write it. */
export type RateConfig =
  | { readonly kind: 'constant'; readonly rate: number }
  | {
      readonly kind: 'wsd';
      readonly peak: number;
      readonly warmup: number;
      readonly decay: number;
      readonly final?: number | undefined;
    }
  | {
      readonly kind: 'cosine';
      readonly peak: number;
      readonly warmup?: number | undefined;
      readonly final?: number | undefined;
    };

/** What a preset says of one stage or recipe. */
export interface Preset {
  readonly tokens: number;
  readonly length: number;
  readonly loss: 'all' | 'answer';
  readonly learningRate: RateConfig;
  readonly optimizer: {
    readonly beta1: number;
    readonly beta2: number;
    readonly weightDecay: number;
    readonly maxNorm: number;
  };
  /** The published data that it was trained on. */
  readonly data: string;
  /** Which of these numbers are from memory. */
  readonly fromMemory: readonly string[];
}

const optimizer = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, maxNorm: 1 } as const;
const wsd = (peak: number): RateConfig => ({ kind: 'wsd', peak, warmup: 0.1, decay: 0.1 });
const mohawkMemory = ['learningRate', 'optimizer', 'tokens'] as const;

/** The recipes as the paper trained them, on Llama-3.2-1B and 3B. */
export const paper = {
  /** Llamba: three stages, WSD, packed to 2048, the loss on prompt and answer. */
  matrices: {
    tokens: 1e9,
    length: 2048,
    loss: 'all',
    learningRate: wsd(1e-4),
    optimizer,
    data: 'FineMath-4+',
    fromMemory: mohawkMemory,
  },
  hiddenStates: {
    tokens: 3e9,
    length: 2048,
    loss: 'all',
    learningRate: wsd(1e-4),
    optimizer,
    data: 'FineMath-4+',
    fromMemory: mohawkMemory,
  },
  logits: {
    tokens: 4e9,
    length: 2048,
    loss: 'all',
    learningRate: wsd(1e-5),
    optimizer,
    data: 'OpenMathInstruct-2',
    fromMemory: mohawkMemory,
  },
  /** MambaInLlama: one round of reverse KL over the answers; schedule and clipping are M1's. */
  mambaInLlama: {
    tokens: 8e9,
    length: 8192,
    loss: 'answer',
    learningRate: { kind: 'cosine', peak: 2e-5, warmup: 200 },
    optimizer,
    data: 'OpenMathInstruct-2',
    fromMemory: ['learningRate', 'length', 'optimizer'],
  },
  /** Supervised fine-tuning after the distillation: two epochs, 8 B tokens. */
  sft: {
    tokens: 8e9,
    length: 8192,
    loss: 'answer',
    learningRate: { kind: 'cosine', peak: 1e-5, warmup: 200 },
    optimizer,
    data: 'OpenMathInstruct-2',
    fromMemory: ['learningRate', 'length', 'optimizer'],
  },
} as const satisfies Record<string, Preset>;
