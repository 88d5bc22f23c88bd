import type { RopeScaling } from '../layers/index.js';

/** Sizes and constants of a Llama model (Llama 3.x, SmolLM2), whatever file they came from. */
export interface LlamaConfig {
  readonly family?: 'llama';
  readonly vocabSize: number;
  readonly dModel: number;
  readonly nLayers: number;
  readonly nHeads: number;
  /** Divides `nHeads`: each key-value head serves nHeads / nKvHeads query heads. */
  readonly nKvHeads: number;
  /** Even. */
  readonly headDim: number;
  /** Width of the gate and up projections. */
  readonly dMlp: number;
  /** Added to the mean square in every RMSNorm. */
  readonly normEps: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | undefined;
  /** Longest sequence in tokens that the model was made for. */
  readonly contextLength: number;
  /** Whether the logits use the embedding matrix, so that there is no output matrix. */
  readonly tieEmbeddings: boolean;
  readonly bosId: number | undefined;
  /** Tokens that end a text; often more than one. */
  readonly eosIds: readonly number[];
}
