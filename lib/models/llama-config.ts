/**
 * How rotary frequencies are stretched for contexts longer than those of pre-training. With
 * f_i = theta^(-2i/headDim), i = 0 .. headDim/2 - 1:
 * - `linear`: f_i / factor.
 * - `llama3` (Llama 3.1's rule): with wavelength w = 2 pi / f_i, f_i where
 *   w < originalContext / highFreqFactor, f_i / factor where w > originalContext / lowFreqFactor,
 *   and in between (1 - s) f_i / factor + s f_i with
 *   s = (originalContext / w - lowFreqFactor) / (highFreqFactor - lowFreqFactor).
 * - `factors`: f_i / factors[i], as GGUF files carry Llama 3's rule.
 */
export type RopeScaling =
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalContext: number;
    }
  | { readonly type: 'factors'; readonly factors: readonly number[] };

/** Sizes and constants of a Llama model (Llama 3.x, SmolLM2), whatever file they came from. */
export interface LlamaConfig {
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
