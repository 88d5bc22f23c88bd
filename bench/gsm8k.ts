/**
 * Samples the first GSM8K test problems, zero-shot chat, and prints coverage with its bootstrap
 * interval, tokens per second and wall time. Completions go to a JSON Lines file as they finish.
 */
import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { init } from '../lib/backend/index.js';
import { JsonlWriter, loadGsm8k, loadTokenizer, type Problem } from '../lib/data/index.js';
import { coverageCurve, gradeGsm8k, powersOfTwo, tallyByProblem } from '../lib/eval/index.js';
import { sample } from '../lib/generate/index.js';
import { load } from '../lib/models/index.js';
import { ArgumentError, program, whole, wholeOrDefault } from './shared/program.js';

const HELP = `Usage: mambalab bench gsm8k [options]

  --model REF        default smollm2-135m-instruct
  --problems N       the first N test problems (50)
  --samples N        completions of each (16)
  --temperature T    (0.6)
  --max-new N        most tokens of a completion (512)
  --batch N          rows decoded together (64)
  --seed N           (0)
  --threads N        default all processors
  --out FILE         completions as JSON Lines (out/gsm8k.jsonl)
  --json             one JSON line instead of the table`;

interface Graded {
  problem: number;
  sample: number;
  tokens: number;
  correct: boolean;
  answer: string | null;
  text: string;
  logProb: number;
  stopReason: string;
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'smollm2-135m-instruct' },
      problems: { type: 'string', default: '50' },
      samples: { type: 'string', default: '16' },
      temperature: { type: 'string', default: '0.6' },
      'max-new': { type: 'string', default: '512' },
      batch: { type: 'string', default: '64' },
      seed: { type: 'string', default: '0' },
      threads: { type: 'string' },
      out: { type: 'string', default: 'out/gsm8k.jsonl' },
      json: { type: 'boolean', default: false },
    },
  });
  const n = whole('--samples', values.samples);
  const limit = whole('--problems', values.problems);
  const maxNewTokens = whole('--max-new', values['max-new']);
  const batchSize = whole('--batch', values.batch);
  const seed = whole('--seed', values.seed, 0);
  const threads = wholeOrDefault('--threads', values.threads);
  const temperature = Number(values.temperature);
  if (!(temperature >= 0)) {
    throw new ArgumentError(`--temperature takes a number from 0 on, got '${values.temperature}'`);
  }
  const engine = init(threads ? { threads } : {});
  const problems = loadGsm8k({ split: 'test', limit });
  const model = load(values.model);
  const tokenizer = loadTokenizer(values.model);
  const prompts = problems.map(({ question }) =>
    tokenizer.applyChatTemplate([{ role: 'user', content: question }], {
      addGenerationPrompt: true,
    }),
  );
  rmSync(values.out, { force: true });
  const writer = new JsonlWriter(values.out);
  const done: Graded[] = [];
  const start = performance.now();
  const run = sample(model, prompts, {
    n,
    temperature,
    maxNewTokens,
    batchSize,
    seed,
  });
  for await (const c of run) {
    const { answer, correct } = gradeGsm8k(c.text, (problems[c.prompt] as Problem).answer);
    const graded: Graded = {
      problem: c.prompt,
      sample: c.sample,
      tokens: c.tokens.length,
      correct,
      answer: answer ?? null,
      text: c.text,
      logProb: c.logProb,
      stopReason: c.stopReason,
    };
    writer.append(graded);
    done.push(graded);
    if (process.stderr.isTTY) process.stderr.write(`\r${done.length} of ${prompts.length * n} `);
  }
  writer.close();
  const tokens = done.reduce((sum, g) => sum + g.tokens, 0);
  const seconds = (performance.now() - start) / 1000;
  const curve = coverageCurve(tallyByProblem(done), powersOfTwo(n));
  const rate = tokens / seconds;
  if (values.json) {
    console.log(
      JSON.stringify({
        problems: problems.length,
        samples: n,
        curve,
        tokens,
        seconds,
        rate,
        engine,
      }),
    );
    return;
  }
  console.log(
    `${problems.length} GSM8K test problems x ${n}, zero-shot chat, T ${values.temperature}`,
  );
  for (const { k, coverage, low, high } of curve) {
    const percent = (x: number) => `${(100 * x).toFixed(1)} %`;
    console.log(
      `pass@${k}`.padEnd(10),
      percent(coverage),
      `(95 %: ${percent(low)} to ${percent(high)})`,
    );
  }
  console.log(`${tokens} tokens in ${seconds.toFixed(0)} s: ${rate.toFixed(0)} tokens/s`);
}

await program('gsm8k', HELP, main);
