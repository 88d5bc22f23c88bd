/** The training steps that `bench train` times, at SmolLM2's shape. */
import { type Objective, objectives } from '../../lib/distill/index.js';
import { convert, Llama, type LlamaConfig, type Model, published } from '../../lib/models/index.js';

/** SmolLM2-135M's. */
export const CONFIG = published['smollm2-135m'] as LlamaConfig;

const quiet = () => {};

/** A step with what it computes. */
export interface Case {
  readonly about: string;
  /** Whether `bench/peers/torch_train.py` has it. */
  readonly peer: boolean;
  /** @returns the objective and the model operations of a token: 2 a weight forward, 4 more backward. */
  open(): { objective: Objective; flopsPerToken: number };
}

const random = (seed: number) =>
  new Llama(
    CONFIG,
    Object.assign(() => undefined, { seed }),
  );

/** The weights that multiply every token; the embedding counts once, as the output matrix. */
function weights(model: Model): number {
  return [...model.parameters().values()].reduce((sum, t) => sum + (t.rank > 1 ? t.size : 0), 0);
}

const blockWeights = (model: Model) => weights(model) - CONFIG.vocabSize * CONFIG.dModel;

/** Every fifth layer from the third on stays attention. */
const KEPT = Array.from({ length: CONFIG.nLayers / 5 }, (_, i) => 5 * i + 2);

function student(teacher: Llama, family: 'llamba' | 'mamba-in-llama'): Model {
  const own =
    family === 'llamba'
      ? convert(teacher, { family, log: quiet })
      : convert(teacher, { family, attentionLayers: KEPT, log: quiet });
  own.ownParameters();
  return own;
}

const pair = (family: 'llamba' | 'mamba-in-llama') => () => {
  const teacher = random(5);
  const own = student(teacher, family);
  const objective = objectives.logits(own, teacher, { divergence: 'reverse' });
  return { objective, flopsPerToken: 2 * weights(teacher) + 6 * weights(own) };
};

/** By name. */
export const CASES: Readonly<Record<string, Case>> = {
  llamba: { about: 'Llamba, reverse KL', peer: true, open: pair('llamba') },
  hybrid: {
    about: `MambaInLlama (attention in ${KEPT.length} of ${CONFIG.nLayers}), reverse KL`,
    peer: true,
    open: pair('mamba-in-llama'),
  },
  'hidden-states': {
    about: 'Llamba, hidden states of whole blocks',
    peer: false,
    open: () => {
      const teacher = random(5);
      const own = student(teacher, 'llamba');
      const objective = objectives.hiddenStates(own, teacher, { mlp: true });
      return { objective, flopsPerToken: 2 * blockWeights(teacher) + 6 * blockWeights(own) };
    },
  },
  sft: {
    about: 'Llama, cross-entropy',
    peer: true,
    open: () => {
      const own = random(5);
      return { objective: objectives.nextToken(own), flopsPerToken: 6 * weights(own) };
    },
  },
};
