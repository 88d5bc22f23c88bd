/** One block of Llamba: a discrete Mamba-2 mixer and a gated feed-forward, each after a norm. */
import * as tf from '@tensorflow/tfjs-core';
import { LlambaMixer, type LlambaMixerConfig } from './llamba-mixer.js';
import { ResidualBlock } from './residual-block.js';

/** Configuration of {@link LlambaBlock}. */
export interface LlambaBlockConfig {
  name?: string;
  mixer: Omit<LlambaMixerConfig, 'name'>;
  /** Width of the feed-forward layer. */
  hiddenDim: number;
  /** Of both norms; default 1e-5. */
  epsilon?: number;
}

/** `h + mixer(norm h)`, then `h + mlp(norm h)`: `[batch, length, d]` to the same. */
export class LlambaBlock extends ResidualBlock {
  static readonly className = 'MambalabLlambaBlock';
  private readonly config: LlambaBlockConfig;

  constructor(config: LlambaBlockConfig) {
    const name = config.name && { name: `${config.name}_mixer` };
    super(config, new LlambaMixer({ ...config.mixer, ...name }), 'mixer');
    this.config = config;
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { mixer, hiddenDim, epsilon } = this.config;
    const own = { mixer: { ...mixer } as never, hiddenDim, epsilon: epsilon ?? 1e-5 };
    return { ...super.getConfig(), ...own };
  }
}

tf.serialization.registerClass(LlambaBlock as never);
