/**
 * Kernels with optional inputs and several outputs whose gradients exist on every backend: native
 * code on `native`, the derivative of the composition elsewhere.
 */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom } from '../custom.js';
import { BACKEND } from '../init.js';
import type { NativeBackend } from '../native-backend.js';
import { keepingTape } from './tape.js';

type Attrs = tf.NamedAttrMap;
/** Inputs by name; what was left out is not there. */
export type Given<T> = Partial<Record<string, T>>;

/** A differentiable kernel in its forms. */
export interface DifferentiableKernel {
  name: string;
  /** The reference: ordinary tfjs operations on tensors. */
  composition(inputs: Given<tf.Tensor>, attrs: Attrs): tf.Tensor[];
  /** Encodes the native command. */
  native(backend: NativeBackend, inputs: Given<tf.TensorInfo>, attrs: Attrs): tf.TensorInfo[];
  /** The gradients of float inputs by name, from those of the outputs. */
  nativeGradient(
    backend: NativeBackend,
    inputs: Given<tf.TensorInfo>,
    dys: tf.TensorInfo[],
    attrs: Attrs,
  ): Given<tf.TensorInfo>;
}

// tfjs saves all inputs of a kernel only where they come as an array: names travel as an attribute.
function named<T>(inputs: object, attrs: Attrs): Given<T> {
  const names = attrs.names as string[];
  const list = Object.values(inputs) as T[];
  return Object.fromEntries(names.map((name, i) => [name, list[i]]));
}

/** The derivative of `sum(outputs * dys)`. */
function derive(
  kernel: DifferentiableKernel,
  inputs: Record<string, tf.Tensor>,
  dys: tf.Tensor[],
  attrs: Attrs,
): Record<string, tf.Tensor> {
  const names = Object.keys(inputs).filter((name) => inputs[name]?.dtype === 'float32');
  const loss = (...floats: tf.Tensor[]) => {
    const given = { ...inputs, ...Object.fromEntries(names.map((name, i) => [name, floats[i]])) };
    const terms = kernel
      .composition(given, attrs)
      .map((y, i) => tf.sum(tf.mul(y, dys[i] as tf.Tensor)));
    return tf.addN(terms) as tf.Scalar;
  };
  const gradients = keepingTape(() =>
    tf.grads(loss)(names.map((name) => inputs[name] as tf.Tensor)),
  );
  return Object.fromEntries(names.map((name, i) => [name, gradients[i] as tf.Tensor]));
}

let composing = false;

/** Whether gradients and kernels are native now: the backend is, and no comparison is under way. */
export function runsNatively(): boolean {
  return tf.getBackend() === BACKEND && !composing;
}

/** Runs `body` with the compositions in place of native code on `native`, to compare with. */
export function withCompositions<T>(body: () => T): T {
  composing = true;
  try {
    return body();
  } finally {
    composing = false;
  }
}

/** Registers the kernel everywhere. Called once, where the kernel's file is loaded. */
export function registerDifferentiable(kernel: DifferentiableKernel): void {
  const { name, native, nativeGradient } = kernel;
  const composition = (inputs: object, attrs: Attrs) =>
    kernel.composition(named<tf.Tensor>(inputs, attrs), attrs);
  registerCustom({
    name,
    composition,
    native(backend, inputs, attrs) {
      if (!composing) return native(backend, named(inputs, attrs), attrs);
      return tf.tidy(() => composition(inputs, attrs).map((t) => t.clone()));
    },
    gradient: {
      saveAllInputs: true,
      gradFunc(dy, saved, attrs) {
        if (attrs.inPlace) {
          throw new Error(`${name}: a state that was updated in place has no gradient`);
        }
        const dys = Array.isArray(dy) ? dy : [dy];
        const inputs = named<tf.Tensor>(saved, attrs) as Record<string, tf.Tensor>;
        const gradients = runsNatively()
          ? runGradient(name, inputs, dys, attrs)
          : derive(kernel, inputs, dys, attrs);
        const entries = Object.keys(inputs).map((key, i) => [i, () => gradients[key]]);
        return Object.fromEntries(entries) as Record<string, () => tf.Tensor>;
      },
    },
  });
  tf.registerKernel({
    kernelName: gradientName(name),
    backendName: BACKEND,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const all = attrs as Attrs;
      const list = Object.values(inputs) as tf.TensorInfo[];
      const count = (all.names as string[]).length;
      const given = named<tf.TensorInfo>(list.slice(0, count), all);
      const dys = list.slice(count);
      const found = nativeGradient(backend as unknown as NativeBackend, given, dys, all);
      return (all.wanted as string[]).map((key) => found[key] as tf.TensorInfo);
    },
  });
}

const gradientName = (name: string) => `${name}Gradient`;

function runGradient(
  name: string,
  inputs: Record<string, tf.Tensor>,
  dys: tf.Tensor[],
  attrs: Attrs,
): Record<string, tf.Tensor> {
  const wanted = Object.keys(inputs).filter((key) => inputs[key]?.dtype === 'float32');
  const list = [...Object.values(inputs), ...dys] as unknown as tf.NamedTensorMap;
  const found = tf.engine().runKernel(gradientName(name), list, { ...attrs, wanted });
  return Object.fromEntries(wanted.map((key, i) => [key, (found as tf.Tensor[])[i] as tf.Tensor]));
}

/** The order of a native command's inputs; flags before its attributes say which optional ones it has. */
export interface CommandInputs {
  required: readonly string[];
  optional: readonly string[];
}

/** Runs a native command on inputs by name and then outputs. */
export function runCommand(
  backend: NativeBackend,
  op: string,
  { required, optional }: CommandInputs,
  inputs: Given<tf.TensorInfo>,
  outputs: readonly tf.TensorInfo[],
  attrs: readonly number[],
): void {
  const given = [...required, ...optional].flatMap((name) => inputs[name] ?? []);
  const flags = optional.map((name) => Number(inputs[name] !== undefined));
  const operands = [...given, ...outputs].map((t) => backend.operand(t));
  backend.engine.run(op, operands, [...flags, ...attrs]);
}

/**
 * Runs the native command of a gradient, whose outputs are those of the required and then of the
 * given optional float inputs, and returns them by name.
 */
export function runGradientCommand(
  backend: NativeBackend,
  op: string,
  order: CommandInputs,
  inputs: Given<tf.TensorInfo>,
  dys: readonly tf.TensorInfo[],
  attrs: readonly number[],
): Given<tf.TensorInfo> {
  const names = [...order.required, ...order.optional];
  const wanted = names.filter((name) => inputs[name]?.dtype === 'float32');
  const gradients = wanted.map((name) => backend.makeOutput([...(inputs[name]?.shape ?? [])]));
  runCommand(backend, op, order, inputs, [...dys, ...gradients], attrs);
  return Object.fromEntries(wanted.map((name, i) => [name, gradients[i]]));
}

/** Runs a differentiable kernel; undefined inputs are left out. */
export function runDifferentiable(
  name: string,
  inputs: Given<tf.Tensor>,
  attrs: Attrs = {},
): tf.Tensor[] {
  const given = Object.entries(inputs).filter(([, t]) => t !== undefined);
  const list = given.map(([, t]) => t) as unknown as tf.NamedTensorMap;
  const names = given.map(([key]) => key);
  return tf.engine().runKernel(name, list, { ...attrs, names }) as tf.Tensor[];
}
