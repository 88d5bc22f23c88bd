/** The same seed on two devices: whether they write the same text. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { init } from '../lib/backend/index.js';
import { loadTask, loadTokenizer, promptFor } from '../lib/data/index.js';
import { sample } from '../lib/generate/index.js';
import { load, type Model } from '../lib/models/index.js';
import { writeAtomic } from '../lib/results/write-atomic.js';
import { ArgumentError, program, whole } from './shared/program.js';

const HELP = `Usage: mambalab bench device-text --write FILE | --compare FILE [options]

Samples completions of generated word problems, greedy and at temperature 0.8, on the device of MAMBALAB_DEVICE.
Run it once with --write, then on another device with --compare: it prints how many completions have the same
tokens, and for each that has not by how much the two candidates for the first other token differ here, as a
share of the largest logit. A greedy completion may only differ where that is next to nothing.

  --model REF    (smollm2-135m-instruct)
  --problems N   completions of each kind (200)
  --new N        tokens of a completion (64)
  --batch N      rows decoded together (64)
  --seed N       (0)`;

interface Written {
  readonly device: string;
  readonly identity: string;
  readonly completions: Readonly<Record<Kind, number[][]>>;
}

type Kind = 'greedy' | 'sampled';
const KINDS: Readonly<Record<Kind, number>> = { greedy: 0, sampled: 0.8 };

/** The difference of two tokens' logits after some tokens, over the largest logit. */
function gap(model: Model, before: readonly number[], one: number, other: number): number {
  return tf.tidy(() => {
    const tokens = tf.tensor2d([[...before]], undefined, 'int32');
    const all = model.forward(tokens);
    const last = tf.slice(all, [0, before.length - 1, 0], [1, 1, -1]);
    const logits = Array.from(last.dataSync());
    const largest = Math.max(...logits.map(Math.abs));
    return Math.abs((logits[one] as number) - (logits[other] as number)) / largest;
  });
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      write: { type: 'string' },
      compare: { type: 'string' },
      model: { type: 'string', default: 'smollm2-135m-instruct' },
      problems: { type: 'string', default: '200' },
      new: { type: 'string', default: '64' },
      batch: { type: 'string', default: '64' },
      seed: { type: 'string', default: '0' },
    },
  });
  if ((values.write === undefined) === (values.compare === undefined)) {
    throw new ArgumentError('expected one of --write and --compare');
  }
  const problems = whole('--problems', values.problems);
  const maxNewTokens = whole('--new', values.new);
  const batchSize = whole('--batch', values.batch);
  const seed = whole('--seed', values.seed, 0);
  const engine = init();
  const device = engine.deviceName ?? engine.device;
  const model = load(values.model);
  const tokenizer = loadTokenizer(values.model);
  const asked = loadTask('stories', { problems, seed }).problems;
  const prompts = asked.map((problem) =>
    tokenizer.encode(promptFor(tokenizer, problem, { style: 'question', answers: 'gsm8k' }), {
      addSpecialTokens: false,
    }),
  );
  const identity = JSON.stringify({ model: values.model, problems, maxNewTokens, seed });
  const before =
    values.compare === undefined
      ? undefined
      : (JSON.parse(readFileSync(values.compare, 'utf8')) as Written);
  if (before && before.identity !== identity) {
    throw new ArgumentError(
      `--compare: ${values.compare} is of ${before.identity}, expected ${identity}`,
    );
  }
  const completions: Record<Kind, number[][]> = { greedy: [], sampled: [] };
  for (const [kind, temperature] of Object.entries(KINDS) as [Kind, number][]) {
    const options = { n: 1, temperature, maxNewTokens, batchSize, seed };
    const all = await sample(model, prompts, options).all();
    completions[kind] = all.map(({ tokens }) => tokens);
    if (!before) continue;
    const gaps: number[] = [];
    for (const [i, tokens] of completions[kind].entries()) {
      const other = before.completions[kind][i] as number[];
      const at = tokens.findIndex((token, position) => token !== other[position]);
      if (at < 0 && tokens.length === other.length) continue;
      const history = [...(prompts[i] as number[]), ...tokens.slice(0, at)];
      gaps.push(gap(model, history, tokens[at] as number, other[at] as number));
    }
    const line = {
      bench: 'device text',
      kind,
      devices: [before.device, device],
      completions: prompts.length,
      same: prompts.length - gaps.length,
      ...(kind === 'greedy' && { gaps: gaps.map((x) => Number(x.toPrecision(2))) }),
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
  if (values.write !== undefined) {
    writeAtomic(values.write, JSON.stringify({ device, identity, completions } satisfies Written));
    process.stdout.write(`${values.write}: ${2 * prompts.length} completions on ${device}\n`);
  }
  model.dispose();
}

await program('device-text', HELP, main);
