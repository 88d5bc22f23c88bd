/** Sampling as a whole, prompt, steps and everything between them, by model and batch. */
import { parseArgs } from 'node:util';
import { init, memory } from '../lib/backend/index.js';
import { sample } from '../lib/generate/index.js';
import type { Model } from '../lib/models/index.js';
import { modelOf } from './decode/inference.js';
import { withoutEnd } from './decode/ours.js';
import { printSampling } from './gpu/line.js';
import { peerTimes } from './gpu/peer.js';
import { ArgumentError, program, statePrecision, whole, wholeOrDefault } from './shared/program.js';

const HELP = `Usage: mambalab bench sampling [options]

Samples with random weights: one prompt that all rows share, the same number of new tokens in every row, none
stopping early. Prints a JSON line for each model and batch: tokens a second of the second of two runs, and the
share of its time in which the engine's decode steps ran; the rest is the prompt and what lies between the
steps. The peer is transformers' generate on the same device, its second run too.

  --models A,B   names and files as of bench decode (smollm2-135m)
  --batch N,M    rows decoded together (64,256,1024)
  --prompt N     tokens of the prompt (128)
  --new N        tokens that every row draws (256)
  --rounds N     completions of a row, one after another: rows are refilled (1)
  --precision P  how weights are kept: f32 or bf16 (bf16)
  --state-precision P  caches and states in f32 or bf16 (f32)
  --threads N    default all processors
  --python PATH  the peer's Python, with torch and transformers (none: no peer)`;

interface Work {
  readonly batch: number;
  readonly prompt: number;
  readonly newTokens: number;
  readonly rounds: number;
}

/** How caches and states are kept. */
type Precision = ReturnType<typeof statePrecision>;

/** Seconds in which steps ran: of a CUDA device by its own clock, else those of the engine's operations. */
function stepSeconds(): number {
  const { programSeconds, busySeconds } = memory();
  return programSeconds > 0 ? programSeconds : busySeconds;
}

async function timed(
  model: Model,
  { batch, prompt, newTokens, rounds }: Work,
  statePrecision: Precision,
) {
  const tokens = Array.from({ length: prompt }, (_, i) => (i * 7919 + 13) % model.config.vocabSize);
  const options = {
    n: batch * rounds,
    batchSize: batch,
    maxNewTokens: newTokens,
    temperature: 1,
    statePrecision,
  };
  const busy = stepSeconds();
  const start = performance.now();
  const run = sample(model, [tokens], options);
  let drawn = 0;
  for await (const completion of run) drawn += completion.tokens.length;
  const seconds = (performance.now() - start) / 1e3;
  if (drawn !== batch * rounds * newTokens) {
    throw new Error(`${drawn} tokens were drawn, not ${batch * rounds * newTokens}`);
  }
  return { seconds, tokens: drawn, stepShare: (stepSeconds() - busy) / seconds };
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      models: { type: 'string', default: 'smollm2-135m' },
      batch: { type: 'string', default: '64,256,1024' },
      prompt: { type: 'string', default: '128' },
      new: { type: 'string', default: '256' },
      rounds: { type: 'string', default: '1' },
      precision: { type: 'string', default: 'bf16' },
      'state-precision': { type: 'string', default: 'f32' },
      threads: { type: 'string' },
      python: { type: 'string' },
    },
  });
  const batches = values.batch.split(',').map((n) => whole('--batch', n));
  const prompt = whole('--prompt', values.prompt);
  const newTokens = whole('--new', values.new);
  const rounds = whole('--rounds', values.rounds);
  const threads = wholeOrDefault('--threads', values.threads);
  const precision = values.precision;
  if (precision !== 'f32' && precision !== 'bf16') {
    throw new ArgumentError(`--precision takes f32 or bf16, got '${precision}'`);
  }
  const states = statePrecision(values['state-precision']);
  const models = values.models.split(',');
  const peer =
    values.python !== undefined && models.includes('smollm2-135m')
      ? peerTimes('transformers_sample.py', values.python, [
          batches.join(),
          String(prompt),
          String(newTokens),
          precision,
        ])
      : undefined;
  const engine = init(threads === undefined ? {} : { threads });
  for (const name of models) {
    const model = modelOf(name, precision, prompt + newTokens);
    try {
      const endless = withoutEnd(model);
      for (const batch of batches) {
        const work = { batch, prompt, newTokens, rounds };
        await timed(endless, work, states);
        const { seconds, tokens, stepShare } = await timed(endless, work, states);
        const peerMs = name === 'smollm2-135m' ? peer?.ms.get(`batch ${batch}`) : undefined;
        printSampling({
          bench: 'sampling',
          model: name,
          precision: `${precision} weights, ${states} caches and states`,
          ...work,
          tokensPerSecond: tokens / seconds,
          stepShare,
          ...(peer &&
            peerMs !== undefined && {
              peer: peer.about,
              peerTokensPerSecond: (1e3 * batch * newTokens) / peerMs,
            }),
          device: engine.deviceName ?? `${engine.threads} threads, ${engine.isa}`,
        });
      }
    } finally {
      model.dispose();
    }
  }
}

await program('sampling', HELP, main);
