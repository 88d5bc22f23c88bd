/** What a model takes, worked out from its configuration alone. */
import { type StatePrecision, statePrecisionOf } from '../layers/state-precision.js';
import { checkConfig } from './check-config.js';
import { sizeOf } from './files/layout.js';
import { layoutOf } from './layouts.js';
import { type Family, familyOf, type ModelConfig } from './model-config.js';
import { type PublishedName, published } from './published.js';
import { stateSizes } from './state-sizes.js';

/** Bytes of one number of a plain storage. */
const NUMBER_BYTES = { f32: 4, bf16: 2, f16: 2 } as const;

/** Options of {@link plan}. */
export interface PlanOptions {
  /** How the weights are stored; default f32. */
  precision?: keyof typeof NUMBER_BYTES;
  /** How keys, values and recurrent states are kept; default f32. */
  statePrecision?: StatePrecision;
}

/** A tensor of a planned checkpoint. */
export interface PlannedTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What {@link plan} found. */
export interface Plan {
  readonly family: Family;
  readonly config: ModelConfig;
  /** Every tensor of the checkpoint, in the model's order. */
  readonly tensors: readonly PlannedTensor[];
  /** Numbers in all tensors. */
  readonly parameters: number;
  /** Bytes of the weights. */
  readonly bytes: number;
  /** Bytes of one sequence's decode state that its length does not change. */
  readonly stateBytes: number;
  /** Bytes that each token adds to it: the keys and values of the attention layers. */
  readonly stateBytesPerToken: number;
}

/**
 * Lists a model's tensors, parameters, bytes and decode state. Nothing is allocated or read.
 *
 * @param config a configuration, or the name of a published one (`llamba-3b`).
 * @throws RangeError listing every field of the configuration that makes no model.
 */
export function plan(config: ModelConfig | PublishedName, options: PlanOptions = {}): Plan {
  const known = typeof config === 'string' ? byName(config) : config;
  checkConfig(known);
  const precision = options.precision ?? 'f32';
  if (!Object.hasOwn(NUMBER_BYTES, precision)) {
    const names = Object.keys(NUMBER_BYTES).join(', ');
    throw new RangeError(`plan: precision must be one of ${names}, got '${precision}'`);
  }
  const tensors = layoutOf(known).map(({ name, shape }) => ({ name, shape }));
  const parameters = tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const statePrecision = statePrecisionOf('plan: statePrecision', options.statePrecision ?? 'f32');
  const { fixed, perToken } = stateSizes(known, statePrecision);
  return {
    family: familyOf(known),
    config: known,
    tensors,
    parameters,
    bytes: parameters * NUMBER_BYTES[precision],
    stateBytes: fixed,
    stateBytesPerToken: perToken,
  };
}

function byName(name: string): ModelConfig {
  if (Object.hasOwn(published, name)) return published[name as PublishedName];
  const names = Object.keys(published).join(', ');
  throw new RangeError(`plan: no published model is called '${name}'; there are ${names}`);
}
