/** Every native kernel against tfjs-backend-cpu's, over odd shapes and special values. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { nativeBackend } from '../../lib/backend/init.js';

beforeAll(() => {
  backend.init({ threads: 2 });
});

/** Reproducible values in [-3, 3). */
function values(n: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 6 - 3;
  });
}

const size = (shape: number[]) => shape.reduce((a, b) => a * b, 1);
const floats = (shape: number[], seed = 1) => tf.tensor(values(size(shape), seed), shape);
const ints = (shape: number[], seed = 1) =>
  tf.tensor(values(size(shape), seed).map(Math.round), shape, 'int32');
const bools = (shape: number[], seed = 1) =>
  tf.tensor(
    Array.from(values(size(shape), seed), (v) => v > 0),
    shape,
    'bool',
  );

interface Outcome {
  shape: number[];
  dtype: string;
  values: number[];
}

function outcome(backendName: string, body: () => tf.Tensor | tf.Tensor[]): Outcome[] {
  void tf.setBackend(backendName);
  const before = tf.memory().numTensors;
  const outs = [tf.tidy(body)].flat();
  const result = outs.map((t) => ({
    shape: t.shape,
    dtype: t.dtype,
    values: Array.from(t.dataSync()),
  }));
  tf.dispose(outs);
  expect(tf.memory().numTensors).toBe(before);
  return result;
}

/** The same result on both backends; as close as single precision allows. */
function same(body: () => tf.Tensor | tf.Tensor[], tolerance = 2e-6) {
  const native = outcome('native', body);
  const cpu = outcome('cpu', body);
  void tf.setBackend('native');
  expect(native.map((o) => [o.shape, o.dtype])).toEqual(cpu.map((o) => [o.shape, o.dtype]));
  native.forEach((o, i) => {
    const want = (cpu[i] as Outcome).values;
    const bad = o.values.findIndex((v, j) => {
      const w = want[j] as number;
      return !(
        Object.is(v, w) ||
        v === w ||
        Math.abs(v - w) <= tolerance * Math.max(1, Math.abs(w))
      );
    });
    const at = bad < 0 ? '' : `place ${bad}: ${o.values[bad]}, not ${want[bad]}`;
    expect(at).toBe('');
    expect(o.values.length).toBe(want.length);
  });
}

const SPECIAL = [0, -0, 1, -1, 0.5, 1.5, 2.5, -2.5, 7, -7, 88, -88, 1e-40, 1e30, -1e30].concat([
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
]);

describe('unary kernels', () => {
  const FUNCTIONS: Record<string, (x: tf.Tensor) => tf.Tensor> = {
    abs: tf.abs,
    ceil: tf.ceil,
    clipByValue: (x) => tf.clipByValue(x, -1.25, 2),
    cos: tf.cos,
    elu: tf.elu,
    erf: tf.erf,
    exp: tf.exp,
    expm1: tf.expm1,
    floor: tf.floor,
    isFinite: tf.isFinite,
    isInf: tf.isInf,
    isNaN: tf.isNaN,
    leakyRelu: (x) => tf.leakyRelu(x, 0.3),
    log: tf.log,
    log1p: tf.log1p,
    neg: tf.neg,
    onesLike: tf.onesLike,
    reciprocal: tf.reciprocal,
    relu: tf.relu,
    relu6: tf.relu6,
    round: tf.round,
    rsqrt: tf.rsqrt,
    selu: tf.selu,
    sigmoid: tf.sigmoid,
    sign: tf.sign,
    sin: tf.sin,
    softplus: tf.softplus,
    sqrt: tf.sqrt,
    square: tf.square,
    step: (x) => tf.step(x, 0.25),
    tan: tf.tan,
    tanh: tf.tanh,
    toBool: (x) => tf.cast(x, 'bool'),
    toInt: (x) => tf.cast(x, 'int32'),
    zerosLike: tf.zerosLike,
  };
  const FLOATS_ONLY = 'ceil cos elu floor log rsqrt sigmoid sin sqrt tan tanh'.split(' ');
  for (const [name, f] of Object.entries(FUNCTIONS)) {
    it(name, () => {
      same(() => f(tf.tensor1d(SPECIAL.filter((v) => Math.abs(v) < 1e30 || name !== 'erf'))));
      for (const shape of [[1], [7], [33, 5], [0, 3], [70_001]]) same(() => f(floats(shape)), 4e-6);
      if (!FLOATS_ONLY.includes(name)) same(() => f(ints([3, 7])), 4e-6);
    });
  }

  it('logicalNot and casts of bool and int32', () => {
    same(() => tf.logicalNot(bools([41])));
    same(() => tf.cast(bools([41]), 'float32'));
    same(() => tf.cast(bools([41]), 'int32'));
    same(() => tf.add(tf.cast(ints([41]), 'float32'), 0.5));
    same(() => tf.cast(tf.tensor1d([3e9, -3e9, 1e20, 2147483647]), 'int32'));
  });
});

