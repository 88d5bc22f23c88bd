import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { root } from '#setup/places.mjs';
import { makeReport, type Report, seconds } from '#setup/report.mjs';
import { readFindings } from '../../experiment/index.js';
import { writeFileAtomic } from '../../plots/writeFileAtomic.js';
import { lockFile } from '../../results/writer-lock.js';
import { CliError, type GlobalOptions, type Io, printJson } from '../command.js';
import { choose } from '../reproduce/choose.js';
import { removeResults, resultsIn } from '../reproduce/clean.js';
import { execute } from '../reproduce/execute.js';
import {
  asksExperiment,
  describeExperiment,
  experimentPlan,
} from '../reproduce/experiment-plan.js';
import { NotebookFailure } from '../reproduce/jupyter.js';
import { hashOfInputs, listNotebooks, type Notebook } from '../reproduce/notebook.js';
import { type Failure, renderPage } from '../reproduce/page.js';
import { describePlan, type Planned, planOf } from '../reproduce/plan.js';
import { readRecord } from '../reproduce/record.js';
import { trainFromScratch } from '../reproduce/scratch.js';
import { settingsOf, worldIn } from '../reproduce/settings.js';
import { whole } from '../values.js';

interface Options extends GlobalOptions {
  readonly only?: readonly string[];
  readonly scale: string;
  readonly out: string;
  readonly notebooks: string;
  readonly force?: boolean;
  readonly clean?: boolean;
  readonly dryRun?: boolean;
  readonly seed?: number;
  readonly samples?: number;
  readonly problems?: number;
  readonly device?: string;
  readonly fromScratch?: boolean;
}

interface Outcome {
  readonly name: string;
  readonly status: 'executed' | 'up to date' | 'failed';
  readonly seconds?: number;
  readonly figures?: number;
  readonly error?: string;
}

async function runOne(
  { notebook, inputs, because }: Planned,
  options: Options,
  report: Report,
): Promise<Outcome> {
  const { name } = notebook;
  const out = resolve(options.out);
  if (because === null) {
    report.say(`${name}: up to date`);
    return { name, status: 'up to date' };
  }
  report.begin(`${name}: ${notebook.title} (scale ${options.scale})`);
  try {
    const { scale } = options;
    const record = await execute(notebook, {
      out,
      scale,
      environment: settingsOf({ ...options, out }).environment,
      inputs,
      onProgress: report.progress,
    });
    const figures = record.figures.length;
    report.end(`${name}: executed in ${seconds(record.seconds * 1000)}, figures: ${figures}`);
    return { name, status: 'executed', seconds: record.seconds, figures };
  } catch (error) {
    report.end(`${name}: failed`);
    if (!(error instanceof NotebookFailure)) throw error;
    report.say(error.message.replace(/^/gm, '  '));
    return { name, status: 'failed', error: error.message };
  }
}

async function writeIndex(
  out: string,
  all: readonly Notebook[],
  outcomes: readonly Outcome[],
  scale: string,
): Promise<string> {
  const records = all.flatMap(({ name }) => readRecord(join(out, name)) ?? []);
  const failures = outcomes.flatMap(({ name, error }): Failure[] => {
    const title = all.find((notebook) => notebook.name === name)?.title ?? name;
    return error === undefined ? [] : [{ name, title, message: error }];
  });
  const file = join(out, 'index.html');
  const found = readFindings(join(out, 'runs'), scale);
  await writeFileAtomic(file, renderPage(records, failures, found));
  return file;
}

/** Runs a plan and writes the page; the folder's lock is the caller's. */
async function runPlan(
  io: Io,
  all: readonly Notebook[],
  plan: readonly Planned[],
  options: Options,
): Promise<void> {
  const report = makeReport({ out: io.out, quiet: options.json ?? false });
  const outcomes: Outcome[] = [];
  for (const planned of plan) outcomes.push(await runOne(planned, options, report));
  const index = await writeIndex(resolve(options.out), all, outcomes, options.scale);
  if (options.json) printJson(io, { index, notebooks: outcomes });
  else io.out.write(`\nOpen ${index}\n`);
  const failed = outcomes.filter(({ status }) => status === 'failed').map(({ name }) => name);
  if (failed.length > 0) throw new CliError(`failed: ${failed.join(', ')} (the error is above)`);
}

