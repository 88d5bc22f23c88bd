/**
 * The base of mambalab's layers: named parameters that may come from a checkpoint as they are.
 *
 * tf.layers builds weights from initialisers. Here an initialiser may hand over a loaded tensor,
 * so that a memory-mapped 4-bit weight becomes the layer's variable without a dense copy.
 */
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { isNative, nativeBackend } from '../backend/init.js';
import { type InitialValue, seedOf } from './initial-values.js';
import { OwnedLayer } from './owned-layer.js';

/** One parameter of a layer. */
export interface ParameterSpec {
  shape: number[];
  initializer: 'glorotUniform' | 'ones' | 'zeros' | 'randomNormal' | InitialValue;
}

/**
 * Supplies a parameter by its path (`layers.0.attention.q`); the layer takes the tensor over. Where
 * it gives none, the parameter starts as its layer starts it.
 */
export interface WeightSource {
  (path: string, shape: readonly number[]): tf.Tensor | undefined;
  /** Makes the parameters that it does not supply the same on every run. */
  readonly seed?: number;
}

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
      const path = `${prefix}.${name}`;
      const given = source?.(path, shape) ?? initial(initializer, path, shape, source?.seed);
      if (given && !tf.util.arraysEqual(given.shape, shape)) {
        throw new Error(`${path}: shape [${shape}] expected, [${given.shape}] given`);
      }
      const from = given ? new Given(given) : standard(initializer as StandardInitializer);
      const trainable = !given || given.dtype === 'float32';
      const variable = this.addWeight(name, shape, 'float32', from as never, undefined, trainable);
      this.byName.set(name, variable);
    }
    this.built = true;
  }

  /** The present parameters by path, as `buildWith` names them; they stay the layer's. */
  parametersByPath(prefix: string): Map<string, tf.Tensor> {
    return new Map([...this.byName].map(([name, v]) => [`${prefix}.${name}`, v.read()]));
  }

  /** Gives every parameter float32 memory of its own: those that were mapped or packed are copied. */
  ownParameters(): void {
    for (const variable of this.byName.values()) {
      tf.tidy(() => {
        variable.write(denseCopy(variable.read()));
      });
    }
  }

  /** A parameter's present value. */
  parameter(name: string): tf.Tensor {
    const variable = this.byName.get(name);
    if (!variable) throw new Error(`${this.name}: the parameter '${name}' is not built`);
    return variable.read();
  }
}

type StandardInitializer = Exclude<ParameterSpec['initializer'], InitialValue>;

function standard(
  name: StandardInitializer,
  seed?: number,
): ReturnType<typeof tfl.initializers.ones> {
  return tfl.initializers[name](seed === undefined ? {} : ({ seed } as never));
}

/** A first value that is made here: by a function, or by a standard initialiser with a seed. */
function initial(
  initializer: ParameterSpec['initializer'],
  path: string,
  shape: readonly number[],
  seed: number | undefined,
): tf.Tensor | undefined {
  const own = seed === undefined ? undefined : seedOf(path, seed);
  if (typeof initializer === 'function') return initializer(shape, own);
  return own === undefined ? undefined : standard(initializer, own).apply([...shape], 'float32');
}

/** The tensor's numbers as float32 in new memory. */
function denseCopy(t: tf.Tensor): tf.Tensor {
  if (!isNative()) return tf.add(t, 0);
  const backend = nativeBackend();
  const copy = backend.makeOutput(t.shape);
  backend.engine.run('dequantize', [backend.operand(t), backend.operand(copy)]);
  return tf.engine().makeTensorFromTensorInfo(copy);
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
