/** y = f(a, b) with broadcasting. */
import * as tf from '@tensorflow/tfjs-core';
import { type Call, kernel, type NativeKernel, size } from './kernel.js';

interface Binary {
  name: string;
  op: string;
  dtypes: readonly string[];
  out?: 'bool';
  /** The kernel's names of its inputs, where they are not `a` and `b`. */
  inputs?: readonly [string, string];
}

const FLOATS = ['float32'];
const INTS = ['int32'];
const NUMBERS = ['float32', 'int32'];
const ALL = ['float32', 'int32', 'bool'];
const BOOLS = ['bool'];

const FUNCTIONS: readonly Binary[] = [
  { name: 'Add', op: 'add', dtypes: NUMBERS },
  { name: 'EluGrad', op: 'eluGrad', dtypes: FLOATS, inputs: ['dy', 'y'] },
  { name: 'Equal', op: 'equal', dtypes: ALL, out: 'bool' },
  { name: 'FloorDiv', op: 'floorDiv', dtypes: INTS },
  { name: 'Greater', op: 'greater', dtypes: ALL, out: 'bool' },
  { name: 'GreaterEqual', op: 'greaterEqual', dtypes: ALL, out: 'bool' },
  { name: 'Less', op: 'less', dtypes: ALL, out: 'bool' },
  { name: 'LessEqual', op: 'lessEqual', dtypes: ALL, out: 'bool' },
  { name: 'LogicalAnd', op: 'logicalAnd', dtypes: BOOLS, out: 'bool' },
  { name: 'LogicalOr', op: 'logicalOr', dtypes: BOOLS, out: 'bool' },
  { name: 'Maximum', op: 'maximum', dtypes: NUMBERS },
  { name: 'Minimum', op: 'minimum', dtypes: NUMBERS },
  { name: 'Mod', op: 'mod', dtypes: NUMBERS },
  { name: 'Multiply', op: 'multiply', dtypes: NUMBERS },
  { name: 'NotEqual', op: 'notEqual', dtypes: ALL, out: 'bool' },
  { name: 'Pow', op: 'pow', dtypes: NUMBERS },
  { name: 'Prelu', op: 'prelu', dtypes: FLOATS, inputs: ['x', 'alpha'] },
  { name: 'RealDiv', op: 'realDiv', dtypes: FLOATS },
  { name: 'SquaredDifference', op: 'squaredDifference', dtypes: NUMBERS },
  { name: 'Sub', op: 'sub', dtypes: NUMBERS },
];

/** The engine's limit on axes. */
const MAX_RANK = 8;

/** Runs a binary operation into `y`, whose shape is the broadcast one. */
export function broadcastInto(
  call: Call,
  op: string,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  y: tf.TensorInfo,
): void {
  const { backend } = call;
  backend.engine.run(
    op,
    [call.dense(a), call.dense(b), y].map((t) => backend.operand(t)),
  );
}

/** Kernels of two inputs of one dtype. */
export const binaryKernels: readonly NativeKernel[] = FUNCTIONS.map(
  ({ name, op, dtypes, out, inputs: [first, second] = ['a', 'b'] }) =>
    kernel(name, (call, inputs) => {
      const a = inputs[first] as tf.TensorInfo;
      const b = inputs[second] as tf.TensorInfo;
      if (a.dtype !== b.dtype || !dtypes.includes(a.dtype)) return undefined;
      const shape = tf.backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
      if (shape.length > MAX_RANK) return undefined;
      const y = call.output(shape, out ?? a.dtype);
      if (size(shape) > 0) broadcastInto(call, op, a, b, y);
      return y;
    }),
);
