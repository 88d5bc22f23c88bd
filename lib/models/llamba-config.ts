/** Longest sequence of a model without positions: no limit of its own. */
export const UNLIMITED_CONTEXT = 2 ** 30;

/** Sizes and constants of a Llamba: Llama's blocks with discrete Mamba-2 mixers for attention. */
export interface LlambaConfig {
  readonly family: 'llamba';
  /** Rows of the embedding: the vocabulary, rounded up as the checkpoint has it. */
  readonly vocabSize: number;
  readonly dModel: number;
  readonly nLayers: number;
  /** Heads of x, each with a decay of its own. */
  readonly nHeads: number;
  /** Heads of B and C; divides `nHeads`. */
  readonly nQkHeads: number;
  /** Width P of a head of x; `nHeads * headDim` is a multiple of `dModel`. */
  readonly headDim: number;
  /** Width N of a head of B and C: a head's state is P by N. */
  readonly stateDim: number;
  /** Tokens that the causal convolution sees. */
  readonly convWidth: number;
  /** Tokens that the scan of the checkpoint's own code takes at once. Kept for `save`: kernels here choose. */
  readonly chunkSize: number;
  /** Width of the gate and up projections. */
  readonly dMlp: number;
  /** Added to the mean square in the blocks' norms. */
  readonly blockNormEps: number;
  /** Added to the mean square in the last norm. */
  readonly normEps: number;
  /** Longest sequence in tokens that is read. */
  readonly contextLength: number;
  /** Whether the logits use the embedding matrix, so that there is no output matrix. */
  readonly tieEmbeddings: boolean;
  readonly bosId: number | undefined;
  /** Tokens that end a text; often more than one. */
  readonly eosIds: readonly number[];
}
