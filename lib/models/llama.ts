/**
 * Llama 3.x and SmolLM2: embedding, blocks of attention and gated feed-forward, norm, head.
 *
 * `h = E[tokens]; h += attention(norm h); h += mlp(norm h); logits = norm(h) W^T`.
 */
import { RotaryEmbedding, TransformerBlock, type WeightSource } from '../layers/index.js';
import { Decoder, type DecoderOptions } from './decoder.js';
import type { LlamaConfig } from './llama-config.js';

/** What a checkpoint says beside the configuration. */
export interface LlamaOptions extends DecoderOptions {
  /** The rows of the query and key projections are in GGUF's order. */
  interleavedRope?: boolean;
}

/** A Llama with its weights. Made by `models.load` or, with random weights, by `new`. */
export class Llama extends Decoder<LlamaConfig> {
  /** Whether the rows of the query and key projections are in GGUF's order. */
  readonly interleavedRope: boolean;

  /**
   * @param weights supplies the parameters by path (`layers.0.attention.q`); random where missing.
   */
  constructor(config: LlamaConfig, weights?: WeightSource, options: LlamaOptions = {}) {
    const { nHeads, nKvHeads, headDim, ropeTheta, ropeScaling } = config;
    const interleaved = options.interleavedRope ?? false;
    const rope = { theta: ropeTheta, interleaved, ...(ropeScaling && { scaling: ropeScaling }) };
    const attention = { nHeads, nKvHeads, headDim, rope };
    const blocks = Array.from(
      { length: config.nLayers },
      () => new TransformerBlock({ attention, hiddenDim: config.dMlp, epsilon: config.normEps }),
    );
    super(config, blocks, weights, options, new RotaryEmbedding({ ...rope, headDim }));
    this.interleavedRope = interleaved;
  }
}
