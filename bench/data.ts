/** Reading, tokenising and packing training data, beside how fast a training step takes it. */
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { init } from '../lib/backend/index.js';
import { measureRates } from '../lib/backend/limits.js';
import { loadTokenizer } from '../lib/data/index.js';
import { estimate } from '../lib/distill/estimate.js';
import {
  type Batch,
  type StreamOptions,
  type StreamSource,
  streamed,
} from '../lib/distill/index.js';
import { load } from '../lib/models/index.js';
import { ArgumentError, program, whole, wholeOrDefault } from './shared/program.js';

const HELP = `Usage: mambalab bench data [options]

Streams GSM8K's training text as a training run reads it (JSON Lines, shuffled, the chat template, masks of the
answers, packed into rows) and counts tokens a second: in the thread that trains, and in threads beside it. The
floor is what a step takes: a distillation of the model into a student of its size, 8 operations a weight and
token at 0.7 of the rate of a product of 1024^3 measured in the same run (as --dry-run estimates it).

  --model NAME        tokenizer, and size of the step (smollm2-135m-instruct)
  --file PATH         GSM8K's training file (the one in MAMBALAB_DATA or the cache)
  --workers LIST      threads that tokenise, with commas; 0 is none beside the reader (0,1,2)
  --tokens N          read for each (1000000)
  --length N          tokens of a row (512)
  --batch N           rows of a batch (1)
  --consumption N     tokens a second that a step takes, instead of the estimate
  --json              a JSON line for each`;

interface Line {
  readonly workers: number;
  readonly tokens: number;
  readonly tokensPerSecond: number;
  /** Start of threads, first rows and first batch. */
  readonly firstMs: number;
  /** Going back to the position at the end, and its next batch. */
  readonly seekMs: number;
}

async function measure(
  model: string,
  source: StreamSource,
  options: StreamOptions,
  most: number,
): Promise<Line> {
  const stream = streamed(loadTokenizer(model), [source], options);
  try {
    const begun = performance.now();
    await stream.next();
    const started = performance.now();
    let tokens = 0;
    while (tokens < most) {
      tokens += tokensOf(await stream.next());
    }
    const seconds = (performance.now() - started) / 1e3;
    const position = stream.position();
    const sought = performance.now();
    await stream.seek(position);
    await stream.next();
    return {
      workers: options.workers ?? 0,
      tokens,
      tokensPerSecond: tokens / seconds,
      firstMs: started - begun,
      seekMs: performance.now() - sought,
    };
  } finally {
    await stream.close();
  }
}

/** Tokens of documents: of a row that is not full, what follows the last start has no label that counts. */
function tokensOf({ resets, mask, batch, length }: Batch): number {
  let tokens = 0;
  for (let row = 0; row < batch; row++) {
    const last = resets.subarray(row * length, (row + 1) * length).lastIndexOf(1);
    const isText = mask.subarray(row * length + last, (row + 1) * length).some((x) => x !== 0);
    tokens += isText ? length : last;
  }
  return tokens;
}

/** Tokens a second of a step that distils the model into one of its size, at the rate of products here. */
function consumptionOf(model: string, length: number): number {
  const { config, bytes, dispose } = shapeOf(model);
  try {
    const { flopsPerSecond } = measureRates();
    const teacher = { config, bytes };
    const sizes = { steps: 1, batch: 1, length, flopsPerSecond };
    return length / estimate({ student: config, teacher, ...sizes }).seconds;
  } finally {
    dispose();
  }
}

function shapeOf(ref: string) {
  const model = load(ref);
  return { config: model.config, bytes: model.bytes, dispose: () => model.dispose() };
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'smollm2-135m-instruct' },
      file: { type: 'string' },
      workers: { type: 'string', default: '0,1,2' },
      tokens: { type: 'string', default: '1000000' },
      length: { type: 'string', default: '512' },
      batch: { type: 'string', default: '1' },
      consumption: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const workers = values.workers.split(',').map((text) => whole('--workers', text, 0));
  const tokens = whole('--tokens', values.tokens);
  const length = whole('--length', values.length);
  const batch = whole('--batch', values.batch);
  const given = wholeOrDefault('--consumption', values.consumption);
  if (values.model === '') throw new ArgumentError("--model takes a model's name, got ''");
  init();
  const consumption = given ?? consumptionOf(values.model, length);
  const source: StreamSource = { dataset: 'gsm8k', ...(values.file && { path: values.file }) };
  if (!values.json) {
    console.log(
      `${cpus()[0]?.model}, ${availableParallelism()} threads; a step takes ` +
        `${Math.round(consumption)} tokens/s (${given === undefined ? 'estimated' : 'given'})`,
    );
  }
  for (const count of workers) {
    const options: StreamOptions = { length, batch, loss: 'answer', workers: count };
    const line = await measure(values.model, source, options, tokens);
    if (values.json) {
      console.log(JSON.stringify({ bench: 'data', ...line, consumption }));
      continue;
    }
    const where = count === 0 ? 'in the thread of the reader' : `in ${count} threads beside it`;
    console.log(
      `tokenised ${where}: ${Math.round(line.tokensPerSecond)} tokens/s, ` +
        `${Math.round(line.tokensPerSecond / consumption)} times what a step takes; first batch after ` +
        `${(line.firstMs / 1e3).toFixed(2)} s, back at a position after ${(line.seekMs / 1e3).toFixed(2)} s`,
    );
  }
}

await program('data', HELP, main);
