/** Losses over rows, each with a weight: what their kernels and gradients share. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import type { NativeBackend } from '../native-backend.js';
import { runsNatively } from './differentiable.js';
import { keepingTape } from './tape.js';

type Attrs = tf.NamedAttrMap;
/** Rows, what they are held against, and a weight for each. */
export interface LossInputs<T> {
  x: T;
  targets: readonly T[];
  weights: T;
}

/** A loss of rows `x [n, v]` against targets, in its forms. */
export interface RowLoss {
  name: string;
  /** The names of the targets, in the command's order; default one, `target`. */
  targets?: readonly string[];
  /** The native command: `[x, ...targets, weights, losses, (gradient)]`, its first attribute the flag. */
  command: string;
  attributes(attrs: Attrs): readonly number[];
  /** Each row's loss before its weight, by ordinary tfjs operations. */
  composition(x: tf.Tensor2D, targets: readonly tf.Tensor[], attrs: Attrs): tf.Tensor1D;
}

const gradientName = (name: string) => `${name}Gradient`;

/** Runs a loss's command; `gradient` is written where it is given, and may be `x`. */
export function runRowLoss(
  backend: NativeBackend,
  { command, attributes }: RowLoss,
  { x, targets, weights }: LossInputs<tf.TensorInfo>,
  attrs: Attrs,
  losses: tf.TensorInfo,
  gradient?: tf.TensorInfo,
): void {
  const tensors = [x, ...targets, weights, losses, ...(gradient ? [gradient] : [])];
  backend.engine.run(
    command,
    tensors.map((t) => backend.operand(t)),
    [Number(gradient !== undefined), ...attributes(attrs)],
  );
}

/** A row of weight 0 counts for nothing, whatever it holds. */
function weighted(losses: tf.Tensor, weights: tf.Tensor): tf.Tensor {
  return tf.where(tf.equal(weights, 0), tf.zerosLike(losses), tf.mul(losses, weights));
}

/** Registers a loss everywhere. Called once, where the loss's file is loaded. */
export function registerRowLoss(loss: RowLoss): void {
  const { name, targets: targetNames = ['target'], composition } = loss;
  const names = ['x', ...targetNames, 'weights'];
  const listed = <T>(list: readonly T[]): LossInputs<T> => ({
    x: list[0] as T,
    targets: list.slice(1, -1),
    weights: list[list.length - 1] as T,
  });
  const of = <T>(inputs: object) =>
    listed(names.map((key) => (inputs as Record<string, unknown>)[key] as T));
  const composed = ({ x, targets, weights }: LossInputs<tf.Tensor>, attrs: Attrs) =>
    weighted(composition(x as tf.Tensor2D, targets, attrs), weights);
  const constant = (key: string) => () => {
    throw new Error(`${name}: the ${key} has no gradient`);
  };
  registerCustom({
    name,
    native(backend, inputs, attrs) {
      const all = of<tf.TensorInfo>(inputs);
      const losses = backend.makeOutput([...all.weights.shape]);
      runRowLoss(backend, loss, all, attrs, losses);
      return losses;
    },
    composition: (inputs, attrs) => composed(of<tf.Tensor>(inputs), attrs),
    gradient: {
      inputsToSave: names,
      gradFunc(dy, saved, attrs) {
        const all = listed(saved);
        const x = () => {
          const weights = tf.mul(all.weights, dy as tf.Tensor);
          if (runsNatively()) {
            const list = [all.x, ...all.targets, weights];
            const inputs = Object.fromEntries(names.map((key, i) => [key, list[i]]));
            return runCustom<tf.Tensor>(gradientName(name), inputs, attrs);
          }
          const total = (x: tf.Tensor) =>
            tf.sum(composed({ ...all, x, weights }, attrs)) as tf.Scalar;
          return keepingTape(() => tf.grad(total)(all.x));
        };
        const constants = names.slice(1).map((key) => [key, constant(key)]);
        return { x, ...Object.fromEntries(constants) };
      },
    },
  });
  tf.registerKernel({
    kernelName: gradientName(name),
    backendName: 'native',
    kernelFunc: ({ inputs, backend, attrs }) => {
      const native = backend as unknown as NativeBackend;
      const all = of<tf.TensorInfo>(inputs);
      const losses = native.makeOutput([...all.weights.shape]);
      const gradient = native.makeOutput([...all.x.shape]);
      runRowLoss(native, loss, all, attrs ?? {}, losses, gradient);
      native.disposeData(losses.dataId);
      return gradient;
    },
  });
}
