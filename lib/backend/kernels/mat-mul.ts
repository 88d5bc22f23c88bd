/** Matrix products: BatchMatMul, _FusedMatMul. */
import * as tf from '@tensorflow/tfjs-core';
import { broadcastInto } from './binary.js';
import { type Call, kernel, size } from './kernel.js';
import { gathered, steps } from './strided.js';

const ACTIVATIONS = ['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu'];

interface MatMulAttrs {
  transposeA: boolean;
  transposeB: boolean;
  activation?: string | null;
  leakyreluAlpha?: number;
}

/** `[..., rows, columns]` as `[batch, rows, columns]`. */
function asBatch(shape: readonly number[]): [number, number, number] {
  const [rows, columns] = shape.slice(-2) as [number, number];
  return [size(shape.slice(0, -2)), rows, columns];
}

/** The side with all of the product's batch, unless it is one matrix for the whole batch. */
function batched(call: Call, side: tf.TensorInfo, outer: number[]): tf.TensorInfo {
  const own = side.shape.slice(0, -2);
  if (size(own) === 1 || size(own) === size(outer)) return call.dense(side);
  const lead = outer.length - own.length;
  const from = steps(side.shape);
  const axes = outer.map((_, i) => ((own[i - lead] ?? 1) === 1 ? 0 : (from[i - lead] as number)));
  const shape = [...outer, ...side.shape.slice(-2)];
  return call.keep(gathered(call, side, shape, 0, [...axes, ...from.slice(-2)]));
}

function product(
  call: Call,
  { a, b, bias }: { a: tf.TensorInfo; b: tf.TensorInfo; bias?: tf.TensorInfo },
  attrs: MatMulAttrs,
): tf.TensorInfo | undefined {
  if (a.dtype !== 'float32' || b.dtype !== 'float32') return undefined;
  const code = ACTIVATIONS.indexOf(attrs.activation ?? 'linear');
  const [sideA, sideB] = [asBatch(a.shape), asBatch(b.shape)];
  if (code < 0) return undefined;
  const m = attrs.transposeA ? sideA[2] : sideA[1];
  const k = attrs.transposeA ? sideA[1] : sideA[2];
  const kb = attrs.transposeB ? sideB[2] : sideB[1];
  const n = attrs.transposeB ? sideB[1] : sideB[2];
  tf.util.assert(
    k === kb,
    () =>
      `Error in matMul: inner shapes (${k}) and (${kb}) of Tensors with shapes ${a.shape} and ` +
      `${b.shape} and transposeA=${attrs.transposeA} and transposeB=${attrs.transposeB} must match.`,
  );
  const outer = tf.backend_util.assertAndGetBroadcastShape(
    a.shape.slice(0, -2),
    b.shape.slice(0, -2),
  );
  const y = call.output([...outer, m, n], 'float32');
  if (size(y.shape) === 0) return y;
  const { backend } = call;
  const operands = [
    backend.operand(batched(call, a, outer), [
      sideA[0] === 1 ? 1 : size(outer),
      sideA[1],
      sideA[2],
    ]),
    backend.operand(batched(call, b, outer), [
      sideB[0] === 1 ? 1 : size(outer),
      sideB[1],
      sideB[2],
    ]),
    ...(bias ? [backend.operand(call.as(bias, 'float32'), [n])] : []),
    backend.operand(y, [size(outer), m, n]),
  ];
  backend.engine.run('gemm', operands, [
    Number(attrs.transposeA),
    Number(attrs.transposeB),
    Number(bias !== undefined),
    code,
    attrs.leakyreluAlpha ?? 0.2,
  ]);
  return y;
}

export const batchMatMul = kernel<MatMulAttrs>('BatchMatMul', (call, { a, b }, attrs) =>
  product(call, { a: a as tf.TensorInfo, b: b as tf.TensorInfo }, attrs),
);

export const fusedMatMul = kernel<MatMulAttrs>('_FusedMatMul', (call, inputs, attrs) => {
  const { a, b, bias } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo; bias?: tf.TensorInfo };
  const n = attrs.transposeB ? b.shape.at(-2) : b.shape.at(-1);
  const row = !bias || (size(bias.shape) === n && bias.shape.at(-1) === n);
  const wide = bias && !row;
  if (wide && (attrs.activation ?? 'linear') !== 'linear') return undefined;
  const y = product(call, row && bias ? { a, b, bias } : { a, b }, attrs);
  if (y && wide) broadcastInto(call, 'add', y, bias, y);
  return y;
});
