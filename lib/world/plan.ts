/** Which models the mini world has, what each is made of, and for how long it is trained. */
import type { Mixture } from './documents.js';
import { type WorldSize, worldSizes } from './shape.js';

/** How a model is made. */
export type WorldRecipe =
  | 'teacher'
  | 'matrices'
  | 'hiddenStates'
  | 'logits'
  | 'hybrid'
  | 'sft'
  | 'reward-model';

/** A model of the mini world. */
export interface WorldModel {
  /** Its folder: `small-llamba`. */
  readonly name: string;
  readonly size: WorldSize;
  readonly recipe: WorldRecipe;
  /** The model that it starts from; a teacher starts from random weights. */
  readonly from?: string;
  /** The model that it learns from. */
  readonly teacher?: string;
  /** What it reads; a reward model reads judged solutions of its teacher. */
  readonly mixture?: Mixture;
  /** Steps of 4,096 tokens. */
  readonly steps: number;
  /** Peak of the learning rate: warm-up, stable, decay. */
  readonly peak: number;
  readonly what: string;
}

/** Steps of each recipe: the paper's proportions where the text has them, lengths found here. */
const STEPS = {
  teacher: { small: 2000, large: 2000 },
  matrices: 300,
  hiddenStates: 600,
  logits: 2000,
  hybrid: 4000,
  sft: 1500,
  reward: 800,
} as const;

function modelsOf(size: WorldSize): WorldModel[] {
  const name = (what: string) => `${size}-${what}`;
  const teacher = name('teacher');
  const distilled = { size, teacher, peak: 2e-3 };
  const both: WorldModel[] = [
    {
      name: teacher,
      size,
      recipe: 'teacher',
      mixture: 'pretraining',
      steps: STEPS.teacher[size],
      peak: 2e-3,
      what: 'a Llama trained on problems of both families and on the atlas',
    },
    {
      ...distilled,
      name: name('llamba-1'),
      recipe: 'matrices',
      from: teacher,
      mixture: 'texts',
      steps: STEPS.matrices,
      what: 'a Llamba after stage 1 of MOHAWK: mixer matrices',
    },
    {
      ...distilled,
      name: name('llamba-2'),
      recipe: 'hiddenStates',
      from: name('llamba-1'),
      mixture: 'texts',
      steps: STEPS.hiddenStates,
      what: 'a Llamba after stage 2: hidden states, MLP and norms trained too',
    },
    {
      ...distilled,
      name: name('llamba'),
      recipe: 'logits',
      from: name('llamba-2'),
      mixture: 'solved',
      steps: STEPS.logits,
      what: 'a Llamba after stage 3: distributions, on prompts and answers',
    },
    {
      ...distilled,
      name: name('hybrid'),
      recipe: 'hybrid',
      from: teacher,
      mixture: 'answers',
      steps: STEPS.hybrid,
      what: 'a MambaInLlama that keeps two of six attention layers, by reverse KL on the answers',
    },
    {
      size,
      peak: 5e-4,
      name: name('hybrid-sft'),
      recipe: 'sft',
      from: name('hybrid'),
      mixture: 'answers',
      steps: STEPS.sft,
      what: 'the hybrid, then fine-tuned on the answers',
    },
  ];
  if (size === 'large') return both;
  return [
    ...both,
    {
      size,
      peak: 5e-4,
      name: name('teacher-finetuned'),
      recipe: 'sft',
      from: teacher,
      mixture: 'answers',
      steps: STEPS.sft,
      what: 'the teacher, fine-tuned on the data of the distillation',
    },
    {
      ...distilled,
      name: name('llamba-general'),
      recipe: 'logits',
      from: name('llamba-2'),
      mixture: 'general',
      steps: STEPS.logits,
      what: 'a Llamba whose stage 3 had general data instead of solved problems',
    },
  ];
}

/** Every model of the mini world, each after those that it is made of. */
export const worldModels: readonly WorldModel[] = [
  ...worldSizes.flatMap(modelsOf),
  {
    name: 'reward-model',
    size: 'large',
    recipe: 'reward-model',
    from: 'large-teacher',
    teacher: 'large-teacher',
    steps: STEPS.reward,
    peak: 5e-4,
    what: 'a process reward model, from the large teacher and its own solutions, judged by roll-outs',
  },
];

/** The steps of a model where everything is made smaller by a share. */
export const stepsOf = ({ steps }: WorldModel, share: number): number =>
  Math.max(4, Math.round(steps * share));
