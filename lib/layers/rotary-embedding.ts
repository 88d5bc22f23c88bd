/**
 * Rotary position embedding (Su et al. 2021) with Llama 3's frequency scaling.
 *
 * Angles are computed in float64 and kept as a table of cosines and sines.
 */
import * as tf from '@tensorflow/tfjs-core';
import { rotary } from '../backend/custom/rotary.js';
import { type Disposed, OwnedLayer } from './owned-layer.js';
import { positive, single } from './parameter-layer.js';

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
      /** The context length of pre-training. */
      readonly originalContext: number;
    }
  | { readonly type: 'factors'; readonly factors: readonly number[] };

/** Configuration of {@link RotaryEmbedding}. */
export interface RotaryEmbeddingConfig {
  name?: string;
  headDim: number;
  /** Base of the geometric frequencies; default 10000. */
  theta?: number;
  scaling?: RopeScaling;
  /** Pairs are neighbours (GGUF's row order) and not the two halves (Hugging Face's). */
  interleaved?: boolean;
}

/** Angular frequencies of the pairs, radians per position. */
export function ropeFrequencies(
  headDim: number,
  theta: number,
  scaling?: RopeScaling,
): Float64Array {
  return Float64Array.from({ length: headDim / 2 }, (_, i) => {
    const frequency = theta ** ((-2 * i) / headDim);
    switch (scaling?.type) {
      case undefined:
        return frequency;
      case 'linear':
        return frequency / scaling.factor;
      case 'factors':
        return frequency / (scaling.factors[i] as number);
      case 'llama3': {
        const turns = (scaling.originalContext * frequency) / (2 * Math.PI);
        const { factor, lowFreqFactor: low, highFreqFactor: high } = scaling;
        const smooth = Math.min(1, Math.max(0, (turns - low) / (high - low)));
        return frequency * ((1 - smooth) / factor + smooth);
      }
    }
  });
}

/** Rotates `[batch, length, heads, headDim]` by each token's position. */
export class RotaryEmbedding extends OwnedLayer {
  static readonly className = 'MambalabRotaryEmbedding';
  private readonly headDim: number;
  private readonly theta: number;
  private readonly scaling: RopeScaling | undefined;
  private readonly interleaved: boolean;
  // Captured programs hold the address of the table they saw, so a longer table does not replace it.
  private readonly tables: tf.Tensor3D[] = [];

  constructor(config: RotaryEmbeddingConfig) {
    super(config as never);
    this.headDim = positive('RotaryEmbedding', 'headDim', config.headDim);
    if (this.headDim % 2)
      throw new Error(`RotaryEmbedding: headDim must be even, got ${this.headDim}`);
    this.theta = config.theta ?? 10000;
    this.scaling = config.scaling;
    this.interleaved = config.interleaved ?? false;
  }

  /** Makes sure that positions `0..positions-1` are in the table. */
  reserve(positions: number): tf.Tensor3D {
    const last = this.tables[this.tables.length - 1];
    if (last && last.shape[0] >= positions) return last;
    const rows = Math.max(2048, 2 ** Math.ceil(Math.log2(positions)));
    const frequencies = ropeFrequencies(this.headDim, this.theta, this.scaling);
    const half = frequencies.length;
    const values = new Float32Array(rows * half * 2);
    for (let p = 0, at = 0; p < rows; p++) {
      for (let i = 0; i < half; i++) {
        const angle = p * (frequencies[i] as number);
        values[at++] = Math.cos(angle);
        values[at++] = Math.sin(angle);
      }
    }
    const table = tf.keep(tf.tensor3d(values, [rows, half, 2]));
    this.tables.push(table);
    return table;
  }

  /**
   * @param kwargs.starts int32 `[batch]`: position of each row's first token; default 0.
   * @param kwargs.lens int32 `[batch]`: how many tokens of each row are real; default all.
   * @param kwargs.positions how many positions the table must have; default the length.
   */
  override call(
    inputs: tf.Tensor | tf.Tensor[],
    kwargs: { starts?: tf.Tensor1D; lens?: tf.Tensor1D; positions?: number } = {},
  ): tf.Tensor {
    const x = single(inputs) as tf.Tensor4D;
    const table = this.reserve(kwargs.positions ?? x.shape[1]);
    return tf.tidy(() => {
      const [batch, length] = x.shape;
      const starts = kwargs.starts ?? tf.zeros<tf.Rank.R1>([batch], 'int32');
      const lens = kwargs.lens ?? (tf.fill([batch], length, 'int32') as tf.Tensor1D);
      return rotary(x, table, starts, lens, { interleaved: this.interleaved });
    });
  }

  override dispose(): Disposed {
    tf.dispose(this.tables.splice(0));
    return super.dispose();
  }

  override getConfig(): tf.serialization.ConfigDict {
    return {
      ...super.getConfig(),
      headDim: this.headDim,
      theta: this.theta,
      interleaved: this.interleaved,
      ...(this.scaling && { scaling: { ...this.scaling } as never }),
    };
  }
}

tf.serialization.registerClass(RotaryEmbedding as never);