function showPlan(
  io: Io,
  plan: readonly Planned[],
  removed: readonly string[],
  options: Options,
): void {
  const { scale, json } = options;
  const samples = plan.some(({ notebook }) => asksExperiment(notebook));
  const experiment = samples ? experimentPlan(options) : undefined;
  if (json) {
    const notebooks = plan.map(({ notebook: { name, title }, because, last }) => {
      return { name, title, because, last };
    });
    printJson(io, { scale, removed, notebooks, experiment });
    return;
  }
  for (const path of removed) io.out.write(`would remove ${path}\n`);
  io.out.write(describePlan(plan, scale) + (experiment ? describeExperiment(experiment) : ''));
}

async function reproduce(io: Io, options: Options): Promise<void> {
  const folder = resolve(options.notebooks);
  const out = resolve(options.out);
  const all = listNotebooks(folder);
  const chosen = choose(all, options.only, folder);
  const { force = false, clean = false } = options;
  const old = () => {
    const names = chosen.map(({ name }) => name);
    return clean ? resultsIn(out, names, options.only === undefined) : [];
  };
  const plan = () =>
    planOf(chosen, {
      out,
      settings: settingsOf({ ...options, out }).key,
      inputs: hashOfInputs(folder, out),
      force,
      clean,
    });
  if (options.dryRun) {
    showPlan(io, plan(), old(), options);
    return;
  }
  mkdirSync(out, { recursive: true });
  const unlock = lockFile(out, join(out, '.lock'));
  try {
    removeResults(out, old());
    if (options.fromScratch) await trainFromScratch(worldIn(out), options);
    await runPlan(io, all, plan(), options);
  } finally {
    unlock();
  }
}

const HELP = `
A notebook runs again only when it, the code or the data changed. A folder has one reproduction at a
time: a second is refused. --clean takes only what reproductions made: with --only, of those notebooks.

Examples:
  mambalab reproduce
  mambalab reproduce --only 01,04 --dry-run   what would run, and how long it took last time
  mambalab reproduce --only 00-tour --force
  mambalab reproduce --clean --out results    every notebook anew
  mambalab reproduce --only 01,02 --scale smollm --samples 8   SmolLM2 on published problems
  mambalab reproduce --from-scratch --seed 2  every model trained here, hours on two cores`;

const collect = (names: string, before: readonly string[] | undefined): readonly string[] => [
  ...(before ?? []),
  names,
];

/** A number that notebooks read from the environment: an option, or the variable itself. */
function setting(flags: string, description: string, least: number): Option {
  const option = new Option(flags, description);
  const parse = whole(`--${option.name()}`, least);
  return option.argParser(parse).env(`MAMBALAB_${option.name().toUpperCase()}`);
}

/** `reproduce`: executes the notebooks without a browser and writes out/index.html. */
export function registerReproduce(program: Command, io: Io): void {
  const scale = new Option('--scale <scale>', 'models, data and budgets')
    .choices(['mini', 'smollm', 'paper'])
    .default('mini')
    .env('MAMBALAB_SCALE');
  const only = new Option(
    '--only <notebooks>',
    'only these, by name or number (commas, or several times)',
  ).argParser(collect);
  program
    .command('reproduce')
    .description('execute the notebooks without a browser; notebook, HTML and figures go to out/')
    .addOption(only)
    .addOption(scale)
    .option('--out <folder>', 'where results go', join(root, 'out'))
    .option('--notebooks <folder>', 'where the notebooks are', join(root, 'notebooks'))
    .option('--force', 'execute again what is up to date')
    .option('--clean', 'remove earlier results first')
    .addOption(setting('--seed <seed>', 'of problems and draws (default 1)', 0))
    .addOption(setting('--samples <count>', "completions of each problem (default the scale's)", 2))
    .addOption(setting('--problems <count>', "test problems (default the scale's)", 2))
    .addOption(
      new Option('--device <device>', 'cpu, cuda or cuda:N (default cpu)').env('MAMBALAB_DEVICE'),
    )
    .option('--from-scratch', "train the mini world's models first, into world/ of the results")
    .option('--dry-run', 'say what would run, and run nothing')
    .addHelpText('after', HELP)
    .action((_options, command: Command) => reproduce(io, command.optsWithGlobals<Options>()));
}
