/**
 * Losses over the vocabulary out of hidden states and the output matrix: logits are made, compared and
 * turned into gradients some tokens at a time, so that `[tokens, vocab]` is never in memory.
 */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import type { NativeBackend } from '../native-backend.js';
import { crossEntropyLoss } from './cross-entropy.js';
import { runsNatively } from './differentiable.js';
import { checkTemperature, type DivergenceOptions, divergenceLoss } from './divergence.js';
import { linear } from './linear.js';
import { addProduct, withDense } from './linear-input-gradient.js';
import { type RowLoss, runRowLoss } from './row-loss.js';
import { expect, expectShape, shapeText } from './shapes.js';
import { isTaped, keepingTape } from './tape.js';
import { checkTopK, type TopK, topKDivergenceLoss } from './top-k-divergence.js';

const NAME = 'MambalabHeadLoss';

/** Bytes of the logits that are in memory at a time, by default. */
const CHUNK_BYTES = 64 << 20;

/** Options of the losses out of hidden states. */
export interface HeadLossOptions {
  /** Bytes of the logits that are in memory at a time; a teacher's take as much again. Default 64 MiB. */
  chunkBytes?: number;
}

/** Hidden states and the matrix that makes logits of them. */
export interface Head {
  /** float32 `[tokens, d]`. */
  hidden: tf.Tensor2D;
  /** `[vocab, d]`, in any storage. */
  weight: tf.Tensor2D;
}

const LOSSES: Record<string, RowLoss> = {
  crossEntropy: crossEntropyLoss,
  divergence: divergenceLoss,
  topKDivergence: topKDivergenceLoss,
};

/** The target is at hand, in one or two tensors, or made of hidden states by an output matrix. */
type Inputs<T> = {
  hidden: T;
  weight: T;
  target: T;
  secondTarget?: T;
  targetWeight?: T;
  weights: T;
};

/** A part of a tensor's rows on the same memory. */
function rowsOf(backend: NativeBackend, t: tf.TensorInfo, from: number, count: number) {
  const [, ...rest] = t.shape as [number, ...number[]];
  const operand = backend.operand(t, [count, ...rest]);
  return { ...operand, byteOffset: operand.byteOffset + 4 * from * tf.util.sizeFromShape(rest) };
}

/** Logits of some tokens into `to [count, vocab]`. */
function makeLogits(
  backend: NativeBackend,
  hidden: tf.TensorInfo,
  weight: tf.TensorInfo,
  from: number,
  to: tf.TensorInfo,
): void {
  const [count] = to.shape as [number, number];
  const operands = [
    rowsOf(backend, hidden, from, count),
    backend.operand(weight),
    backend.operand(to),
  ];
  backend.runProduct('linear', [weight], operands, [0, 0]);
}

/** Rows whose numbers begin at whole 16 bytes, whatever a row's size. */
const ALIGNED = 4;