describe('binary kernels', () => {
  const ARITHMETIC: Record<string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor> = {
    add: tf.add,
    div: tf.div,
    equal: tf.equal,
    floorDiv: tf.floorDiv,
    greater: tf.greater,
    greaterEqual: tf.greaterEqual,
    less: tf.less,
    lessEqual: tf.lessEqual,
    maximum: tf.maximum,
    minimum: tf.minimum,
    mod: tf.mod,
    mul: tf.mul,
    notEqual: tf.notEqual,
    pow: tf.pow,
    squaredDifference: tf.squaredDifference,
    sub: tf.sub,
  };
  const SHAPES: [number[], number[]][] = [
    [[], []],
    [[5], []],
    [[], [3, 5]],
    [
      [3, 5],
      [3, 5],
    ],
    [[3, 5], [5]],
    [
      [3, 5],
      [3, 1],
    ],
    [
      [4, 1],
      [1, 6],
    ],
    [
      [2, 1, 3, 1],
      [7, 1, 5],
    ],
    [
      [2, 3, 4, 5, 2],
      [4, 1, 1],
    ],
    [[0, 5], [5]],
    [[300, 257], [257]],
    [
      [300, 257],
      [300, 1],
    ],
  ];
  for (const [name, f] of Object.entries(ARITHMETIC)) {
    it(name, () => {
      for (const [a, b] of SHAPES) {
        same(() => f(floats(a, 3), floats(b, 4)), 1e-5);
        same(() => f(ints(a, 3), ints(b, 4)));
      }
      same(() => f(tf.tensor1d(SPECIAL), tf.tensor2d(SPECIAL, [SPECIAL.length, 1])), 1e-5);
      same(() => f(floats([3, 5]), ints([5])), 1e-5);
    });
  }

  it('logical functions, prelu, addN', () => {
    same(() => tf.logicalAnd(bools([4, 5], 1), bools([5], 2)));
    same(() => tf.logicalOr(bools([4, 1], 1), bools([5], 2)));
    same(() => tf.prelu(floats([4, 5], 1), floats([5], 2)));
    same(() => tf.addN([floats([9, 3], 1), floats([9, 3], 2), floats([9, 3], 3)]));
  });

  it('does not take shapes that do not go together', () => {
    expect(() => tf.add(tf.ones([2, 3]), tf.ones([2]))).toThrow(/broadcast/);
  });
});

describe('reductions', () => {
  const CASES: [number[], (number | number[] | undefined)[]][] = [
    [[7], [undefined, 0]],
    [
      [5, 9],
      [0, 1, [0, 1], -1],
    ],
    [
      [3, 1, 4, 5],
      [0, 1, 2, 3, [1, 2], [0, 2], [0, 3], [1, 3], [0, 1, 3]],
    ],
    [[130_000], [0]],
    [
      [3, 70_000],
      [0, 1],
    ],
    [
      [2000, 40],
      [0, 1],
    ],
    [
      [3, 301, 33],
      [1, [0, 1]],
    ],
  ];
  const NUMBERS = { sum: tf.sum, max: tf.max, min: tf.min, mean: tf.mean, prod: tf.prod };
  for (const [name, f] of Object.entries(NUMBERS)) {
    it(name, () => {
      for (const [shape, axes] of CASES) {
        for (const axis of axes) {
          for (const keep of [false, true]) {
            // A product of thousands of random values is 0 or infinite: keep them near 1.
            const x = () =>
              name === 'prod' ? floats(shape).mul(1e-5).add(1) : floats(shape).add(0.1);
            same(() => f(x(), axis, keep), 1e-4);
          }
          if (name !== 'prod') same(() => f(ints(shape), axis), 1e-4);
        }
      }
      same(() => f(tf.tensor2d([1, Number.NaN, 3, 4], [2, 2]), 1));
      same(() => f(tf.tensor2d([1, Number.NaN, 3, 4], [2, 2]), 0));
      same(() => f(bools([6, 7]), 0));
    });
  }

  it('all and any', () => {
    for (const axis of [0, 1, 2, [0, 2]]) {
      same(() => tf.all(bools([3, 4, 2]), axis));
      same(() => tf.any(bools([3, 4, 2], 5), axis));
    }
  });

  it('argMax and argMin', () => {
    for (const axis of [0, 1, 2]) {
      same(() => tf.argMax(floats([5, 33, 3]), axis));
      same(() => tf.argMin(ints([5, 33, 3]), axis));
    }
    same(() => tf.argMax(tf.tensor1d([Number.NaN, 1, 2]), 0));
    same(() => tf.argMax(tf.tensor1d([1, Number.NaN, 2]), 0));
  });

  it('softmax and running sums', () => {
    for (const shape of [[3], [4, 17], [2, 3, 1025], [1, 49_152]]) {
      same(() => tf.softmax(floats(shape)));
      same(() => tf.logSoftmax(floats(shape)), 1e-5);
    }
    same(() => tf.softmax(tf.tensor1d([-1e30, 1000, 999])));
    for (const axis of [0, 1, 2]) {
      for (const [exclusive, reverse] of [
        [false, false],
        [true, false],
        [false, true],
        [true, true],
      ] as const) {
        same(() => tf.cumsum(floats([3, 5, 4]), axis, exclusive, reverse), 1e-5);
        same(() => tf.cumsum(ints([3, 5, 4]), axis, exclusive, reverse));
        same(() => tf.cumprod(floats([3, 5, 4]), axis, exclusive, reverse), 1e-5);
      }
    }
  });
});

