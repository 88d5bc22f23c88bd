/**
 * The kernels of state-space layers: forward, backward and step, against this machine's limits, their
 * compositions of tfjs operations, and PyTorch's plain equations and transformers' Mamba-2 where
 * `bench/peers` is installed.
 */
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { withCompositions } from '../lib/backend/custom/differentiable.js';
import { rmsNorm } from '../lib/backend/custom/rms-norm.js';
import { nativeBackend } from '../lib/backend/init.js';
import { bestSeconds, type Limits } from '../lib/backend/limits.js';
import * as layers from '../lib/layers/index.js';
import { torchScans } from './scan/torch.js';
import { limitedOptions, startLimited } from './shared/limited.js';
import { ArgumentError, program } from './shared/program.js';

const HELP = `Usage: mambalab bench scan [options]

Times SSD, selective scan, their steps, the mixer matrix and the causal convolution, forward and
backward, and gives each one's share of the longer of two floors: arithmetic (multiply-adds and
exponentials at what registers alone reach) and bytes moved.

  --threads N   default all processors
  --runs N      the best of N runs (5)
  --only TEXT   cases whose name begins so, and no PyTorch
  --no-peers    leaves PyTorch out
  --json        one JSON line instead of the table`;

interface Case {
  name: string;
  /** Operations, exponentials and bytes of one forward run; each input and output is moved once. */
  flops: number;
  exps?: number;
  bytes: number;
  inputs(): Record<string, tf.Tensor>;
  forward(inputs: Record<string, tf.Tensor>): tf.Tensor;
  /** Most of what is moved is read and written in its place. */
  inPlace?: boolean;
  /** Inputs to differentiate by; a step has none. */
  by?: string[];
}

interface Row {
  name: string;
  ms: number;
  /** Of the floor that takes longer. */
  share?: number;
  /** Of what reading and writing memory in place allows, for a step's state. */
  updateShare?: number;
  bound?: 'arithmetic' | 'memory';
  /** Times as long the composition takes; for a backward, times as long as its forward. */
  composition?: number;
  overForward?: number;
}

const normal = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 7);
const negative = (...shape: number[]) => tf.randomUniform(shape, -4, -0.1, 'float32', 7);

function ssdCase(b: number, l: number, h: number, p: number, n: number): Case {
  return {
    name: `discreteSSD b ${b}, L ${l}, ${h} heads of ${p}, N ${n}`,
    flops: 5 * b * l * h * p * n,
    bytes: 4 * b * l * h * (2 * p + 2 * n + 1),
    inputs: () => ({
      x: normal(b, l, h, p),
      a: normal(b, l, h),
      B: normal(b, l, h, n),
      C: normal(b, l, h, n),
      D: normal(h),
    }),
    forward: (t) => layers.discreteSSD(t as never).y,
    by: ['x', 'a', 'B', 'C', 'D'],
  };
}

function ssdStepCase(b: number, h: number, p: number, n: number): Case {
  return {
    name: `discreteSSDStep b ${b}, ${h} heads of ${p}, N ${n}`,
    flops: 5 * b * h * p * n,
    bytes: 4 * b * h * (2 * p * n + 2 * p + 2 * n + 1),
    inPlace: true,
    inputs: () => ({
      x: normal(b, h, p),
      a: normal(b, h),
      B: normal(b, h, n),
      C: normal(b, h, n),
      D: normal(h),
      state: normal(b, h, p, n),
    }),
    forward: (t) => layers.discreteSSDStep({ ...t, inPlace: true } as never).y,
  };
}

function matrixCase(b: number, l: number, h: number, n: number): Case {
  return {
    name: `discreteSSDMatrix b ${b}, L ${l}, ${h} heads, N ${n}`,
    flops: b * h * l * l * (n + 1),
    bytes: 4 * b * h * (l * l + 2 * l * n),
    inputs: () => ({ a: normal(b, l, h), B: normal(b, l, h, n), C: normal(b, l, h, n) }),
    forward: (t) => layers.discreteSSDMatrix(t as never),
    by: ['a', 'B', 'C'],
  };
}

