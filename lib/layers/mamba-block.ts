/** One recurrent block of MambaInLlama: a Mamba-1 or Mamba-2 mixer and a gated feed-forward. */
import * as tf from '@tensorflow/tfjs-core';
import { MambaMixer, type MambaMixerConfig } from './mamba-mixer.js';
import { Mamba2Mixer, type Mamba2MixerConfig } from './mamba2-mixer.js';
import { ResidualBlock } from './residual-block.js';

/** Configuration of {@link MambaBlock}. */
export interface MambaBlockConfig {
  name?: string;
  mixer:
    | ({ type: 'mamba' } & Omit<MambaMixerConfig, 'name'>)
    | ({ type: 'mamba2' } & Omit<Mamba2MixerConfig, 'name'>);
  /** Width of the feed-forward layer. */
  hiddenDim: number;
  /** Of both norms; default 1e-5. */
  epsilon?: number;
}

/** `h + mixer(norm h)`, then `h + mlp(norm h)`: `[batch, length, d]` to the same. */
export class MambaBlock extends ResidualBlock {
  static readonly className = 'MambalabMambaBlock';
  private readonly config: MambaBlockConfig;

  constructor(config: MambaBlockConfig) {
    const { mixer } = config;
    const name = config.name && { name: `${config.name}_mixer` };
    const layer =
      mixer.type === 'mamba'
        ? new MambaMixer({ ...mixer, ...name })
        : new Mamba2Mixer({ ...mixer, ...name });
    super(config, layer, 'mixer');
    this.config = config;
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { mixer, hiddenDim, epsilon } = this.config;
    const own = { mixer: { ...mixer } as never, hiddenDim, epsilon: epsilon ?? 1e-5 };
    return { ...super.getConfig(), ...own };
  }
}

tf.serialization.registerClass(MambaBlock as never);