describe('data movement', () => {
  const make = { float32: floats, int32: ints, bool: bools };
  for (const [dtype, tensor] of Object.entries(make)) {
    it(`of ${dtype}`, () => {
      for (const perm of [
        [0, 1, 2, 3],
        [3, 2, 1, 0],
        [0, 2, 1, 3],
        [2, 3, 0, 1],
        [1, 0, 3, 2],
      ]) {
        same(() => tf.transpose(tensor([3, 4, 5, 2]), perm));
      }
      same(() => tf.transpose(tensor([257, 131])));
      same(() => tf.transpose(tensor([3, 65, 70]), [0, 2, 1]));
      same(() => tf.slice(tensor([4, 5, 6]), [1, 0, 2], [2, 5, 3]));
      same(() => tf.slice(tensor([4, 5]), [2, 0], [0, 5]));
      same(() => tf.stridedSlice(tensor([7, 9]), [6, 1], [0, 9], [-2, 3]));
      same(() => tf.stridedSlice(tensor([7, 9]), [1, 2], [3, 4], [1, 1], 0, 0, 0, 0, 1));
      same(() => tf.split(tensor([4, 9]), [2, 3, 4], 1));
      same(() => tf.unstack(tensor([3, 4, 2]), 1));
      same(() => tf.concat([tensor([2, 3]), tensor([2, 1], 2), tensor([2, 0], 3)], 1));
      same(() => tf.concat([tensor([2, 3]), tensor([5, 3], 2)], 0));
      same(() => tf.stack([tensor([4, 3]), tensor([4, 3], 2)], 1));
      same(() => tf.stack([tensor([]), tensor([], 2)]));
      same(() => tf.tile(tensor([2, 3, 2]), [3, 1, 2]));
      same(() =>
        tf.pad(
          tensor([3, 4]),
          [
            [1, 2],
            [0, 3],
          ],
          1,
        ),
      );
      same(() => tf.reverse(tensor([3, 4, 5]), [0, 2]));
      same(() => tf.reverse(tensor([3, 4, 5])));
      same(() => tf.gather(tensor([5, 4]), tf.tensor1d([4, 0, 0, 3], 'int32')));
      same(() =>
        tf.gather(
          tensor([5, 4]),
          tf.tensor2d(
            [
              [3, 0],
              [1, 1],
            ],
            [2, 2],
            'int32',
          ),
          1,
        ),
      );
      same(() => tf.gather(tensor([2, 5, 3]), tf.tensor2d([[4], [0]], [2, 1], 'int32'), 1, 1));
      same(() => tf.where(bools([4, 5], 7), tensor([4, 5]), tensor([4, 5], 2)));
      same(() => tf.reshape(tensor([4, 6]), [2, -1, 3]));
      same(() => tf.expandDims(tensor([4, 6]), -1));
    });
  }

  it('oneHot', () => {
    same(() => tf.oneHot(tf.tensor1d([0, 3, -1, 9, 2], 'int32'), 4, 2, -1));
    same(() => tf.oneHot(tf.tensor2d([0, 1, 1, 0], [2, 2], 'int32'), 3, 1, 0, 'float32'));
  });

  it('names an index that is outside', () => {
    const x = tf.ones([3, 2]);
    const buffers = backend.memory().buffers;
    for (const bad of [3, -1, 2147483647]) {
      const gathered = () => tf.tidy(() => tf.gather(x, tf.tensor1d([0, bad], 'int32')).dataSync());
      expect(gathered).toThrow(`the index value ${bad} is not in [0, 2]`);
    }
    expect(backend.memory().buffers).toBe(buffers);
    x.dispose();
  });
});

