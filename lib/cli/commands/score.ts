import { basename } from 'node:path';
import { type Command, Option } from 'commander';
import { loadRewardModel, type RewardKind, type ScoredRun, scoreRun } from '../../eval/index.js';
import type { LoadOptions } from '../../models/index.js';
import { progress } from '../../plots/progress.js';
import { Run } from '../../results/index.js';
import { type GlobalOptions, type Io, printJson } from '../command.js';
import { missingFrom } from '../count.js';
import { interruptible } from '../interrupt.js';
import { whole } from '../values.js';

interface Options extends GlobalOptions {
  readonly model: string;
  readonly kind: RewardKind;
  readonly name?: string;
  readonly batchSize: number;
  readonly activations: LoadOptions['activations'] & string;
  readonly precision: LoadOptions['precision'] & string;
}

async function score(io: Io, paths: readonly string[], options: Options): Promise<void> {
  const { json, kind, batchSize, activations, precision } = options;
  const runs = paths.map((path) => new Run(path));
  const stem = basename(options.model).replace(/\.(gguf|safetensors)$/i, '');
  const name = options.name ?? (kind === 'process' ? stem : `${stem}-${kind}`);
  const model = loadRewardModel(options.model, { kind, batchSize, activations, precision });
  const results: Record<string, ScoredRun & { scores: string }> = {};
  try {
    await interruptible('the same command goes on from here', async (signal) => {
      for (const run of runs) {
        const { path } = run;
        const bar = json
          ? undefined
          : progress(missingFrom(run, 'scores', name), { label: path, unit: 'completions' });
        try {
          const onProgress = () => bar?.advance();
          const result = await scoreRun(run, model, name, { signal, onProgress });
          results[path] = { ...result, scores: name };
        } finally {
          bar?.done();
        }
        const { scored, steps } = results[path];
        if (!json) io.out.write(`${path}: ${scored} completions scored, ${steps} steps\n`);
      }
    });
  } finally {
    model.dispose();
  }
  if (json) printJson(io, results);
}

const EXAMPLES = `
The model is a causal language model in RLHFlow's format, such as their Llama-3.1-8B PRM: steps are
parted by blank lines, and a step's score is P('+') against '-' at its end.

Examples:
  mambalab score runs/math --model models/Llama3.1-8B-PRM-Deepseek-Data
  mambalab score runs/math --model models/Llama3.1-8B-ORM-Deepseek-Data --kind outcome`;

/** `score <runs...>`: rewards of completions. */
export function registerScore(program: Command, io: Io): void {
  program
    .command('score')
    .description("score a run's completions with a reward model: a column beside them; resumes")
    .argument('<runs...>', 'folders of runs')
    .requiredOption('--model <model>', 'a name in the cache, a GGUF file or a Hugging Face folder')
    .addOption(
      new Option('--kind <kind>', 'score each step, or the whole completion')
        .choices(['process', 'outcome'])
        .default('process'),
    )
    .option('--name <name>', "of the column (default the model's)")
    .option('--batch-size <rows>', 'completions read side by side', whole('--batch-size', 1), 16)
    .addOption(
      new Option('--activations <kind>', 'int8 is about twice as fast, and moves the logits')
        .choices(['float32', 'int8'])
        .default('float32'),
    )
    .option('--precision <kind>', 'how weights are kept in memory', 'stored')
    .addHelpText('after', EXAMPLES)
    .action((paths: string[], _options, command: Command) =>
      score(io, paths, command.optsWithGlobals<Options>()),
    );
}
