import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { root } from '#setup/places.mjs';
import { init } from '../../backend/index.js';
import { readFindings } from '../../experiment/index.js';
import { writeFileAtomic } from '../../plots/writeFileAtomic.js';
import { lockFile } from '../../results/writer-lock.js';
import { CliError, type GlobalOptions, type Io, printJson } from '../command.js';
import { choose } from '../reproduce/choose.js';
import { removeResults, resultsIn } from '../reproduce/clean.js';
import { describeExperiment, experimentPlan } from '../reproduce/experiment-plan.js';
import { needsOf } from '../reproduce/needs.js';
import { hashOfInputs, listNotebooks, type Notebook } from '../reproduce/notebook.js';
import { type Failure, renderPage } from '../reproduce/page.js';
import { describePlan, type Planned, planOf } from '../reproduce/plan.js';
import { readRecord } from '../reproduce/record.js';
import { describeRoom, requireRoom, roomAt } from '../reproduce/room.js';
import { type Outcome, runNotebooks } from '../reproduce/run.js';
import { trainFromScratch } from '../reproduce/scratch.js';
import { settingsOf, worldIn } from '../reproduce/settings.js';
import { StatusLine } from '../status-line.js';
import { device, whole } from '../values.js';

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
  readonly jobs?: number;
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
  const out = resolve(options.out);
  const { scale, json = false, jobs } = options;
  const outcomes = await runNotebooks(plan, {
    out,
    scale,
    environment: settingsOf({ ...options, out }).environment,
    jobs: jobs ?? defaultJobs(),
    status: new StatusLine(io.out, { quiet: json }),
  });
  const index = await writeIndex(out, all, outcomes, scale);
  if (json) printJson(io, { index, notebooks: outcomes });
  else io.out.write(`\nOpen ${index}\n`);
  const failed = outcomes.filter(({ status }) => status === 'failed').map(({ name }) => name);
  if (failed.length > 0) throw new CliError(`failed: ${failed.join(', ')} (the error is above)`);
}

/** Side by side only where the engine of each still has cores of its own. */
const defaultJobs = (cores = availableParallelism()): number =>
  cores < 4 ? 1 : Math.min(4, Math.floor(cores / 2));

/** Says what will run and what it takes, and that what is missing will fail. */
function announce(io: Io, plan: readonly Planned[], options: Options): void {
  const out = resolve(options.out);
  const { scale, fromScratch = false, json = false, device } = options;
  // On the processor: no GPU is to be held while the notebooks run.
  const asks = plan.some(({ because, samples }) => because !== null && samples);
  if (asks) init({ device: 'cpu' });
  const planned = asks ? experimentPlan({ ...options, out }) : undefined;
  const needs = needsOf(plan, {
    scale,
    jobs: options.jobs ?? defaultJobs(),
    fromScratch,
    onGpu: device?.startsWith('cuda') ?? false,
    ...(planned && { experiment: { experiment: planned.experiment, runs: planned.plan.runs } }),
  });
  const there = roomAt(out);
  if (!json) {
    io.out.write(describePlan(plan, scale));
    if (needs.diskBytes > 0) {
      io.out.write(`Needs about: ${describeRoom(needs)}. Free: ${describeRoom(there)}.\n`);
    }
    io.out.write('\n');
  }
  const missing = fromScratch ? [] : (planned?.plan.missing ?? []);
  for (const text of missing) io.err.write(`missing: ${text}\n`);
  requireRoom(needs, there, out);
}

function showPlan(
  io: Io,
  plan: readonly Planned[],
  removed: readonly string[],
  options: Options,
): void {
  const { scale, json } = options;
  const samples = plan.some((planned) => planned.samples);
  const experiment = samples ? experimentPlan(options).plan : undefined;
  if (json) {
    const notebooks = plan.map(({ notebook: { name, title }, because, last, expected }) => {
      return { name, title, because, last, expected };
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
      scale: options.scale,
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
    announce(io, plan(), options);
    if (options.fromScratch) await trainFromScratch(io, worldIn(out), options);
    // After the training: results depend on the models that it made.
    await runPlan(io, all, plan(), options);
  } finally {
    unlock();
  }
}

const HELP = `
A notebook runs again only when it, the code or the data changed. A folder has one reproduction at a
time: a second is refused. Notebooks whose figures show times run alone; the others may run side by side
(--jobs). Memory and disk are checked before anything starts. --clean takes only what reproductions made: with --only, of those notebooks.

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
      new Option('--device <device>', 'cpu, cuda or cuda:N (default cpu)')
        .argParser(device('--device'))
        .env('MAMBALAB_DEVICE'),
    )
    .option(
      '--jobs <count>',
      'notebooks side by side, of those that measure no times (default by cores: 1 below four)',
      whole('--jobs', 1, 64),
    )
    .option('--from-scratch', "train the mini world's models first, into world/ of the results")
    .option('--dry-run', 'say what would run, and run nothing')
    .addHelpText('after', HELP)
    .action((_options, command: Command) => reproduce(io, command.optsWithGlobals<Options>()));
}
