/** One block of the Llama skeleton: a mixer and a gated feed-forward, each after a norm, each added back. */
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { OwnedLayer } from './owned-layer.js';
import { type ParameterLayer, single, type WeightSource } from './parameter-layer.js';
import { RMSNorm } from './rms-norm.js';
import type { RotaryEmbedding } from './rotary-embedding.js';
import type { LayerState } from './state.js';
import type { StatePrecision } from './state-precision.js';
import { SwiGLU } from './swi-glu.js';

/** Where the input's tokens stand, and the decode state that they move forward. */
export interface BlockContext {
  /** Position of each row's first token, int32 `[batch]`. */
  starts?: tf.Tensor1D;
  /** How many of each row's tokens are real, int32 `[batch]`; the rest is padding at the end. */
  lens?: tf.Tensor1D;
  /** Not 0 where a packed document starts, int32 `[batch, length]`: nothing before it is seen. */
  resets?: tf.Tensor2D;
  state?: LayerState;
  /** Shared by the attention layers of a model. */
  rope?: RotaryEmbedding;
}

/** What {@link ResidualBlock} asks of the layer that mixes tokens. */
export interface Mixer extends ParameterLayer {
  call(
    inputs: tf.Tensor | tf.Tensor[],
    context?: BlockContext & { residual?: tf.Tensor },
  ): tf.Tensor;
  /** An empty decode state of `batch` rows; `capacity` positions where it grows with them. */
  newState(batch: number, capacity: number, precision?: StatePrecision): LayerState;
  /**
   * The matrices by which the heads mix tokens, where the mixer has such: `[batch, heads, length,
   * length]`, the row's token a sum over the columns'.
   */
  mixerMatrix?(inputs: tf.Tensor3D, context?: BlockContext): tf.Tensor4D;
}

/** `h + mixer(norm h)`, then `h + mlp(norm h)`: `[batch, length, d]` to the same. */
export abstract class ResidualBlock extends OwnedLayer {
  private readonly mixerNorm: RMSNorm;
  private readonly mlpNorm: RMSNorm;
  private readonly mlp: SwiGLU;

  /** @param mixerPath what the mixer is called in the paths of parameters. */
  protected constructor(
    config: { name?: string; hiddenDim: number; epsilon?: number },
    private readonly mixer: Mixer,
    private readonly mixerPath: 'attention' | 'mixer',
  ) {
    super(config as never);
    const norm = { epsilon: config.epsilon ?? 1e-5 };
    this.mixerNorm = new RMSNorm({ ...norm, name: `${this.name}_${mixerPath}_norm` });
    this.mlpNorm = new RMSNorm({ ...norm, name: `${this.name}_mlp_norm` });
    this.mlp = new SwiGLU({ hiddenDim: config.hiddenDim, name: `${this.name}_mlp` });
  }

  private get parts(): readonly (readonly [path: string, layer: ParameterLayer])[] {
    return [
      [`${this.mixerPath}Norm`, this.mixerNorm],
      [this.mixerPath, this.mixer],
      ['mlpNorm', this.mlpNorm],
      ['mlp', this.mlp],
    ];
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const shape = (Array.isArray(inputShape[0]) ? inputShape[0] : inputShape) as tfl.Shape;
    this.buildWith(shape[shape.length - 1] as number);
  }

  /** Creates the parameters, from a checkpoint where a source is given. */
  buildWith(inputDim: number, source?: WeightSource, prefix = this.name): void {
    if (this.built) return;
    for (const [path, layer] of this.parts) {
      layer.buildWith(inputDim, source, `${prefix}.${path}`);
    }
    this.built = true;
  }

  /** The present parameters by path, as `buildWith` names them; they stay the block's. */
  parametersByPath(prefix: string): Map<string, tf.Tensor> {
    return new Map(
      this.parts.flatMap(([path, layer]) => [...layer.parametersByPath(`${prefix}.${path}`)]),
    );
  }

  /** An empty decode state for this block. */
  newState(batch: number, capacity: number, precision?: StatePrecision): LayerState {
    return this.mixer.newState(batch, capacity, precision);
  }

  override get trainableWeights(): tfl.LayerVariable[] {
    return this.parts.flatMap(([, layer]) => layer.trainableWeights);
  }

  override set trainableWeights(_weights: tfl.LayerVariable[]) {
    throw new Error("a block's weights belong to its parts");
  }

  override get nonTrainableWeights(): tfl.LayerVariable[] {
    return this.parts.flatMap(([, layer]) => layer.nonTrainableWeights);
  }

  override set nonTrainableWeights(_weights: tfl.LayerVariable[]) {
    throw new Error("a block's weights belong to its parts");
  }

  override call(inputs: tf.Tensor | tf.Tensor[], context: BlockContext = {}): tf.Tensor {
    return tf.tidy(() => {
      const x = single(inputs);
      const h = this.mixer.call(this.mixerNorm.call(x), { ...context, residual: x });
      return this.mlp.call(this.mlpNorm.call(h), { residual: h });
    });
  }

  /** What the mixer makes of a block's input, before it is added to it. */
  mixed(x: tf.Tensor3D, context: BlockContext = {}): tf.Tensor3D {
    return tf.tidy(() => this.mixer.call(this.mixerNorm.call(x), context) as tf.Tensor3D);
  }

  /**
   * The matrices by which the mixer's heads mix the tokens of a block's input.
   *
   * @throws Error where the mixer is no matrix of a head, as Mamba-1's is not.
   */
  mixerMatrix(x: tf.Tensor3D, context: BlockContext = {}): tf.Tensor4D {
    return tf.tidy(() => {
      const matrix = this.mixer.mixerMatrix?.(this.mixerNorm.call(x) as tf.Tensor3D, context);
      if (matrix) return matrix;
      throw new Error(`${this.mixer.getClassName()}: its heads do not mix tokens by a matrix`);
    });
  }

  /** Gives every parameter float32 memory of its own, to be trained. */
  ownParameters(): void {
    for (const [, layer] of this.parts) layer.ownParameters();
  }

  protected override disposeWeights(): number {
    return this.parts.reduce((sum, [, layer]) => sum + layer.dispose().numDisposedVariables, 0);
  }
}
