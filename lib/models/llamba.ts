/**
 * Llamba: Llama's blocks with a discrete Mamba-2 mixer in the place of attention. Its state does not
 * grow with the text, and there are no positions.
 *
 * `h = E[tokens]; h += mixer(norm h); h += mlp(norm h); logits = norm(h) W^T`.
 */
import { LlambaBlock, type WeightSource } from '../layers/index.js';
import { checkConfig } from './check-config.js';
import { Decoder, type DecoderOptions } from './decoder.js';
import type { LlambaConfig } from './llamba-config.js';

/** A Llamba with its weights. Made by `models.load`, `models.convert` or, at random, by `new`. */
export class Llamba extends Decoder<LlambaConfig> {
  /** @param weights supplies the parameters by path (`layers.0.mixer.xBC`); random where missing. */
  constructor(config: LlambaConfig, weights?: WeightSource, options: DecoderOptions = {}) {
    checkConfig(config);
    const { nHeads, nQkHeads, headDim, stateDim, convWidth } = config;
    const mixer = { nHeads, nQkHeads, headDim, stateDim, convWidth };
    const blocks = Array.from(
      { length: config.nLayers },
      () => new LlambaBlock({ mixer, hiddenDim: config.dMlp, epsilon: config.blockNormEps }),
    );
    super(config, blocks, weights, options);
  }
}
