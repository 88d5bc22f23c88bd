import { basename, join } from 'node:path';
import { type Command, Option } from 'commander';
import type { PromptStyle, TaskName, Tokenizer } from '../../data/index.js';
import {
  loadTask,
  loadTokenizer,
  promptFor,
  promptStyles,
  type Task,
  taskNames,
} from '../../data/index.js';
import { type CompletionRange, type Shrink, sample } from '../../generate/index.js';
import { type StatePrecision, statePrecisions } from '../../layers/index.js';
import { type LoadOptions, load } from '../../models/index.js';
import { progress } from '../../plots/progress.js';
import { checkpointFiles, type RunProblem, RunStore } from '../../results/index.js';
import { CliError, type GlobalOptions, type Io, printJson } from '../command.js';
import { interruptible } from '../interrupt.js';
import { nameOf } from '../model-name.js';
import { bytes, real, type Share, share, whole } from '../values.js';

interface Options extends GlobalOptions {
  readonly task: TaskName;
  readonly problems?: number;
  readonly split?: 'train' | 'test';
  readonly shuffle?: number;
  readonly problemSeed?: number;
  readonly file?: string;
  readonly n: number;
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly minP: number;
  readonly maxNewTokens: number;
  readonly stop?: readonly string[];
  readonly seed: number;
  readonly style: PromptStyle;
  readonly system?: string;
  readonly shots: number;
  readonly date?: string;
  readonly batchSize?: number;
  readonly memory?: number;
  readonly activations: LoadOptions['activations'] & string;
  readonly precision: LoadOptions['precision'] & string;
  readonly statePrecision: StatePrecision;
  readonly shard?: Share;
  readonly name?: string;
  readonly out?: string;
}

function taskOf(options: Options): Task {
  const { task, problems, split, shuffle, problemSeed, file } = options;
  return loadTask(task, {
    ...(problems !== undefined && { problems }),
    ...(split !== undefined && { split }),
    ...(shuffle !== undefined && { shuffle }),
    ...(problemSeed !== undefined && { seed: problemSeed }),
    ...(file !== undefined && { path: file }),
  });
}

/** Solved problems to show: of the training split where there is one, which no test problem is in. */
function shotsOf(options: Options) {
  const { task, shots, split } = options;
  if (shots === 0) return [];
  if (split === 'train') {
    throw new CliError('--shots: shown problems come from the training split, as the asked do', 2);
  }
  return loadTask(task, { problems: shots, split: 'train' }).problems;
}

function problemsOf(tokenizer: Tokenizer, task: Task, options: Options): RunProblem[] {
  const { style, system, date } = options;
  const shots = shotsOf(options);
  return task.problems.map((problem) => {
    const { id, question, answer, level, subject } = problem;
    const prompt = promptFor(tokenizer, problem, {
      style,
      answers: task.answers,
      shots,
      ...(system !== undefined && { system }),
      ...(date !== undefined && { date }),
    });
    return {
      id,
      question,
      answer,
      ...(level !== undefined && { level }),
      ...(subject !== undefined && { subject }),
      prompt,
    };
  });
}

/** Shards are whole problems, so that each prompt is read once. */
function rangeOf({ part, of }: Share, problems: number, n: number): CompletionRange {
  if (of > problems) {
    throw new CliError(
      `--shard: ${problems} problems make at most ${problems} parts, not ${of}`,
      2,
    );
  }
  const edge = (i: number): number => Math.floor((i * problems) / of) * n;
  return { from: edge(part - 1), to: edge(part) };
}

async function run(io: Io, ref: string, options: Options): Promise<void> {
  const { task: taskName, n, seed, shard, precision, activations, batchSize, json } = options;
  const name = options.name ?? nameOf(ref);
  const part = shard ? `-${shard.part}of${shard.of}` : '';
  const out = options.out ?? join('runs', `${name}-${taskName}-seed${seed}${part}`);
  const task = taskOf(options);
  const tokenizer = loadTokenizer(ref);
  const problems = problemsOf(tokenizer, task, options);
  const model = load(ref, { precision, activations });
  try {
    const { style, system, shots, date, problems: _, stop = [], statePrecision } = options;
    const settings = {
      ...{ n, seed, stop, statePrecision, ...samplingOf(options) },
      ...(batchSize !== undefined && { batchSize }),
      ...(options.memory !== undefined && { memory: options.memory }),
      ...(shard && { range: rangeOf(shard, problems.length, n) }),
    };
    const prompts = problems.map(({ prompt }) => prompt);
    const { batchSize: rows } = sample(model, prompts, settings).plan;
    const store = new RunStore(out, {
      name,
      seed,
      model: {
        ref: basename(ref),
        family: 'family' in model.config ? model.config.family : 'llama',
        bytes: model.bytes,
        files: await checkpointFiles(ref),
      },
      task,
      problems,
      prompts: { style, shots, ...(system !== undefined && { system }), ...(date && { date }) },
      batchSize: rows,
    });
    await interruptible('the same command goes on from here', async (signal) => {
      const samples = sample(model, prompts, { ...settings, resume: store, signal });
      const total = settings.range ? settings.range.to - settings.range.from : prompts.length * n;
      const bar = json ? undefined : progress(total, { label: name, unit: 'completions' });
      let drawn = 0;
      let completions = 0;
      let told = 0;
      const tellShrunk = () => {
        for (const shrink of samples.stats()?.shrunk.slice(told) ?? []) {
          io.err.write(noticeOf(shrink));
          told++;
        }
      };
      try {
        for await (const _ of samples) {
          completions++;
          const stats = samples.stats();
          tellShrunk();
          drawn = stats?.completions ?? 0;
          const rate = stats ? `${Math.round((1000 * stats.tokens) / stats.wallMs)} tokens/s` : '';
          bar?.advance(1, rate);
        }
      } finally {
        bar?.done();
        tellShrunk();
      }
      const stats = samples.stats();
      if (json) {
        printJson(io, { path: out, completions, drawn, batchSize: rows, stats });
      } else {
        const before = completions - drawn;
        const resumed = before > 0 ? `, ${before} of them from before` : '';
        io.out.write(`${out}: ${completions} completions${resumed}\n`);
        io.out.write(`\nNext: mambalab grade ${out}\n`);
      }
    });
  } finally {
    model.dispose();
  }
}

