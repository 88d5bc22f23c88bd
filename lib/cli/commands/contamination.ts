import { renameSync, rmSync } from 'node:fs';
import { type Command, Option } from 'commander';
import {
  contamination,
  type DatasetName,
  datasetNames,
  JsonlWriter,
  loadTask,
  type Problem,
  type TaskName,
  type TextSource,
  type TrainingText,
  taskNames,
  trainingTexts,
} from '../../data/index.js';
import { progress } from '../../plots/progress.js';
import { CliError, type GlobalOptions, type Io, type Register } from '../command.js';
import { interruptible } from '../interrupt.js';
import { whole } from '../values.js';

interface Options extends GlobalOptions {
  readonly dataset?: DatasetName;
  readonly against: readonly TaskName[];
  readonly n: number;
  readonly problems?: number;
  readonly problemSeed?: number;
  readonly out?: string;
}

/** The exit code where texts overlap: neither a failure's nor a wrong call's. */
const FOUND = 3;

interface Counts {
  texts: number;
  overlapping: number;
  overlaps: number;
  readonly problems: number;
  problemsFound: number;
}

function problemsOf({ against, problems, problemSeed }: Options): readonly Problem[] {
  return against.flatMap(
    (name) =>
      loadTask(name, {
        ...(problems !== undefined && { problems }),
        ...(problemSeed !== undefined && { seed: problemSeed }),
      }).problems,
  );
}

function sourcesOf(paths: readonly string[], { dataset }: Options): TextSource[] {
  const of = dataset && { dataset };
  if (paths.length > 0) return paths.map((path) => ({ path, ...of }));
  if (of) return [of];
  throw new CliError('expected files or folders of training data, or --dataset gsm8k', 2);
}

async function* textsOf(sources: readonly TextSource[]): AsyncGenerator<TrainingText> {
  for (const source of sources) yield* trainingTexts(source);
}

async function check(io: Io, paths: readonly string[], options: Options): Promise<void> {
  const { n, out, json } = options;
  const sources = sourcesOf(paths, options);
  const problems = problemsOf(options);
  const temporary = out && `${out}.new-${process.pid}`;
  if (temporary) rmSync(temporary, { force: true });
  const writer = temporary ? new JsonlWriter(temporary) : undefined;
  const rows = new Set<string>();
  const found = new Set<string>();
  const counts: Counts = {
    ...{ texts: 0, overlapping: 0, overlaps: 0 },
    ...{ problems: problems.length, problemsFound: 0 },
  };
  try {
    await interruptible('nothing was kept', async (signal) => {
      const texts = textsOf(sources);
      const shown = json ? texts : progress(texts, { label: 'contamination', unit: 'texts' });
      const onText = (read: number) => {
        counts.texts = read;
      };
      for await (const overlap of contamination(shown, problems, { n, signal, onText })) {
        counts.overlaps++;
        rows.add(overlap.id);
        found.add(overlap.problem);
        if (writer) writer.append(overlap);
        else io.out.write(`${JSON.stringify(overlap)}\n`);
      }
    });
    writer?.close();
    if (temporary && out) renameSync(temporary, out);
  } catch (error) {
    writer?.close();
    if (temporary) rmSync(temporary, { force: true });
    throw error;
  }
  counts.overlapping = rows.size;
  counts.problemsFound = found.size;
  if (json) io.out.write(`${JSON.stringify(counts)}\n`);
  else io.err.write(describe(counts, n));
  if (counts.overlaps > 0) throw new CliError('texts overlap', FOUND, true);
}

function describe(counts: Counts, n: number): string {
  const { texts, overlapping, problems, problemsFound } = counts;
  const share = texts === 0 ? '' : ` (${((100 * overlapping) / texts).toFixed(2)} %)`;
  return (
    `${overlapping} of ${texts} texts${share} share ${n} words in a row, or a shorter problem whole, with ` +
    `${problemsFound} of ${problems} test problems\n`
  );
}

const HELP = `
Each line says which text (its file and row), which problem, the words of the longest run that both have,
the share of the problem's runs of n words that are in the text (1: the whole problem), and that run.
Words are runs of letters and digits; case, punctuation and markup do not count. --json adds a last line
with the counts.

Exit code: 0 where nothing overlaps, ${FOUND} where something does, 1 for a failure, 2 for a wrong call.

Examples:
  mambalab contamination --dataset gsm8k
  mambalab contamination OpenMathInstruct-2/data --dataset openmathinstruct-2 --out overlaps.jsonl
  mambalab contamination own.jsonl --against math-500 --n 8`;

/** `contamination [paths...]`: which training texts hold test problems. */
export const registerContamination: Register = (program: Command, io: Io) => {
  program
    .command('contamination')
    .description('list the training texts that have test problems in them, as JSON lines')
    .argument('[paths...]', 'files (.jsonl, .json, .parquet) or folders of training data')
    .addOption(
      new Option(
        '--dataset <name>',
        'whose rows they have (default: messages, prompt, text)',
      ).choices([...datasetNames]),
    )
    .addOption(
      new Option('--against <tasks...>', 'the test problems')
        .choices([...taskNames])
        .default(['gsm8k', 'math-500']),
    )
    .option('--n <words>', 'words in a row that must be the same', whole('--n', 1), 13)
    .option('--problems <count>', 'of each task (default all)', whole('--problems', 1))
    .option('--problem-seed <seed>', 'seed of generated problems', whole('--problem-seed', 0))
    .option('--out <file>', 'write the lines there, all or none')
    .addHelpText('after', HELP)
    .action((paths: string[], _options, command: Command) =>
      check(io, paths, command.optsWithGlobals<Options>()),
    );
};
