/** What `bench decode` can be asked. */
import { parseArgs } from 'node:util';
import type { StatePrecision } from '../../lib/layers/index.js';
import type { Activations } from '../../lib/models/index.js';
import { ArgumentError, statePrecision, whole, wholeOrDefault } from '../shared/program.js';

/** Options of one run. */
export interface DecodeOptions {
  model: string;
  /** Rows decoded together; one line of the table each. */
  batches: number[];
  /** Tokens of the prompt, which a batch shares. */
  promptTokens: number;
  /** Tokens sampled in every row. */
  newTokens: number;
  /** Measurements of each number; the median counts. */
  runs: number;
  /** Ours once with each. */
  activations: Activations[];
  /** How ours keeps its caches. */
  statePrecision: StatePrecision;
  threads: number | undefined;
  peers: boolean;
  json: boolean;
}

export const HELP = `Usage: mambalab bench decode [options]
       mambalab bench decode --models LIST [options]

Without --models: samples SmolLM2-135M-Instruct at several batch sizes, beside what this machine's arithmetic and memory
allow and beside transformers and llama.cpp, where \`node bench/peers/install.mjs\` installed them.

  --batch LIST       rows decoded together (1,8,32,64)
  --prompt N         tokens of the prompt, shared by a batch (64)
  --new N            tokens sampled in every row, 3 or more (64)
  --runs N           measurements; medians are printed (3)
  --activations LIST ours with float32, int8 or both (float32,int8)
  --state-precision P  ours with caches and states in f32 or bf16, with --models too (f32)
  --threads N        default all processors; the peers get as many
  --no-peers         ours alone
  --model REF        a name in the cache or a GGUF file (smollm2-135m-instruct)
  --json             one JSON document instead of the table

With --models: the time of decoding against the batch, prefill excluded, beside this machine's limits.
A batch that the memory does not hold is a line that says so.

  --models LIST      published configurations (smollm2-135m, llamba-1b, ...; weights at random), files of
                     a configuration (.json), or models as models.load takes them (weights as stored).
                     NAME:llamba and NAME:hybrid are the students of a Llama, every fifth layer of the
                     hybrid attention
  --batch LIST       rows decoded together (1, 2, 4, ... until memory ends or --most)
  --most N           where growing batches end (1024)
  --context LIST     tokens that every row has seen (512)
  --new N            tokens decoded in every row, 3 or more (32)
  --precision P      of random weights: f32, bf16, f16, q8_0, q4_0, q4_1 (f32)
  --memory N         bytes that a batch may take (what the machine has left)
  --figure FILE      draws time against batch, at the first context: .svg, .png or .json
  --threads N        default all processors
  --json             JSON lines instead of the table: the machine, then a point each`;

/**
 * Reads the arguments.
 * @throws ArgumentError naming the option, what is allowed and what came.
 */
export function parseOptions(args: readonly string[]): DecodeOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      model: { type: 'string', default: 'smollm2-135m-instruct' },
      batch: { type: 'string', default: '1,8,32,64' },
      prompt: { type: 'string', default: '64' },
      new: { type: 'string', default: '64' },
      runs: { type: 'string', default: '3' },
      activations: { type: 'string', default: 'float32,int8' },
      'state-precision': { type: 'string', default: 'f32' },
      threads: { type: 'string' },
      'no-peers': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  return {
    model: values.model,
    batches: values.batch.split(',').map((n) => whole('--batch', n, 1)),
    promptTokens: whole('--prompt', values.prompt, 1),
    newTokens: whole('--new', values.new, 3),
    runs: whole('--runs', values.runs, 1),
    activations: values.activations.split(',').map(activations),
    statePrecision: statePrecision(values['state-precision']),
    threads: wholeOrDefault('--threads', values.threads),
    peers: !values['no-peers'],
    json: values.json,
  };
}

function activations(text: string): Activations {
  if (text !== 'float32' && text !== 'int8') {
    throw new ArgumentError(
      `--activations takes float32, int8 or both with a comma, got '${text}'`,
    );
  }
  return text;
}