function noticeOf({ from, to, reason }: Shrink): string {
  return `memory ended with ${from} rows: going on with ${to}, to the same completions (${reason})\n`;
}

function samplingOf({ temperature, topP, topK, minP, maxNewTokens }: Options) {
  return { temperature, topP, topK, minP, maxNewTokens };
}

const EXAMPLES = `
A run is a folder: run.json says what was asked for, completions.jsonl has a line for each completion.
The same command goes on with a run that was interrupted or killed (docs/results.md).

Examples:
  mambalab sample smollm2-135m-instruct --task gsm8k --problems 50 --n 16
  mambalab sample models/Llama-3.2-1B-Instruct --task math-500 --n 256 --temperature 0.8 --memory 12G
  mambalab sample smollm2-135m-instruct --task math-500 --n 64 --shard 2/8 --out runs/math-2of8`;

/** `sample <model>`: completions of a task's problems into a run's folder. */
export function registerSample(program: Command, io: Io): void {
  program
    .command('sample')
    .description("sample completions of a task's problems into a run's folder; resumes")
    .argument('<model>', 'a name in the cache, a GGUF file or a Hugging Face folder')
    .addOption(
      new Option('--task <name>', 'which problems').choices([...taskNames]).makeOptionMandatory(),
    )
    .option('--problems <count>', 'how many problems (default all)', whole('--problems', 1))
    .addOption(new Option('--split <split>', 'of tasks with both').choices(['train', 'test']))
    .option(
      '--shuffle <seed>',
      'take problems at random, not the first ones',
      whole('--shuffle', 0),
    )
    .option('--problem-seed <seed>', 'seed of generated problems', whole('--problem-seed', 0))
    .option('--file <path>', "a file of problems in the task's form")
    .option('--n <count>', 'completions of each problem', whole('--n', 1), 16)
    .option('--temperature <t>', '0 takes the likeliest token', real('--temperature', 0, 1e6), 0.8)
    .option('--top-p <p>', 'nucleus sampling', real('--top-p', 1e-9, 1), 1)
    .option('--top-k <k>', 'among the k likeliest tokens; 0 is all', whole('--top-k', 0), 0)
    .option(
      '--min-p <p>',
      "drop tokens below this share of the likeliest's",
      real('--min-p', 0, 1),
      0,
    )
    .option('--max-new-tokens <count>', 'of one completion', whole('--max-new-tokens', 1), 2048)
    .option('--stop <texts...>', 'end a completion before one of these texts')
    .option('--seed <seed>', 'seed of the draws', whole('--seed', 0, 2 ** 32 - 1), 0)
    .addOption(
      new Option('--style <style>', 'how problems are asked')
        .choices([...promptStyles])
        .default('paper'),
    )
    .option('--system <text>', 'another system prompt; empty for none')
    .option('--shots <count>', 'solved problems shown before', whole('--shots', 0), 0)
    .option('--date <day>', 'the day that chat templates write, YYYY-MM-DD')
    .option('--batch-size <rows>', 'rows decoded together (default 32)', whole('--batch-size', 1))
    .option('--memory <size>', 'choose the batch that fits, such as 8G', bytes('--memory'))
    .addOption(
      new Option('--activations <kind>', 'int8 is about twice as fast, and moves the logits')
        .choices(['float32', 'int8'])
        .default('float32'),
    )
    .option('--precision <kind>', 'how weights are kept in memory', 'stored')
    .addOption(
      new Option('--state-precision <kind>', 'of caches and states; bf16 is half the memory')
        .choices([...statePrecisions])
        .default('f32'),
    )
    .option('--shard <part>', 'only a part of the run: 1/4 to 4/4', share('--shard'))
    .option('--name <name>', 'the name of the model in tables and figures')
    .option('--out <folder>', "the run's folder (default runs/MODEL-TASK-seedSEED)")
    .addHelpText('after', EXAMPLES)
    .action((ref: string, _options, command: Command) =>
      run(io, ref, command.optsWithGlobals<Options>()),
    );
}
