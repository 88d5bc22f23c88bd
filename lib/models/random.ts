/** Models of any size without a checkpoint, for benchmarks and tests of memory. */
import * as tf from '@tensorflow/tfjs-core';
import type { Storage } from '../backend/engine.js';
import { init, isNative, nativeBackend } from '../backend/init.js';
import { build, type Model } from './build.js';
import { checkConfig } from './check-config.js';
import { sizeOf } from './files/layout.js';
import { layoutOf as storageLayout } from './files/storage.js';
import { layoutOf } from './layouts.js';
import type { ModelConfig } from './model-config.js';
import { checkPrecision, type Precision, storageFor } from './weights.js';

/** Options of {@link random}. */
export interface RandomOptions {
  /** How matrices are kept; default f32. */
  precision?: Exclude<Precision, 'stored'>;
  /** Default 0. The same seed makes the same model. */
  seed?: number;
}

/** Numbers that are drawn; larger matrices repeat them. */
const DRAWN = 1 << 20;

/**
 * A model with random weights: its matrices are normal with a variance of 1 / columns, so that
 * activations keep their size; everything else starts as a new layer's does.
 *
 * @throws RangeError listing every field of the configuration that makes no model.
 */
export function random(config: ModelConfig, options: RandomOptions = {}): Model {
  checkConfig(config);
  const precision = checkPrecision(options.precision ?? 'f32');
  if (precision === 'stored') {
    throw new RangeError("random: precision must say how weights are kept, got 'stored'");
  }
  if (!tf.engine().registry.native) init();
  const seed = options.seed ?? 0;
  const matrices = new Set(
    layoutOf(config).flatMap(({ parts }) => parts.filter((p) => !p.dense).map((p) => p.path)),
  );
  const drawn = tf.randomNormal([DRAWN], 0, 1, 'float32', seed);
  const take = (path: string, shape: readonly number[]): tf.Tensor | undefined => {
    if (!matrices.has(path)) return undefined;
    return tf.tidy(() => {
      const size = sizeOf(shape);
      const repeated = tf.tile(drawn, [Math.ceil(size / DRAWN)]);
      const deviation = 1 / Math.sqrt(shape[shape.length - 1] as number);
      const values = tf.mul(tf.slice(repeated, [0], [size]), deviation);
      return packed(tf.reshape(values, [...shape]), storageFor(precision, shape));
    });
  };
  try {
    const weights = Object.assign(take, { seed });
    return build(config, weights, { bytes: weightBytes(config, precision) });
  } finally {
    drawn.dispose();
  }
}

/** Bytes of a configuration's weights in a precision. */
export function weightBytes(config: ModelConfig, precision: Exclude<Precision, 'stored'>): number {
  const parts = layoutOf(config).flatMap((tensor) => tensor.parts);
  return parts.reduce((sum, { shape, dense }) => {
    const { block, bytes } = storageLayout(dense ? 'F32' : storageFor(precision, shape));
    return sum + (sizeOf(shape) / block) * bytes;
  }, 0);
}

/** A matrix's values in a storage of the engine; other backends know float32 only. */
function packed(values: tf.Tensor, storage: Storage): tf.Tensor {
  if (storage === 'F32' || !isNative()) return values;
  const backend = nativeBackend();
  const target = backend.makeStored(values.shape, storage);
  backend.engine.run('convert', [backend.operand(values), backend.operand(target)]);
  return tf.engine().makeTensorFromTensorInfo(target);
}