function scanCase(b: number, l: number, d: number, n: number, g: number): Case {
  return {
    name: `selectiveScan b ${b}, L ${l}, ${d} channels, N ${n}, ${g} groups`,
    flops: b * l * d * (5 * n + 8),
    exps: b * l * d * (n + 2),
    bytes: 4 * b * l * (4 * d + 2 * g * n),
    inputs: () => ({
      u: normal(b, l, d),
      delta: normal(b, l, d),
      A: negative(d, n),
      B: normal(b, l, g, n),
      C: normal(b, l, g, n),
      D: normal(d),
      z: normal(b, l, d),
    }),
    forward: (t) => layers.selectiveScan({ ...t, deltaSoftplus: true } as never).y,
    by: ['u', 'delta', 'A', 'B', 'C', 'D', 'z'],
  };
}

function scanStepCase(b: number, d: number, n: number, g: number): Case {
  return {
    name: `selectiveScanStep b ${b}, ${d} channels, N ${n}, ${g} groups`,
    flops: b * d * (5 * n + 8),
    exps: b * d * (n + 2),
    bytes: 4 * b * (d * (2 * n + 4) + 2 * g * n),
    inPlace: true,
    inputs: () => ({
      u: normal(b, d),
      delta: normal(b, d),
      A: negative(d, n),
      B: normal(b, g, n),
      C: normal(b, g, n),
      D: normal(d),
      z: normal(b, d),
      state: normal(b, d, n),
    }),
    forward: (t) =>
      layers.selectiveScanStep({ ...t, deltaSoftplus: true, inPlace: true } as never).y,
  };
}

function convCase(b: number, l: number, c: number): Case {
  return {
    name: `causalConv1d b ${b}, L ${l}, ${c} channels, width 4`,
    flops: 10 * b * l * c,
    exps: b * l * c,
    bytes: 8 * b * l * c,
    inputs: () => ({ x: normal(b, l, c), weight: normal(c, 4), bias: normal(c) }),
    forward: (t) => layers.causalConv1d({ ...t, activation: 'silu' } as never).y,
    by: ['x', 'weight', 'bias'],
  };
}

function convStepCase(b: number, c: number): Case {
  return {
    name: `causalConv1dStep b ${b}, ${c} channels, width 4`,
    flops: 10 * b * c,
    exps: b * c,
    bytes: 4 * b * c * 8,
    inPlace: true,
    inputs: () => ({
      x: normal(b, c),
      weight: normal(c, 4),
      bias: normal(c),
      state: normal(b, 3, c),
    }),
    forward: (t) => layers.causalConv1dStep({ ...t, activation: 'silu', inPlace: true } as never).y,
  };
}

/** Mamba-2 between its projections, as transformers' mixer has it: convolution, SSD, gated norm. */
function mamba2Case(b: number, l: number, d: number, heads: number, n: number): Case {
  const convolved = d + 2 * n;
  return {
    name: `Mamba-2 mixer b ${b}, L ${l}, ${heads} heads of ${d / heads}, N ${n}`,
    flops: b * l * (5 * d * n + 10 * convolved + 8 * d),
    exps: b * l * (convolved + d + heads),
    bytes: 4 * b * l * (2 * convolved + 5 * d),
    inputs: () => ({
      projected: normal(b, l, d + convolved + heads),
      weight: normal(convolved, 4),
      bias: normal(convolved),
      A: negative(heads),
      D: normal(heads),
      dtBias: normal(heads),
      norm: normal(d),
    }),
    forward(t) {
      const [gate, xBC, dt] = tf.split(t.projected as tf.Tensor, [d, convolved, heads], 2);
      const { weight, bias, A, D, dtBias, norm } = t;
      const conv = layers.causalConv1d({ x: xBC, weight, bias, activation: 'silu' } as never);
      const [x, B, C] = tf.split(conv.y as tf.Tensor, [d, n, n], 2) as tf.Tensor[];
      const { y } = layers.ssd({
        x: tf.reshape(x as tf.Tensor, [b, l, heads, d / heads]),
        B: tf.reshape(B as tf.Tensor, [b, l, 1, n]),
        C: tf.reshape(C as tf.Tensor, [b, l, 1, n]),
        dt,
        A,
        D,
        dtBias,
        dtSoftplus: true,
      } as never);
      const gated = layers.swiGlu(gate as tf.Tensor, tf.reshape(y, [b, l, d]));
      return rmsNorm(gated, norm as tf.Tensor1D, 1e-5);
    },
  };
}

