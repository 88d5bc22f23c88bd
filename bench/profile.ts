/** Where the time of a decode step or of a training step goes, operation by operation. */
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { init, type ProfiledOp, profile } from '../lib/backend/index.js';
import { optimizers } from '../lib/distill/index.js';
import { TrainStep } from '../lib/distill/train-step.js';
import { DecodeBatch } from '../lib/generate/decode-batch.js';
import { settingsOf } from '../lib/generate/options.js';
import { forget, readPrompt } from '../lib/generate/prompts.js';
import type { StatePrecision } from '../lib/layers/index.js';
import { modelOf } from './decode/inference.js';
import { aligned } from './decode/report.js';

import { ArgumentError, program, statePrecision, whole } from './shared/program.js';
import { tokenBatch } from './shared/token-batch.js';
import { CASES, CONFIG } from './train/cases.js';

const HELP = `Usage: mambalab bench profile [options]

Times each operation of a decode step (or, with --train, of a training step at SmolLM2-135M's shape) on the
device that MAMBALAB_DEVICE names: on a GPU between events around each operation. The line "whole step" is the
same step as it runs otherwise, a captured program; where operations are short, what they take one by one is
longer than that.

  --model NAME    name, file or folder as of bench decode (smollm2-135m:llamba)
  --batch N       rows (64; with --train 4)
  --context N     tokens that every row has seen (512)
  --state-precision P  caches and states in f32 or bf16 (f32)
  --train CASE    ${Object.keys(CASES).join(', ')}
  --length N      tokens of a row with --train (1024)
  --top N         lines to print (20)
  --json          a JSON line an operation`;

/** What is profiled: one step, run as often as wished. */
interface Subject {
  readonly name: string;
  step(): void;
}

function decoding(
  model: string,
  rows: number,
  context: number,
  precision: StatePrecision,
): Subject {
  const own = modelOf(model, 'bf16', context + 64);
  const tokens = Array.from({ length: context }, (_, i) => (i * 7919 + 13) % own.config.vocabSize);
  const batch = new DecodeBatch(own, rows, settingsOf({ temperature: 1 }), context + 64, precision);
  const read = readPrompt(own, tokens, precision);
  const all = Array.from({ length: rows }, (_, row) => row);
  const next = tf.tensor1d(
    all.map((row) => row % own.config.vocabSize),
    'int32',
  );
  const keys = all.map((sample) => ({ seed: 0, prompt: 0, sample, position: 0 }));
  batch.fill({ state: read.state, tokens: next, fromTokens: all, toRows: all, keys });
  next.dispose();
  forget(read);
  return {
    name: `${model}, batch ${rows}, context ${context}, states ${precision}`,
    step: () => {
      const draws = batch.step(rows);
      draws.ids();
      draws.logProbs();
    },
  };
}

function training(name: string, rows: number, length: number): Subject {
  const found = CASES[name];
  if (!found) {
    throw new ArgumentError(`--train takes ${Object.keys(CASES).join(', ')}, got '${name}'`);
  }
  const { objective } = found.open();
  const step = new TrainStep(objective, optimizers.adamW(objective.parameters));
  return {
    name: `${found.about}, ${rows} x ${length} tokens`,
    step: () => {
      step.run(tokenBatch(rows, length, CONFIG.vocabSize), 1e-5);
    },
  };
}

function median(times: number[]): number {
  return times.sort((a, b) => a - b)[times.length >> 1] as number;
}

function table(lines: readonly ProfiledOp[], sum: number): string {
  const row = ({ op, shapes, calls, ms }: ProfiledOp) => [
    op,
    String(calls),
    ms.toFixed(3),
    `${((100 * ms) / sum).toFixed(1)} %`,
    shapes.length > 100 ? `${shapes.slice(0, 97)}...` : shapes,
  ];
  return aligned([['operation', 'calls', 'ms', 'share', 'tensors'], ...lines.map(row)]);
}

function main(args: string[]): void {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'smollm2-135m:llamba' },
      batch: { type: 'string' },
      context: { type: 'string', default: '512' },
      'state-precision': { type: 'string', default: 'f32' },
      train: { type: 'string' },
      length: { type: 'string', default: '1024' },
      top: { type: 'string', default: '20' },
      json: { type: 'boolean', default: false },
    },
  });
  const { train } = values;
  const rows = whole('--batch', values.batch ?? (train === undefined ? '64' : '4'));
  const top = whole('--top', values.top);
  const context = whole('--context', values.context);
  const length = whole('--length', values.length);
  const { deviceName = 'the processor' } = init();
  const { name, step } =
    train === undefined
      ? decoding(values.model, rows, context, statePrecision(values['state-precision']))
      : training(train, rows, length);
  step();
  const stepMs = median(
    Array.from({ length: 5 }, () => {
      const start = performance.now();
      step();
      return performance.now() - start;
    }),
  );
  const lines = profile(step);
  const sum = lines.reduce((total, { ms }) => total + ms, 0);
  if (values.json) {
    const about = { bench: 'profile', subject: name, device: deviceName };
    console.log(JSON.stringify({ ...about, wholeStepMs: stepMs, sumMs: sum }));
    for (const line of lines.slice(0, top)) console.log(JSON.stringify({ ...about, ...line }));
    return;
  }
  console.log(`${name}, on ${deviceName}`);
  console.log(`whole step ${stepMs.toFixed(3)} ms; operations one by one ${sum.toFixed(3)} ms`);
  console.log(table(lines.slice(0, top), sum));
}

await program('profile', HELP, main);
