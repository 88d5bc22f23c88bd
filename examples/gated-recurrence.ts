/**
 * A mixer of one's own: a gated linear recurrence (Martin and Cundy 2018, "Parallelizing linear recurrent
 * neural nets over sequence length"; the elementwise ancestor of Mamba), composed of tfjs operations, so that
 * its gradient comes from theirs and it runs on every backend.
 */
import * as tf from '@tensorflow/tfjs';
import { ParameterLayer, type ParameterSpec } from 'mambalab/layers';

/** Configuration of {@link GatedRecurrence}. */
export interface GatedRecurrenceConfig {
  name?: string;
  /** Channels of the state and of the output. */
  units: number;
  /** Of the first weights; default 0. */
  seed?: number;
}

/**
 * `h_t = a_t * h_{t-1} + (1 - a_t) * v_t` from `h_0 = 0`, by channel, with `a = sigmoid(x A^T + b)` and
 * `v = x V^T`. Float32 `[batch, length, d]` to `[batch, length, units]`.
 */
export class GatedRecurrence extends ParameterLayer {
  static readonly className = 'ExampleGatedRecurrence';
  private readonly units: number;
  private readonly seed: number;

  /** @throws RangeError where `units` is not a positive integer. */
  constructor(config: GatedRecurrenceConfig) {
    super(config as never);
    this.units = config.units;
    this.seed = config.seed ?? 0;
    if (!Number.isSafeInteger(this.units) || this.units < 1) {
      throw new RangeError(
        `GatedRecurrence: units must be a positive integer, got ${config.units}`,
      );
    }
  }

  protected parameters(inputDim: number): Record<string, ParameterSpec> {
    const matrix = (seed: number): ParameterSpec => ({
      shape: [this.units, inputDim],
      initializer: (shape) =>
        tf.randomNormal([...shape], 0, 1 / Math.sqrt(inputDim), 'float32', seed),
    });
    return {
      gate: matrix(2 * this.seed),
      // Open gates forget within a few tokens; a bias of 1 keeps about three quarters of the state.
      gateBias: { shape: [this.units], initializer: 'ones' },
      value: matrix(2 * this.seed + 1),
    };
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const x = (Array.isArray(inputs) ? inputs[0] : inputs) as tf.Tensor3D;
      const a = tf.sigmoid(tf.add(this.project(x, 'gate'), this.parameter('gateBias')));
      const gated = tf.mul(tf.sub(1, a), this.project(x, 'value'));
      const keep = tf.unstack(a, 1);
      const states: tf.Tensor[] = [];
      for (const [t, enters] of tf.unstack(gated, 1).entries()) {
        const before = states[t - 1];
        states.push(before ? tf.add(tf.mul(keep[t] as tf.Tensor, before), enters) : enters);
      }
      return tf.stack(states, 1);
    });
  }

  override computeOutputShape([batch, length]: (number | null)[]): (number | null)[] {
    return [batch ?? null, length ?? null, this.units];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), units: this.units, seed: this.seed };
  }

  /** `x W^T`: every token of every row by the same matrix. */
  private project(x: tf.Tensor3D, name: 'gate' | 'value'): tf.Tensor3D {
    const [batch, length, d] = x.shape;
    const product = tf.matMul(
      tf.reshape(x, [batch * length, d]),
      this.parameter(name),
      false,
      true,
    );
    return tf.reshape(product, [batch, length, this.units]);
  }
}

// By its name tf.models.modelFromJSON finds the layer in a saved model.
tf.serialization.registerClass(GatedRecurrence as never);
