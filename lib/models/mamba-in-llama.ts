/**
 * MambaInLlama: a Llama in which most attention layers are Mamba-1 or Mamba-2 layers with the
 * attention's grouped heads (Wang et al. 2024; M1, Wang et al. 2025).
 *
 * `h = E[tokens]; h += attention(norm h) or mamba(norm h); h += mlp(norm h); logits = norm(h) W^T`.
 */
import {
  MambaBlock,
  type ResidualBlock,
  RotaryEmbedding,
  TransformerBlock,
  type WeightSource,
} from '../layers/index.js';
import { checkConfig } from './check-config.js';
import { Decoder, type DecoderOptions } from './decoder.js';
import type { MambaInLlamaConfig } from './mamba-in-llama-config.js';

/** A hybrid with its weights. Made by `models.load`, `models.convert` or, at random, by `new`. */
export class MambaInLlama extends Decoder<MambaInLlamaConfig> {
  /** @param weights supplies the parameters by path (`layers.0.mixer.C`); random where missing. */
  constructor(config: MambaInLlamaConfig, weights?: WeightSource, options: DecoderOptions = {}) {
    checkConfig(config);
    const { nHeads, nKvHeads, headDim, ropeTheta, ropeScaling, mixer } = config;
    const rope = { theta: ropeTheta, ...(ropeScaling && { scaling: ropeScaling }) };
    const attention = { nHeads, nKvHeads, headDim, rope };
    const both = { hiddenDim: config.dMlp, epsilon: config.normEps };
    const isAttention = (i: number) => config.attentionLayers.includes(i);
    const blocks = Array.from(
      { length: config.nLayers },
      (_, i): ResidualBlock =>
        isAttention(i)
          ? new TransformerBlock({ attention, ...both })
          : new MambaBlock({ mixer, ...both }),
    );
    const shared = config.attentionLayers.length > 0;
    super(
      config,
      blocks,
      weights,
      options,
      shared ? new RotaryEmbedding({ ...rope, headDim }) : undefined,
    );
  }
}
