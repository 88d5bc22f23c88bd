/** AdamW (Loshchilov and Hutter 2019) on the engine: one fused update of all parameters. */
import * as tf from '@tensorflow/tfjs-core';
import { adamW as update } from '../backend/custom/adam-w.js';
import { copyValues, roundValues } from '../backend/custom/in-place.js';
import { assign } from '../backend/index.js';

/** Constants of {@link adamW}. */
export interface AdamWOptions {
  /** Default 0.9. */
  beta1?: number;
  /** Default 0.95. */
  beta2?: number;
  /** Default 1e-8. */
  epsilon?: number;
  /** Decoupled: the learning rate times this is taken of a parameter at each step. Default 0.1. */
  weightDecay?: number;
  /** Gradients are scaled down to this norm over all parameters; 0 for no limit. Default 1. */
  maxNorm?: number;
  /**
   * Whether a parameter decays. Default: matrices do; vectors do not, nor does ALog: that leaves out
   * norms, biases, D and the bias of dt.
   */
  decays?: (path: string, shape: readonly number[]) => boolean;
  /**
   * What the model works with. `float32` (default): the numbers that are updated. `bfloat16`: those rounded
   * to bfloat16, to nearest, ties to even, at the start and after each update; the optimizer keeps the
   * float32 ones, its masters, and updates them.
   */
  weights?: 'float32' | 'bfloat16';
}

/** The moments and masters of a run, by parameter; with `steps` all that an optimizer remembers. */
export interface AdamWState {
  /** Updates that were made. */
  steps: number;
  first: Record<string, Float32Array>;
  second: Record<string, Float32Array>;
  /** Only where the weights are bfloat16. */
  masters?: Record<string, Float32Array>;
}

/** An optimizer over parameters that it writes in place. */
export interface AdamW {
  /** The paths of the parameters, in the order of the update. */
  readonly paths: readonly string[];
  /** Whether each parameter decays. */
  readonly decays: readonly boolean[];
  /** Updates that were made; one with a norm that is not finite is none. */
  readonly steps: number;
  /**
   * One update of all parameters; with a gradient that is not finite it changes nothing.
   *
   * @param gradients by path, one for each parameter.
   * @returns the norm of all gradients before clipping.
   */
  step(gradients: Record<string, tf.Tensor>, learningRate: number): number;
  /**
   * The parts of {@link step} for captured programs: the learning rate is written, the update is an
   * operation that a program may hold, and the norm is read.
   */
  readonly parts: {
    setRate(learningRate: number): void;
    update(gradients: Record<string, tf.Tensor>): void;
    finish(): number;
  };
  /** The moments by path; they stay the optimizer's. */
  readonly moments: {
    readonly first: ReadonlyMap<string, tf.Tensor>;
    readonly second: ReadonlyMap<string, tf.Tensor>;
  };
  /** The float32 parameters by path where the model's are rounded, else none; they stay the optimizer's. */
  readonly masters: ReadonlyMap<string, tf.Tensor>;
  /** Copies of the moments and masters, to be saved. */
  state(): AdamWState;
  /** Goes on from saved moments, and from saved masters, of which the parameters are made again. */
  restore(state: AdamWState): void;
  /** Frees moments and masters; the parameters stay the caller's. */
  dispose(): void;
}

function between(name: string, value: number, from: number, below: number): void {
  if (!(value >= from && value < below)) {
    throw new RangeError(`adamW: ${name} must be from ${from} to below ${below}, got ${value}`);
  }
}

const decaysByDefault = (path: string, shape: readonly number[]) =>
  shape.length >= 2 && !/(^|\.)ALog$/.test(path);

/** Every path of `parameters` and no other, or an error that lists what is amiss. */
function inOrder<T>(what: string, paths: readonly string[], given: Record<string, T>): T[] {
  const missing = paths.filter((path) => given[path] === undefined);
  const unknown = Object.keys(given).filter((path) => !paths.includes(path));
  if (missing.length + unknown.length > 0) {
    const list = (label: string, names: string[]) =>
      names.length > 0 ? [`${label} ${names.join(', ')}`] : [];
    throw new Error(
      `adamW: ${what}: ${[...list('missing', missing), ...list('unknown', unknown)].join('; ')}`,
    );
  }
  return paths.map((path) => given[path] as T);
}

/**
 * An AdamW over parameters with memory of their own (`Decoder.ownParameters`). The bias corrections and
 * the clipping are PyTorch's (`torch.optim.AdamW`, `clip_grad_norm_`).
 *
 * @param parameters float32, by path (`model.parameters()`); written in place.
 * @throws RangeError naming an option out of its range.
 */
