import { join } from 'node:path';
import { type Command, Option } from 'commander';
import {
  loadTask,
  loadTokenizer,
  type PromptStyle,
  promptStyles,
  type TaskName,
  taskNames,
} from '../../data/index.js';
import { type SynthesizedCounts, synthesize } from '../../distill/index.js';
import { type LoadOptions, load } from '../../models/index.js';
import { progress } from '../../plots/progress.js';
import { type GlobalOptions, type Io, printJson, type Register } from '../command.js';
import { interruptible } from '../interrupt.js';
import { nameOf } from '../model-name.js';
import { bytes, real, whole } from '../values.js';

interface Options extends GlobalOptions {
  readonly task: TaskName;
  readonly split: 'train' | 'test';
  readonly problems?: number;
  readonly shuffle?: number;
  readonly problemSeed?: number;
  readonly file?: string;
  readonly n: number;
  readonly most?: number;
  readonly temperature: number;
  readonly topP: number;
  readonly maxNewTokens: number;
  readonly seed: number;
  readonly style: PromptStyle;
  readonly batchSize?: number;
  readonly memory?: number;
  readonly activations: LoadOptions['activations'] & string;
  readonly out?: string;
}

async function run(io: Io, ref: string, options: Options): Promise<void> {
  const { task: name, split, problems, shuffle, problemSeed, file, json } = options;
  const { n, most, temperature, topP, maxNewTokens, seed, style, batchSize, memory } = options;
  const folder = options.out ?? join('runs', `${nameOf(ref)}-${name}-solutions-seed${seed}`);
  const task = loadTask(name, {
    // What is generated without splits takes none.
    ...(name !== 'synthetic' && { split }),
    ...(problems !== undefined && { problems }),
    ...(shuffle !== undefined && { shuffle }),
    ...(problemSeed !== undefined && { seed: problemSeed }),
    ...(file !== undefined && { path: file }),
  });
  const tokenizer = loadTokenizer(ref);
  const model = load(ref, { activations: options.activations });
  try {
    await interruptible('the same command goes on from here', async (signal) => {
      const total = task.problems.length * n;
      const bar = json ? undefined : progress(total, { label: name, unit: 'solutions' });
      try {
        const { path, manifest } = await synthesize(model, tokenizer, task, {
          ...{ folder, n, temperature, topP, maxNewTokens, seed, style, signal },
          ...(most !== undefined && { most }),
          ...(batchSize !== undefined && { batchSize }),
          ...(memory !== undefined && { memory }),
          onProgress: () => bar?.advance(),
        });
        bar?.done();
        if (json) printJson(io, { path, manifest });
        else io.out.write(describe(path, manifest.counts));
      } finally {
        bar?.done();
      }
    });
  } finally {
    model.dispose();
  }
}

function describe(path: string, counts: SynthesizedCounts): string {
  const { sampled, unfinished, wrong, duplicates, surplus, kept, solved, problems } = counts;
  return (
    `${path}: ${kept} of ${sampled} solutions, of ${solved} of ${problems} problems; ${wrong} wrong, ` +
    `${unfinished} unfinished, ${duplicates} duplicates, ${surplus} more than asked for\n`
  );
}

const HELP = `
The folder gets solutions.jsonl, a line for each solution that is finished and right (prompt, answer, problem),
which "sources" of a training's data take as it is; manifest.json, which says what made it; and
completions.jsonl, from which the same command goes on after an interruption or a kill.

Examples:
  mambalab synthesize smollm2-135m-instruct --task gsm8k --problems 1000 --n 8 --most 2
  mambalab synthesize models/Llama-3.2-1B-Instruct --task gsm8k --n 16 --out data/gsm8k-llama`;

/** `synthesize <model>`: training data that a teacher writes. */
export const registerSynthesize: Register = (program: Command, io: Io) => {
  program
    .command('synthesize')
    .description("let a model solve a task's training problems and keep what is right; resumes")
    .argument('<model>', 'a name in the cache, a GGUF file or a Hugging Face folder')
    .addOption(
      new Option('--task <name>', 'which problems').choices([...taskNames]).makeOptionMandatory(),
    )
    .addOption(
      new Option('--split <split>', 'of tasks with both')
        .choices(['train', 'test'])
        .default('train'),
    )
    .option('--problems <count>', 'how many problems (default all)', whole('--problems', 1))
    .option('--shuffle <seed>', 'take problems at random', whole('--shuffle', 0))
    .option('--problem-seed <seed>', 'seed of generated problems', whole('--problem-seed', 0))
    .option('--file <path>', "a file of problems in the task's form")
    .option('--n <count>', 'solutions sampled of each problem', whole('--n', 1), 4)
    .option('--most <count>', 'kept of a problem at most (default all)', whole('--most', 1))
    .option('--temperature <t>', 'of the sampling', real('--temperature', 0, 1e6), 0.8)
    .option('--top-p <p>', 'nucleus sampling', real('--top-p', 1e-9, 1), 1)
    .option('--max-new-tokens <count>', 'of one solution', whole('--max-new-tokens', 1), 512)
    .option('--seed <seed>', 'seed of the draws', whole('--seed', 0, 2 ** 32 - 1), 0)
    .addOption(
      new Option('--style <style>', 'how problems are asked')
        .choices([...promptStyles])
        .default('question'),
    )
    .option('--batch-size <rows>', 'rows decoded together (default 32)', whole('--batch-size', 1))
    .option('--memory <size>', 'choose the batch that fits, such as 8G', bytes('--memory'))
    .addOption(
      new Option('--activations <kind>', 'int8 is about twice as fast, and moves the logits')
        .choices(['float32', 'int8'])
        .default('float32'),
    )
    .option('--out <folder>', 'where (default runs/MODEL-TASK-solutions-seedSEED)')
    .addHelpText('after', HELP)
    .action((ref: string, _options, command: Command) =>
      run(io, ref, command.optsWithGlobals<Options>()),
    );
};