function native(
  backend: NativeBackend,
  inputs: Inputs<tf.TensorInfo>,
  attrs: tf.NamedAttrMap,
): tf.TensorInfo[] {
  const { hidden, weight, target, secondTarget, targetWeight, weights } = inputs;
  const loss = LOSSES[attrs.loss as string] as RowLoss;
  const [tokens, d] = hidden.shape as [number, number];
  const vocab = weight.shape[0] as number;
  const losses = backend.makeOutput([tokens]);
  const gradients = attrs.gradient
    ? [backend.makeOutput([tokens, d]), backend.makeOutput([vocab, d])]
    : [];
  const [dHidden, dWeight] = gradients as [tf.TensorInfo?, tf.TensorInfo?];
  const most = Math.max(1, Math.floor((attrs.chunkBytes as number) / (4 * vocab)));
  // As even as can be: a last chunk of few rows would make slow products. Chunks begin at whole 16 bytes of
  // every operand, so that views of them are views on a device too.
  const even = Math.ceil(tokens / Math.ceil(tokens / most));
  const step = Math.ceil(even / ALIGNED) * ALIGNED;
  withDense(backend, weight, (dense) => {
    for (let from = 0; from < tokens; from += step) {
      const count = Math.min(step, tokens - from);
      const part = (t: tf.TensorInfo) => view(backend, t, from, count);
      const logits = backend.makeOutput([count, vocab]);
      const other = targetWeight ? backend.makeOutput([count, vocab]) : part(target);
      const targets = [other, ...(secondTarget ? [part(secondTarget)] : [])];
      const own = [part(weights), part(losses)] as const;
      makeLogits(backend, hidden, weight, from, logits);
      if (targetWeight) makeLogits(backend, target, targetWeight, from, other);
      const gradient = dHidden ? logits : undefined;
      runRowLoss(backend, loss, { x: logits, targets, weights: own[0] }, attrs, own[1], gradient);
      if (dHidden && dWeight) {
        const [h, dh] = [part(hidden), part(dHidden)];
        addProduct(backend, logits, dense, dh);
        addProduct(backend, logits, h, dWeight, { transposeA: true, accumulate: from > 0 });
        for (const t of [h, dh]) backend.disposeData(t.dataId);
      }
      for (const t of [logits, ...targets, ...own]) backend.disposeData(t.dataId);
    }
  });
  const total = backend.makeOutput([]);
  const flat = [backend.operand(losses), backend.operand(total, [1])];
  backend.engine.run('sum', flat, [1, tokens, 1]);
  backend.disposeData(losses.dataId);
  return [total, ...gradients];
}

/** Rows as a tensor of their own on the same memory. */
function view(
  backend: NativeBackend,
  t: tf.TensorInfo,
  from: number,
  count: number,
): tf.TensorInfo {
  const { buffer, storage, byteOffset, shape } = rowsOf(backend, t, from, count);
  return backend.adopt([...shape], t.dtype, storage, buffer.retain(), byteOffset);
}

function composition(
  { hidden, weight, target, secondTarget, targetWeight, weights }: Inputs<tf.Tensor>,
  attrs: tf.NamedAttrMap,
): tf.Tensor {
  const logits = linear(hidden, weight as tf.Tensor2D);
  const other = targetWeight ? linear(target, targetWeight as tf.Tensor2D) : target;
  const { name, targets = ['target'] } = LOSSES[attrs.loss as string] as RowLoss;
  const list = [other, secondTarget];
  const named = Object.fromEntries(targets.map((key, i) => [key, list[i]]));
  return tf.sum(runCustom<tf.Tensor>(name, { x: logits, ...named, weights }, attrs));
}

registerCustom({
  name: NAME,
  native: (backend, inputs, attrs) =>
    native(backend, inputs as unknown as Inputs<tf.TensorInfo>, attrs),
  composition: (inputs, attrs) => [composition(inputs as unknown as Inputs<tf.Tensor>, attrs)],
});

function run(inputs: Inputs<tf.Tensor>, attrs: tf.NamedAttrMap): tf.Scalar {
  const { hidden, weight, ...others } = inputs;
  const forward = (hidden: tf.Tensor, weight: tf.Tensor, gradient: boolean) =>
    runCustom<tf.Tensor[]>(NAME, { hidden, weight, ...others }, { ...attrs, gradient });
  if (!isTaped()) return forward(hidden, weight, false)[0] as tf.Scalar;
  // A kernel with the gradients as outputs would have zeros of their size made for them.
  const op = tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [hidden, weight, save] = args as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const [value, ...made] = forward(hidden, weight, runsNatively()) as [tf.Tensor, ...tf.Tensor[]];
    save(made.length > 0 ? made : [hidden, weight]);
    const gradFunc = (dy: tf.Tensor, [first, second]: tf.Tensor[]) => {
      const [a, b] =
        made.length > 0
          ? [first, second]
          : keepingTape(() =>
              tf.grads(
                (hidden, weight) => composition({ hidden, weight, ...others }, attrs) as tf.Scalar,
              )([first as tf.Tensor, second as tf.Tensor]),
            );
      return [tf.mul(a as tf.Tensor, dy), tf.mul(b as tf.Tensor, dy)];
    };
    return { value, gradFunc };
  });
  return op(hidden, weight) as tf.Scalar;
}