export function adamW(
  parameters: ReadonlyMap<string, tf.Tensor>,
  options: AdamWOptions = {},
): AdamW {
  const { beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weightDecay = 0.1, maxNorm = 1 } = options;
  between('beta1', beta1, 0, 1);
  between('beta2', beta2, 0, 1);
  between('epsilon', epsilon, 0, Number.POSITIVE_INFINITY);
  between('weightDecay', weightDecay, 0, Number.POSITIVE_INFINITY);
  between('maxNorm', maxNorm, 0, Number.POSITIVE_INFINITY);
  const { weights = 'float32' } = options;
  if (!['float32', 'bfloat16'].includes(weights)) {
    throw new RangeError(`adamW: weights must be float32 or bfloat16, got '${weights}'`);
  }
  if (parameters.size === 0) throw new RangeError('adamW: no parameters');
  const paths = [...parameters.keys()];
  const own = [...parameters.values()];
  const decide = options.decays ?? decaysByDefault;
  const decays = paths.map((path, i) => decide(path, (own[i] as tf.Tensor).shape));
  const zeros = () => own.map((t) => tf.keep(tf.zeros(t.shape)));
  const [first, second] = [zeros(), zeros()];
  const rounds = weights === 'bfloat16';
  const masters = rounds ? zeros() : [];
  for (const [i, master] of masters.entries()) {
    const parameter = own[i] as tf.Tensor;
    copyValues(parameter, master);
    roundValues(master, parameter);
  }
  const updated = rounds ? { parameters: masters, rounded: own } : { parameters: own };
  const schedule = tf.keep(tf.zeros([2]));
  const norm = tf.keep(tf.zeros([1]));
  const constants = { beta1, beta2, epsilon, weightDecay, maxNorm, decays };
  let steps = 0;

  const copies = (tensors: readonly tf.Tensor[]) =>
    Object.fromEntries(
      tensors.map((t, i) => [paths[i] as string, Float32Array.from(t.dataSync())]),
    );

  const byPath = (tensors: readonly tf.Tensor[]) =>
    new Map(tensors.map((t, i) => [paths[i] as string, t]));

  const parts: AdamW['parts'] = {
    setRate(learningRate) {
      between('learningRate', learningRate, 0, Number.POSITIVE_INFINITY);
      assign(schedule, Float32Array.of(learningRate, steps + 1));
    },
    update(gradients) {
      const list = inOrder('gradients', paths, gradients);
      update({ schedule, norm, ...updated, gradients: list, first, second }, constants);
    },
    finish() {
      const size = norm.dataSync()[0] as number;
      if (Number.isFinite(size)) steps++;
      return size;
    },
  };

  return {
    paths,
    decays,
    parts,
    moments: { first: byPath(first), second: byPath(second) },
    masters: byPath(masters),
    get steps() {
      return steps;
    },
    step(gradients, learningRate) {
      parts.setRate(learningRate);
      parts.update(gradients);
      return parts.finish();
    },
    state: () => ({
      steps,
      first: copies(first),
      second: copies(second),
      ...(rounds && { masters: copies(masters) }),
    }),
    restore(state) {
      if (state.masters && !rounds) {
        throw new Error('adamW: the state is one of bfloat16 weights, asked for are float32 ones');
      }
      const lists = [
        ['first moments', state.first, first],
        ['second moments', state.second, second],
        ...(rounds ? [['masters', state.masters ?? {}, masters] as const] : []),
      ] as const;
      const restored = lists.map(([what, saved]) => inOrder(what, paths, saved));
      for (const [i, path] of paths.entries()) {
        const { size } = own[i] as tf.Tensor;
        for (const [j, list] of restored.entries()) {
          const { length } = list[i] as Float32Array;
          if (length !== size) {
            const [what] = lists[j] as (typeof lists)[number];
            throw new Error(`adamW: ${path}: ${what} of ${size} numbers expected, got ${length}`);
          }
        }
      }
      for (const [j, [, , tensors]] of lists.entries()) {
        for (const [i, tensor] of tensors.entries()) {
          assign(tensor, restored[j]?.[i] as Float32Array);
        }
      }
      for (const [i, master] of masters.entries()) roundValues(master, own[i] as tf.Tensor);
      steps = state.steps;
    },
    dispose: () => tf.dispose([...first, ...second, ...masters, schedule, norm]),
  };
}
