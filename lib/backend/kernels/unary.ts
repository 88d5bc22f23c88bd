/** y = f(x), element by element. */
import { isPlain, kernel, type NativeKernel, size } from './kernel.js';

interface Unary {
  name: string;
  op: string;
  /** Dtypes with native code; others run in tfjs-backend-cpu. */
  dtypes?: readonly string[];
  out?: 'bool';
  attrs?: readonly string[];
}

const INTS = ['float32', 'int32'];

const FUNCTIONS: readonly Unary[] = [
  { name: 'Abs', op: 'abs', dtypes: INTS },
  { name: 'Ceil', op: 'ceil' },
  { name: 'ClipByValue', op: 'clip', attrs: ['clipValueMin', 'clipValueMax'] },
  { name: 'Cos', op: 'cos' },
  { name: 'Elu', op: 'elu' },
  { name: 'Erf', op: 'erf' },
  { name: 'Exp', op: 'exp' },
  { name: 'Expm1', op: 'expm1' },
  { name: 'Floor', op: 'floor' },
  { name: 'IsFinite', op: 'isFinite', out: 'bool' },
  { name: 'IsInf', op: 'isInf', out: 'bool' },
  { name: 'IsNan', op: 'isNan', out: 'bool' },
  { name: 'LeakyRelu', op: 'leakyRelu', attrs: ['alpha'] },
  { name: 'Log', op: 'log' },
  { name: 'Log1p', op: 'log1p' },
  { name: 'LogicalNot', op: 'logicalNot', dtypes: ['bool'] },
  { name: 'Neg', op: 'neg', dtypes: INTS },
  { name: 'Reciprocal', op: 'reciprocal' },
  { name: 'Relu', op: 'relu', dtypes: INTS },
  { name: 'Relu6', op: 'relu6' },
  { name: 'Round', op: 'round' },
  { name: 'Rsqrt', op: 'rsqrt' },
  { name: 'Selu', op: 'selu' },
  { name: 'Sigmoid', op: 'sigmoid' },
  { name: 'Sign', op: 'sign', dtypes: INTS },
  { name: 'Sin', op: 'sin' },
  { name: 'Softplus', op: 'softplus' },
  { name: 'Sqrt', op: 'sqrt' },
  { name: 'Square', op: 'square', dtypes: INTS },
  { name: 'Step', op: 'step', attrs: ['alpha'] },
  { name: 'Tan', op: 'tan' },
  { name: 'Tanh', op: 'tanh' },
];

/** Kernels of one input and one output of its shape. */
export const unaryKernels: readonly NativeKernel[] = FUNCTIONS.map(
  ({ name, op, dtypes = ['float32'], out, attrs: names = [] }) =>
    kernel<Record<string, number>>(name, (call, { x }, attrs) => {
      if (!x || !isPlain(x) || !dtypes.includes(x.dtype)) return undefined;
      const y = call.output(x.shape, out ?? x.dtype);
      if (size(x.shape) === 0) return y;
      call.run(
        op,
        [call.dense(x), y],
        names.map((n) => attrs[n] as number),
      );
      return y;
    }),
);
