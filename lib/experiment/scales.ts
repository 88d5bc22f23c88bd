/** What is sampled at each scale: models by their part in the paper, benchmarks, and how much. */
import type { PromptStyle, TaskName } from '../data/index.js';
import type { PublishedName } from '../models/index.js';

/** The scales: the shipped mini world, the real SmolLM2, the paper's models. */
export type ScaleName = 'mini' | 'smollm' | 'paper';

/** What a model is in the paper. */
export type Role =
  | `${'teacher' | 'llamba' | 'hybrid' | 'hybrid-sft'}-${'small' | 'large'}`
  | 'teacher-finetuned'
  | 'llamba-1'
  | 'llamba-2'
  | 'llamba-general';

/** A model of a scale. */
export interface ExperimentModel {
  readonly role: Role;
  /** Its name in figures. */
  readonly label: string;
  /** For `models.load`; a name of the mini world at that scale. */
  readonly ref: string;
  /** The published configuration of its shape, for plans where the model is not there. */
  readonly shape?: PublishedName;
}

/** One of the two benchmarks: `math` as MATH-500 is in the paper, `gsm` as GSM8K. */
export type Benchmark = 'math' | 'gsm';

/** A scale. */
export interface Scale {
  readonly name: ScaleName;
  readonly models: readonly ExperimentModel[];
  readonly benchmarks: Readonly<
    Record<Benchmark, { readonly task: TaskName; readonly label: string }>
  >;
  /** Test problems of a benchmark, and completions of each. */
  readonly problems: number;
  readonly samples: number;
  readonly temperature: number;
  readonly maxNewTokens: number;
  /** Tokens of a prompt, about, for plans. */
  readonly promptTokens: number;
  readonly batchSize: number;
  readonly style: PromptStyle;
  readonly rewardModel: string | undefined;
  /** Resamples of the problems for intervals. */
  readonly resamples: number;
}

const mini: Scale = {
  name: 'mini',
  models: [
    { role: 'teacher-small', label: 'Llama-1.3M', ref: 'small-teacher' },
    { role: 'llamba-small', label: 'Llamba-1.5M', ref: 'small-llamba' },
    { role: 'hybrid-small', label: 'MambaInLlama-1.4M', ref: 'small-hybrid' },
    { role: 'teacher-large', label: 'Llama-3.5M', ref: 'large-teacher' },
    { role: 'llamba-large', label: 'Llamba-4.3M', ref: 'large-llamba' },
    { role: 'hybrid-large', label: 'MambaInLlama-3.8M', ref: 'large-hybrid' },
    { role: 'hybrid-sft-small', label: 'MambaInLlama-1.4M, SFT', ref: 'small-hybrid-sft' },
    { role: 'hybrid-sft-large', label: 'MambaInLlama-3.8M, SFT', ref: 'large-hybrid-sft' },
    { role: 'teacher-finetuned', label: 'Llama-1.3M, finetuned', ref: 'small-teacher-finetuned' },
    { role: 'llamba-1', label: 'Llamba-1.5M, stage 1', ref: 'small-llamba-1' },
    { role: 'llamba-2', label: 'Llamba-1.5M, stage 2', ref: 'small-llamba-2' },
    { role: 'llamba-general', label: 'Llamba-1.5M, general data', ref: 'small-llamba-general' },
  ],
  benchmarks: {
    math: { task: 'algebra', label: 'Algebra' },
    gsm: { task: 'stories', label: 'Stories' },
  },
  problems: 100,
  samples: 32,
  temperature: 0.8,
  maxNewTokens: 192,
  promptTokens: 64,
  batchSize: 256,
  style: 'question',
  rewardModel: 'reward-model',
  resamples: 1000,
};

const published = {
  math: { task: 'math-500', label: 'MATH-500' },
  gsm: { task: 'gsm8k', label: 'GSM8K' },
} as const;

const smollm: Scale = {
  name: 'smollm',
  models: [{ role: 'teacher-small', label: 'SmolLM2-135M', ref: 'smollm2-135m-instruct' }],
  benchmarks: published,
  problems: 20,
  samples: 16,
  temperature: 0.8,
  maxNewTokens: 512,
  promptTokens: 256,
  batchSize: 64,
  style: 'paper',
  rewardModel: undefined,
  resamples: 2000,
};

// Names of folders in the cache's `models`; students are what `mambalab distill` makes by the paper's presets.
const paper: Scale = {
  name: 'paper',
  models: [
    {
      role: 'teacher-small',
      label: 'Llama-1B',
      ref: 'Llama-3.2-1B-Instruct',
      shape: 'llama-3.2-1b',
    },
    { role: 'llamba-small', label: 'Llamba-1B', ref: 'Llamba-1B-distilled', shape: 'llamba-1b' },
    {
      role: 'hybrid-small',
      label: 'MambaInLlama-1B',
      ref: 'MambaInLlama-1B-distilled',
      shape: 'mamba-in-llama-1b-math',
    },
    {
      role: 'teacher-large',
      label: 'Llama-3B',
      ref: 'Llama-3.2-3B-Instruct',
      shape: 'llama-3.2-3b',
    },
    { role: 'llamba-large', label: 'Llamba-4B', ref: 'Llamba-4B-distilled', shape: 'llamba-3b' },
    {
      role: 'hybrid-large',
      label: 'MambaInLlama-3B',
      ref: 'MambaInLlama-3B-distilled',
      shape: 'mamba-in-llama-3b-math',
    },
    {
      role: 'hybrid-sft-small',
      label: 'MambaInLlama-1B, SFT',
      ref: 'MambaInLlama-1B-sft',
      shape: 'mamba-in-llama-1b-math',
    },
    {
      role: 'hybrid-sft-large',
      label: 'MambaInLlama-3B, SFT',
      ref: 'MambaInLlama-3B-sft',
      shape: 'mamba-in-llama-3b-math',
    },
    {
      role: 'teacher-finetuned',
      label: 'Llama-1B, finetuned',
      ref: 'Llama-1B-finetuned',
      shape: 'llama-3.2-1b',
    },
    { role: 'llamba-1', label: 'Llamba-1B, stage 1', ref: 'Llamba-1B-stage1', shape: 'llamba-1b' },
    { role: 'llamba-2', label: 'Llamba-1B, stage 2', ref: 'Llamba-1B-stage2', shape: 'llamba-1b' },
    {
      role: 'llamba-general',
      label: 'Llamba-1B, OpenHermes',
      ref: 'Llamba-1B-OpenHermes',
      shape: 'llamba-1b',
    },
  ],
  benchmarks: published,
  problems: 500,
  samples: 256,
  temperature: 0.8,
  maxNewTokens: 2048,
  promptTokens: 256,
  batchSize: 256,
  style: 'paper',
  rewardModel: 'Llama3.1-8B-PRM-Mistral-Data',
  resamples: 10_000,
};

/** Every scale by its name. */
export const scales: Readonly<Record<ScaleName, Scale>> = { mini, smollm, paper };

/** The names, as the command line lists them. */
export const scaleNames = Object.keys(scales) as readonly ScaleName[];
