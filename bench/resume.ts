/**
 * A sampling that is killed again and again: does its file end as that of a run without kills?
 *
 * The runs are processes of their own (this program again, with `--into`), so that a kill is a kill.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { root } from '#setup/places.mjs';
import { init } from '../lib/backend/index.js';
import { loadTask, loadTokenizer, promptFor, type TaskName, taskNames } from '../lib/data/index.js';
import { sample } from '../lib/generate/index.js';
import { convert, Llama, load, save } from '../lib/models/index.js';
import { compareKilled } from './resume/killed.js';
import { ArgumentError, program, whole, wholeOrDefault } from './shared/program.js';

const HELP = `Usage: mambalab bench resume [options]

Samples a task's problems into a file twice, once without a stop and once killed (SIGKILL) at random
moments and started again, and compares the two files as sets of completions. Exit code 1 where they
differ.

  --model NAME   a model, or a student of SmolLM2 made for this: llamba, hybrid (hybrid)
  --task NAME    ${taskNames.join(', ')} (gsm8k)
  --problems N   (500)
  --samples N    completions of each problem (8)
  --new N        most tokens of a completion (12)
  --batch N      rows decoded together (64)
  --kills N      (10)
  --seed N       of the moments of the kills and of the sampling (0)
  --threads N    default all processors
  --folder PATH  where the files are written, and stay (out/resume)
  --json         one JSON document`;

const TEACHER = 'smollm2-135m-instruct';

/** The numbers from 0 below `n`, the same for the same seed. */
function randomFrom(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x9e3779b9) >>> 0;
    let x = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return Math.floor((((x ^ (x >>> 15)) >>> 0) / 2 ** 32) * n);
  };
}

/** The folder or name that the runs load; a student is made once and saved. */
function modelOf(name: string, folder: string): string {
  if (name !== 'llamba' && name !== 'hybrid') return name;
  const path = join(folder, name);
  if (existsSync(join(path, 'config.json'))) return path;
  const teacher = load(TEACHER);
  if (!(teacher instanceof Llama)) throw new Error(`${TEACHER} is no Llama`);
  const log = (line: string) => process.stderr.write(`${line}\n`);
  const attentionLayers = [4, 9, 14, 19, 24, 29];
  const student =
    name === 'llamba'
      ? convert(teacher, { family: 'llamba', log })
      : convert(teacher, { family: 'mamba-in-llama', attentionLayers, log });
  save(student, path, { precision: 'bf16' });
  student.dispose();
  teacher.dispose();
  return path;
}

const OPTIONS = {
  model: { type: 'string', default: 'hybrid' },
  task: { type: 'string', default: 'gsm8k' },
  problems: { type: 'string', default: '500' },
  samples: { type: 'string', default: '8' },
  new: { type: 'string', default: '12' },
  batch: { type: 'string', default: '64' },
  kills: { type: 'string', default: '10' },
  seed: { type: 'string', default: '0' },
  threads: { type: 'string' },
  folder: { type: 'string', default: join(root, 'out', 'resume') },
  json: { type: 'boolean', default: false },
  into: { type: 'string' },
} as const;

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: OPTIONS });
  const problems = whole('--problems', values.problems);
  const n = whole('--samples', values.samples);
  const maxNewTokens = whole('--new', values.new);
  const batchSize = whole('--batch', values.batch);
  const kills = whole('--kills', values.kills, 0);
  const seed = whole('--seed', values.seed, 0);
  const threads = wholeOrDefault('--threads', values.threads);
  if (!taskNames.includes(values.task as TaskName)) {
    throw new ArgumentError(`--task takes ${taskNames.join(', ')}, got '${values.task}'`);
  }
  init(threads ? { threads } : {});

  if (values.into !== undefined) {
    const model = load(values.model);
    const tokenizer = loadTokenizer(values.model);
    const task = loadTask(values.task as TaskName, { problems });
    const prompts = task.problems.map((problem) =>
      promptFor(tokenizer, problem, { style: 'question', answers: task.answers }),
    );
    const settings = { n, maxNewTokens, batchSize, seed, resume: values.into };
    for await (const _ of sample(model, prompts, settings));
    return;
  }

  mkdirSync(values.folder, { recursive: true });
  const model = modelOf(values.model, values.folder);
  const given = Object.entries({ ...values, model }).flatMap(([name, value]) =>
    typeof value === 'string' && name !== 'folder' ? [`--${name}`, value] : [],
  );
  const [clean, killed] = ['clean', 'killed'].map((name) => {
    const file = join(values.folder, `${name}.jsonl`);
    for (const path of [file, `${file}.run.json`]) rmSync(path, { force: true });
    return file;
  }) as [string, string];
  const start = performance.now();
  const own = fileURLToPath(import.meta.url);
  const sampling = { args: [own, ...given, '--into'], random: randomFrom(seed) };
  const say = (what: string) => {
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    if (!values.json) process.stdout.write(`${seconds} s: ${what}\n`);
  };
  const found = await compareKilled(sampling, clean, killed, kills, say);
  const seconds = (performance.now() - start) / 1000;
  if (values.json) {
    process.stdout.write(
      `${JSON.stringify({ model: values.model, problems, n, ...found, seconds })}\n`,
    );
  } else {
    say(
      `${found.completions} completions after ${found.killedAt.length} kills, ` +
        `${found.differing === 0 ? 'as' : `${found.differing} unlike`} those of the run without`,
    );
  }
  if (found.differing > 0 || found.completions !== problems * n) process.exitCode = 1;
}

await program('resume', HELP, main);