const CASES: readonly Case[] = [
  ssdCase(2, 1024, 9, 64, 64),
  ssdCase(1, 1024, 32, 64, 64),
  ssdStepCase(128, 32, 64, 64),
  matrixCase(2, 512, 9, 64),
  scanCase(2, 1024, 576, 16, 36),
  scanCase(1, 512, 2048, 16, 128),
  scanStepCase(512, 2048, 16, 128),
  mamba2Case(1, 1024, 2048, 32, 64),
  convCase(2, 2048, 1728),
  convStepCase(1024, 6144),
];

const seconds = (body: () => void, runs: number) => bestSeconds(() => tf.tidy(body), runs);

function measure(c: Case, limits: Limits, runs: number): Row[] {
  const inputs = tf.tidy(() => c.inputs());
  const forward = () => void c.forward(inputs);
  const own = seconds(forward, runs);
  const floors = {
    arithmetic: c.flops / 1e9 / limits.gflops + (c.exps ?? 0) / 1e9 / limits.gexps,
    memory: c.bytes / 1e9 / limits.readGBs,
  };
  const bound = floors.arithmetic > floors.memory ? 'arithmetic' : 'memory';
  const composed = seconds(() => withCompositions(forward), 1);
  const rows: Row[] = [
    { name: c.name, ms: own * 1e3, share: floors[bound] / own, bound, composition: composed / own },
  ];
  if (c.inPlace && rows[0]) rows[0].updateShare = c.bytes / 1e9 / limits.updateGBs / own;
  if (c.by) {
    const names = c.by;
    const list = names.map((name) => inputs[name] as tf.Tensor);
    const output = (...some: tf.Tensor[]) =>
      c.forward({
        ...inputs,
        ...Object.fromEntries(names.map((name, i) => [name, some[i]])),
      } as never);
    // Given, because tfjs would make the gradient of a sum number by number.
    const dy = tf.tidy(() => tf.onesLike(c.forward(inputs)));
    const both = () => void tf.grads(output)(list, dy);
    const back = seconds(both, runs) - own;
    const composedBack = seconds(() => withCompositions(both), 1) - composed;
    rows.push({
      name: `  backward`,
      ms: back * 1e3,
      composition: composedBack / back,
      overForward: back / own,
    });
    dy.dispose();
  }
  tf.dispose(inputs);
  nativeBackend().engine.addon.trim();
  return rows;
}

function print(row: Row): void {
  const updated = row.updateShare ? `, ${(100 * row.updateShare).toFixed(0)} % in place` : '';
  const share = row.share
    ? `${(100 * row.share).toFixed(0).padStart(4)} % of the ${row.bound} floor${updated}`
    : `${(row.overForward ?? 0).toFixed(1).padStart(4)} x its forward`;
  const composition = `composition ${(row.composition ?? 0).toFixed(1)} x as long`;
  console.log(
    `${row.name.padEnd(62)} ${row.ms.toFixed(2).padStart(9)} ms  ${share.padEnd(40)} ${composition}`,
  );
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      ...limitedOptions(5),
      only: { type: 'string' },
      'no-peers': { type: 'boolean', default: false },
    },
  });
  const { only } = values;
  const cases = CASES.filter(({ name }) => only === undefined || name.startsWith(only));
  if (cases.length === 0) throw new ArgumentError(`--only: no case begins with '${only}'`);
  const { runs, engine, limits } = startLimited(values);
  const rows: Row[] = [];
  for (const c of cases) {
    for (const row of measure(c, limits, runs)) {
      rows.push(row);
      if (!values.json) print(row);
    }
  }
  const torch = values['no-peers'] || only !== undefined ? [] : torchScans(engine.threads);
  if (values.json) console.log(JSON.stringify({ engine, limits, rows, torch }));
  else
    for (const { name, ms } of torch)
      console.log(`${name.padEnd(62)} ${ms.toFixed(2).padStart(9)} ms`);
}

await program('scan', HELP, main);
