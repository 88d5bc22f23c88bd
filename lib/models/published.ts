/**
 * The configurations of published models, for planning and for benchmarks with random weights.
 *
 * Sources: the config.json files of HuggingFaceTB's SmolLM2, meta-llama's Llama 3.x, cartesia-ai's
 * Llamba and JunxiongWang's M1 and MambaInLlama. For Llamba-1B and 8B they are the configuration class's
 * defaults with Llama's sizes; the four attention layers of the 1B hybrid are inferred from the
 * size of its file.
 */
import type { LlamaConfig } from './llama-config.js';
import { type LlambaConfig, UNLIMITED_CONTEXT } from './llamba-config.js';
import type { MambaInLlamaConfig } from './mamba-in-llama-config.js';
import type { ModelConfig } from './model-config.js';

const tokens = { vocabSize: 128256, bosId: 128000, eosIds: [128001, 128008, 128009] } as const;

function llama(
  sizes: Pick<LlamaConfig, 'dModel' | 'nLayers' | 'nHeads' | 'dMlp' | 'tieEmbeddings'>,
  ropeFactor: number,
): LlamaConfig {
  return {
    ...tokens,
    ...sizes,
    nKvHeads: 8,
    headDim: sizes.dModel / sizes.nHeads,
    normEps: 1e-5,
    ropeTheta: 500000,
    ropeScaling: {
      type: 'llama3',
      factor: ropeFactor,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalContext: 8192,
    },
    contextLength: 131072,
  };
}

const llama1b = llama(
  { dModel: 2048, nLayers: 16, nHeads: 32, dMlp: 8192, tieEmbeddings: true },
  32,
);
const llama3b = llama(
  { dModel: 3072, nLayers: 28, nHeads: 24, dMlp: 8192, tieEmbeddings: true },
  32,
);
const llama8b = llama(
  { dModel: 4096, nLayers: 32, nHeads: 32, dMlp: 14336, tieEmbeddings: false },
  8,
);

const smollm2: LlamaConfig = {
  vocabSize: 49152,
  dModel: 576,
  nLayers: 30,
  nHeads: 9,
  nKvHeads: 3,
  headDim: 64,
  dMlp: 1536,
  normEps: 1e-5,
  ropeTheta: 100000,
  ropeScaling: undefined,
  contextLength: 8192,
  tieEmbeddings: true,
  bosId: 1,
  eosIds: [2],
};

/** All published sizes have 32 heads: those of the 3B are 96 wide, and not its teacher's 24 of 128. */
function llamba({ dModel, nLayers, dMlp }: LlamaConfig, tieEmbeddings: boolean): LlambaConfig {
  return {
    family: 'llamba',
    ...tokens,
    dModel,
    nLayers,
    dMlp,
    nHeads: 32,
    nQkHeads: 32,
    headDim: dModel / 32,
    stateDim: 64,
    convWidth: 4,
    chunkSize: 128,
    blockNormEps: 1e-5,
    normEps: 1e-5,
    contextLength: UNLIMITED_CONTEXT,
    tieEmbeddings,
  };
}

function hybrid(
  teacher: LlamaConfig,
  layout: MambaInLlamaConfig['layout'],
  attentionLayers: readonly number[],
  type: 'mamba' | 'mamba2' = 'mamba',
): MambaInLlamaConfig {
  const { dModel, nHeads, nKvHeads, headDim, family: _, ...rest } = teacher;
  const widths = { dInner: dModel, dXb: nKvHeads * headDim, convWidth: 4 };
  const mixer =
    type === 'mamba'
      ? ({ type, ...widths, stateDim: 16, dtRank: dModel / 16 } as const)
      : ({ type, ...widths, nHeads } as const);
  const attention = { dModel, nHeads, nKvHeads, headDim };
  return { ...rest, ...attention, family: 'mamba-in-llama', attentionLayers, mixer, layout };
}

const odd = (n: number) => Array.from({ length: n / 2 }, (_, i) => 2 * i + 1);

/** Configurations by name. */
export const published = {
  'smollm2-135m': smollm2,
  'llama-3.2-1b': llama1b,
  'llama-3.2-3b': llama3b,
  'llama-3.1-8b': llama8b,
  'llamba-1b': llamba(llama1b, true),
  'llamba-3b': llamba(llama3b, true),
  'llamba-8b': llamba(llama8b, true),
  'llamba-8b-untied': llamba(llama8b, false),
  'mamba-in-llama-1b-math': hybrid(llama1b, 'm1', [3, 7, 11, 15]),
  'mamba-in-llama-3b-math': hybrid(llama3b, 'm1', [3, 8, 13, 18, 23, 27]),
  'mamba-in-llama-3b': hybrid(llama3b, 'mamba-in-llama', odd(28)),
  'mamba2-in-llama-3b': hybrid(llama3b, 'mamba-in-llama', odd(28), 'mamba2'),
  'mamba-in-llama-8b': hybrid(llama8b, 'mamba-in-llama', odd(32)),
  'mamba2-in-llama-8b': hybrid(llama8b, 'mamba-in-llama', odd(32), 'mamba2'),
} as const satisfies Record<string, ModelConfig>;

/** A name in {@link published}. */
export type PublishedName = keyof typeof published;
