/**
 * The base of mambalab's layers: named parameters that may come from a checkpoint as they are.
 *
 * tf.layers builds weights from initialisers. Here an initialiser may hand over a loaded tensor,
 * so that a memory-mapped 4-bit weight becomes the layer's variable without a dense copy.
 */
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { OwnedLayer } from './owned-layer.js';

/** One parameter of a layer. */
export interface ParameterSpec {
  shape: number[];
  initializer: 'glorotUniform' | 'ones' | 'zeros' | 'randomNormal';
}

/** Supplies a parameter by its path (`layers.0.attention.q`); the layer takes the tensor over. */
export type WeightSource = (path: string, shape: readonly number[]) => tf.Tensor;

type Variable = ReturnType<tfl.layers.Layer['addWeight']>;

/** Hands a loaded tensor to `addWeight`. */
class Given extends tf.serialization.Serializable {
  static readonly className = 'Given';

  constructor(private readonly tensor: tf.Tensor) {
    super();
  }

  apply(): tf.Tensor {
    return this.tensor;
  }

  getConfig(): tf.serialization.ConfigDict {
    return {};
  }
}

/** A layer whose parameters are declared as a table. */
export abstract class ParameterLayer extends OwnedLayer {
  private readonly byName = new Map<string, Variable>();

  /** The parameters, for inputs of this last axis. */
  protected abstract parameters(inputDim: number): Record<string, ParameterSpec>;

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const shape = (Array.isArray(inputShape[0]) ? inputShape[0] : inputShape) as tfl.Shape;
    const inputDim = shape[shape.length - 1];
    if (typeof inputDim !== 'number' || inputDim < 1) {
      throw new Error(`${this.name}: the last axis of the input must be known, got [${shape}]`);
    }
    this.buildWith(inputDim);
  }

  /**
   * Creates the parameters, from a checkpoint where a source is given.
   *
   * @param inputDim size of the input's last axis.
   * @param source called with `${prefix}.${name}` and the expected shape.
   */
  buildWith(inputDim: number, source?: WeightSource, prefix = this.name): void {
    if (this.built) return;
    for (const [name, { shape, initializer }] of Object.entries(this.parameters(inputDim))) {
      const given = source?.(`${prefix}.${name}`, shape);
      if (given && !tf.util.arraysEqual(given.shape, shape)) {
        throw new Error(`${prefix}.${name}: shape [${shape}] expected, [${given.shape}] given`);
      }
      const from = given ? new Given(given) : tfl.initializers[initializer]({});
      const trainable = !given || given.dtype === 'float32';
      const variable = this.addWeight(name, shape, 'float32', from as never, undefined, trainable);
      this.byName.set(name, variable);
    }
    this.built = true;
  }

  /** A parameter's present value. */
  parameter(name: string): tf.Tensor {
    const variable = this.byName.get(name);
    if (!variable) throw new Error(`${this.name}: the parameter '${name}' is not built`);
    return variable.read();
  }
}

/** The only tensor of a layer's input. */
export function single(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
  return Array.isArray(inputs) ? (inputs[0] as tf.Tensor) : inputs;
}

/** Checks a positive whole number of a layer's configuration. */
export function positive(layer: string, name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new Error(`${layer}: ${name} must be a positive integer, got ${value}`);
  }
  return value;
}