describe('matrix products', () => {
  it('of any transposition and batch', () => {
    for (const [ta, tb] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ] as const) {
      for (const [m, k, n] of [
        [1, 1, 1],
        [3, 5, 7],
        [17, 33, 65],
        [1, 200, 40],
      ] as const) {
        for (const [ba, bb] of [
          [[], []],
          [[4], [4]],
          [
            [2, 3],
            [2, 3],
          ],
          [[1], [5]],
          [[5], [1]],
        ] as const) {
          const a = () => floats([...ba, ...(ta ? [k, m] : [m, k])], 1);
          const b = () => floats([...bb, ...(tb ? [n, k] : [k, n])], 2);
          same(() => tf.matMul(a(), b(), ta, tb), 1e-4);
        }
      }
    }
    same(() => tf.matMul(ints([3, 4]), ints([4, 2])));
  });

  // tfjs' own CPU kernel gives wrong values here.
  it('of batches that are both repeated', () => {
    const a = floats([2, 1, 3, 4]);
    const b = floats([1, 3, 4, 5], 2);
    const spread = tf.matMul(tf.tile(a, [1, 3, 1, 1]), tf.tile(b, [2, 1, 1, 1]));
    expect(Array.from(tf.matMul(a, b).dataSync())).toEqual(Array.from(spread.dataSync()));
    tf.dispose([a, b, spread]);
  });

  it('fused with a bias and an activation', () => {
    for (const activation of ['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu'] as const) {
      for (const bias of [[6], [1], [5, 6]]) {
        same(
          () =>
            tf.fused.matMul({
              a: floats([5, 9]) as tf.Tensor2D,
              b: floats([9, 6], 2) as tf.Tensor2D,
              bias: floats(bias, 3),
              activation,
              leakyreluAlpha: 0.1,
            }),
          1e-4,
        );
      }
    }
  });
});

describe('tensors that are stored packed', () => {
  it('are unpacked for the kernels', () => {
    for (const storage of ['BF16', 'Q8_0', 'Q4_1'] as const) {
      const native = nativeBackend();
      const info = native.makeStored([6, 64], storage);
      const x = floats([6, 64]);
      native.engine.run('convert', [native.operand(x), native.operand(info)]);
      const packed = tf.engine().makeTensorFromTensorInfo(info);
      const plain = tf.tensor(packed.dataSync(), [6, 64]);
      const functions: ((t: tf.Tensor) => tf.Tensor)[] = [
        (t) => tf.add(t, 1),
        (t) => tf.exp(t),
        (t) => tf.sum(t, 0),
        (t) => tf.softmax(t),
        (t) => tf.transpose(t),
        (t) => tf.reshape(t, [3, 2, 64]).concat(tf.ones([3, 1, 64]), 1),
        (t) => tf.gather(t, tf.tensor1d([5, 0], 'int32')),
        (t) => tf.matMul(t, t, false, true),
        (t) => tf.atan(t),
        (t) => tf.reshape(t, [4, 96]).slice([1, 5], [2, 7]),
      ];
      const { buffers } = backend.memory();
      for (const f of functions) {
        const [got, want] = tf.tidy(() => [f(packed).dataSync(), f(plain).dataSync()]);
        expect(got).toEqual(want);
      }
      expect(backend.memory().buffers).toBe(buffers);
      tf.dispose([x, packed, plain]);
    }
  });
});

describe('inside a capture', () => {
  it('an operation without native code is named', () => {
    const f = backend.capture((x) => tf.real(tf.fft(tf.complex(x, x))));
    const x = tf.tensor1d([1, 2, 3, 4]);
    expect(() => f(x)).toThrow(/capture: operation '\w+' has no native code/);
    expect(Array.from(x.dataSync())).toEqual([1, 2, 3, 4]);
    x.dispose();
  });

  it('native kernels replay with new values', () => {
    const body = (x: tf.Tensor) =>
      tf.softmax(tf.matMul(tf.transpose(x), tf.relu(x)).add(tf.sum(x, 0)).div(3));
    const f = backend.capture(body);
    for (const seed of [1, 2, 3]) {
      const x = floats([9, 5], seed);
      expect(Array.from(f(x).dataSync())).toEqual(Array.from(body(x).dataSync()));
    }
    f.dispose();
  });
});
