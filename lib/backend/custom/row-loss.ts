/** Losses over rows, each with a weight: what their kernels and gradients share. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import type { NativeBackend } from '../native-backend.js';
import { runsNatively } from './differentiable.js';
import { keepingTape } from './tape.js';

type Attrs = tf.NamedAttrMap;
type Inputs<T> = readonly [x: T, target: T, weights: T];

/** A loss of rows `x [n, v]` against a target, in its forms. */
export interface RowLoss {
  name: string;
  /** The native command: `[x, target, weights, losses, (gradient)]`, its first attribute the flag. */
  command: string;
  attributes(attrs: Attrs): readonly number[];
  /** Each row's loss before its weight, by ordinary tfjs operations. */
  composition(x: tf.Tensor2D, target: tf.Tensor, attrs: Attrs): tf.Tensor1D;
}

const gradientName = (name: string) => `${name}Gradient`;

/** Runs a loss's command; `gradient` is written where it is given, and may be `x`. */
export function runRowLoss(
  backend: NativeBackend,
  { command, attributes }: RowLoss,
  [x, target, weights]: Inputs<tf.TensorInfo>,
  attrs: Attrs,
  losses: tf.TensorInfo,
  gradient?: tf.TensorInfo,
): void {
  const tensors = [x, target, weights, losses, ...(gradient ? [gradient] : [])];
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
  const { name, composition } = loss;
  registerCustom({
    name,
    native(backend, { x, target, weights }, attrs) {
      const all = [x, target, weights] as unknown as Inputs<tf.TensorInfo>;
      const losses = backend.makeOutput([...(weights as tf.TensorInfo).shape]);
      runRowLoss(backend, loss, all, attrs, losses);
      return losses;
    },
    composition: ({ x, target, weights }, attrs) =>
      weighted(composition(x as tf.Tensor2D, target as tf.Tensor, attrs), weights as tf.Tensor),
    gradient: {
      inputsToSave: ['x', 'target', 'weights'],
      gradFunc(dy, saved, attrs) {
        const [x, target, weights] = saved as [tf.Tensor2D, tf.Tensor, tf.Tensor];
        return {
          x: () => {
            const scaled = tf.mul(weights, dy as tf.Tensor);
            if (runsNatively()) {
              return runCustom(gradientName(name), { x, target, weights: scaled }, attrs);
            }
            const total = (x: tf.Tensor) =>
              tf.sum(weighted(composition(x as tf.Tensor2D, target, attrs), scaled)) as tf.Scalar;
            return keepingTape(() => tf.grad(total)(x));
          },
          target: () => {
            throw new Error(`${name}: the target has no gradient`);
          },
          weights: () => {
            throw new Error(`${name}: the weights have no gradient`);
          },
        };
      },
    },
  });
  tf.registerKernel({
    kernelName: gradientName(name),
    backendName: 'native',
    kernelFunc: ({ inputs, backend, attrs }) => {
      const native = backend as unknown as NativeBackend;
      const { x, target, weights } = inputs as Record<string, tf.TensorInfo>;
      const all = [x, target, weights] as unknown as Inputs<tf.TensorInfo>;
      const losses = native.makeOutput([...(weights as tf.TensorInfo).shape]);
      const gradient = native.makeOutput([...(x as tf.TensorInfo).shape]);
      runRowLoss(native, loss, all, attrs ?? {}, losses, gradient);
      native.disposeData(losses.dataId);
      return gradient;
    },
  });
}
