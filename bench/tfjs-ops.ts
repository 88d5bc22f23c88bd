/**
 * tfjs operations on `native` against this machine's limits and tfjs' own CPU backend, measured in
 * the same run. tfjs' WebAssembly and TensorFlow backends are peers where they are installed.
 */
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { bestSeconds } from '../lib/backend/limits.js';
import { limitedOptions, startLimited } from './shared/limited.js';
import { program } from './shared/program.js';

const HELP = `Usage: mambalab bench tfjs-ops [options]

Prints the rate of matMul, add, exp, softmax, sum and transpose, and its share of the limit.

  --threads N   default all processors
  --runs N      the best of N runs (7)
  --json        one JSON line instead of the table`;

interface Case {
  name: string;
  /** What one run does: floating-point operations or bytes moved. */
  work: number;
  unit: 'GFLOP/s' | 'GB/s';
  inputs(): tf.Tensor[];
  body(inputs: tf.Tensor[]): tf.Tensor;
}

interface Row {
  name: string;
  backend: string;
  rate: number;
  unit: string;
  /** Share of the measured limit. */
  share: number;
}

const [ROWS, COLUMNS] = [4096, 4096];
const BYTES = ROWS * COLUMNS * 4;
const matrix = (rows: number, columns: number) => tf.randomNormal([rows, columns]);
const large = () => [matrix(ROWS, COLUMNS)];

const CASES: readonly Case[] = [
  {
    name: 'matMul 1024 x 1024 x 1024',
    work: 2 * 1024 ** 3,
    unit: 'GFLOP/s',
    inputs: () => [matrix(1024, 1024), matrix(1024, 1024)],
    body: ([a, b]) => tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D),
  },
  {
    name: 'matMul 64 x 576 x 1536',
    work: 2 * 64 * 576 * 1536,
    unit: 'GFLOP/s',
    inputs: () => [matrix(64, 576), matrix(576, 1536)],
    body: ([a, b]) => tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D),
  },
  {
    name: `add ${ROWS} x ${COLUMNS}`,
    work: 3 * BYTES,
    unit: 'GB/s',
    inputs: () => [matrix(ROWS, COLUMNS), matrix(ROWS, COLUMNS)],
    body: ([a, b]) => tf.add(a as tf.Tensor, b as tf.Tensor),
  },
  {
    name: `add a row, ${ROWS} x ${COLUMNS}`,
    work: 2 * BYTES,
    unit: 'GB/s',
    inputs: () => [matrix(ROWS, COLUMNS), tf.randomNormal([COLUMNS])],
    body: ([a, b]) => tf.add(a as tf.Tensor, b as tf.Tensor),
  },
  {
    name: `exp ${ROWS} x ${COLUMNS}`,
    work: 2 * BYTES,
    unit: 'GB/s',
    inputs: large,
    body: ([x]) => tf.exp(x as tf.Tensor),
  },
  {
    name: `softmax ${ROWS} x ${COLUMNS}`,
    work: 2 * BYTES,
    unit: 'GB/s',
    inputs: large,
    body: ([x]) => tf.softmax(x as tf.Tensor),
  },
  {
    name: `sum of all, ${ROWS} x ${COLUMNS}`,
    work: BYTES,
    unit: 'GB/s',
    inputs: large,
    body: ([x]) => tf.sum(x as tf.Tensor),
  },
  {
    name: `sum of columns, ${ROWS} x ${COLUMNS}`,
    work: BYTES,
    unit: 'GB/s',
    inputs: large,
    body: ([x]) => tf.sum(x as tf.Tensor, 0),
  },
  {
    name: `transpose ${ROWS} x ${COLUMNS}`,
    work: 2 * BYTES,
    unit: 'GB/s',
    inputs: large,
    body: ([x]) => tf.transpose(x as tf.Tensor),
  },
];

/** Loads the peers that are installed and returns their backends' names. */
async function peers(): Promise<string[]> {
  const require = createRequire(import.meta.url);
  const found = ['cpu'];
  for (const [name, backend] of [
    ['@tensorflow/tfjs-backend-wasm', 'wasm'],
    ['@tensorflow/tfjs-node', 'tensorflow'],
  ] as const) {
    try {
      require(name);
    } catch {
      continue;
    }
    if (tf.findBackendFactory(backend) && (await tf.setBackend(backend))) found.push(backend);
  }
  return found;
}

async function measure(backend: string, c: Case, runs: number): Promise<number> {
  await tf.setBackend(backend);
  const inputs = tf.tidy(() => c.inputs());
  // Plain JavaScript takes seconds for a large product: once tells enough.
  const seconds = bestSeconds(
    () => {
      const y = c.body(inputs);
      y.dispose();
    },
    backend === 'cpu' ? 1 : runs,
  );
  tf.dispose(inputs);
  return c.work / 1e9 / seconds;
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: limitedOptions(7),
  });
  const { runs, engine, limits } = startLimited(values);
  const backends = ['native', ...(await peers())];
  const rows: Row[] = [];
  for (const c of CASES) {
    const limit = c.unit === 'GFLOP/s' ? limits.gflops : limits.readGBs;
    for (const backend of backends) {
      const rate = await measure(backend, c, runs);
      const row = { name: c.name, backend, rate, unit: c.unit, share: rate / limit };
      rows.push(row);
      if (!values.json) {
        console.log(
          `${c.name.padEnd(30)} ${backend.padEnd(10)} ${rate.toFixed(2).padStart(8)} ${c.unit}` +
            `  ${(100 * row.share).toFixed(1).padStart(5)} % of the limit`,
        );
      }
    }
  }
  if (values.json) console.log(JSON.stringify({ engine, limits, rows }));
}

await program('tfjs-ops', HELP, main);