function expectHead(name: string, { hidden, weight }: Head, tokens: number | undefined): void {
  expectShape(name, 'hidden', hidden, [tokens, undefined]);
  expect(
    weight.rank === 2 && weight.shape[1] === hidden.shape[1],
    name,
    () =>
      `hidden [tokens, d] and weight [vocab, d] must agree, got ${shapeText(hidden)} and ` +
      `${shapeText(weight)}`,
  );
}

/**
 * `sum_i weights_i (log sum exp logits_i - logits_i[labels_i])` for `logits = hidden weight^T`.
 *
 * @param labels int32 `[tokens]`; @param weights float32 `[tokens]`; rows of weight 0 are not read.
 */
export function headCrossEntropy(
  head: Head,
  labels: tf.Tensor1D,
  weights: tf.Tensor1D,
  { chunkBytes = CHUNK_BYTES }: HeadLossOptions = {},
): tf.Scalar {
  const name = 'headCrossEntropy';
  expectHead(name, head, undefined);
  const [tokens] = head.hidden.shape;
  expectShape(name, 'labels', labels, [tokens], 'int32');
  expectShape(name, 'weights', weights, [tokens]);
  return run({ ...head, target: labels, weights }, { loss: 'crossEntropy', chunkBytes });
}

/**
 * The sum of `divergence` over tokens, of the logits of a student's head and a teacher's, or of a
 * teacher's logits that are at hand. The gradient is the student's.
 *
 * @param teacher another {@link Head} of the same vocabulary, or float32 `[tokens, vocab]`.
 * @param weights float32 `[tokens]`.
 */
export function headDivergence(
  student: Head,
  teacher: Head | tf.Tensor2D,
  weights: tf.Tensor1D,
  { reverse, temperature = 1, chunkBytes = CHUNK_BYTES }: DivergenceOptions & HeadLossOptions,
): tf.Scalar {
  const name = 'headDivergence';
  expectHead(name, student, undefined);
  const [tokens] = student.hidden.shape;
  const [vocab] = student.weight.shape;
  expectShape(name, 'weights', weights, [tokens]);
  checkTemperature(name, temperature);
  const attrs = { loss: 'divergence', reverse, temperature, chunkBytes };
  if (teacher instanceof tf.Tensor) {
    expectShape(name, 'teacher', teacher, [tokens, vocab]);
    return run({ ...student, target: teacher, weights }, attrs);
  }
  expectHead(name, teacher, tokens);
  expect(
    teacher.weight.shape[0] === vocab,
    name,
    () =>
      `teacher and student must have one vocabulary, got ${teacher.weight.shape[0]} and ${vocab}`,
  );
  const target = { target: teacher.hidden, targetWeight: teacher.weight };
  return run({ ...student, ...target, weights }, attrs);
}

/**
 * The sum of `topKDivergence` over tokens, of the logits of a student's head. The gradient is the student's.
 *
 * @param teacher the likeliest classes and log-probabilities of each token.
 * @param weights float32 `[tokens]`.
 */
export function headTopKDivergence(
  student: Head,
  teacher: TopK,
  weights: tf.Tensor1D,
  { reverse, temperature = 1, chunkBytes = CHUNK_BYTES }: DivergenceOptions & HeadLossOptions,
): tf.Scalar {
  const name = 'headTopKDivergence';
  expectHead(name, student, undefined);
  const [tokens] = student.hidden.shape;
  checkTopK(name, teacher, tokens, student.weight.shape[0]);
  expectShape(name, 'weights', weights, [tokens]);
  checkTemperature(name, temperature);
  const target = { target: teacher.ids, secondTarget: teacher.logProbs };
  const attrs = { loss: 'topKDivergence', reverse, temperature, chunkBytes };
  return run({ ...student, ...target, weights }, attrs);
}
