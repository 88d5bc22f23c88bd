import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { root } from '#setup/places.mjs';
import { makeReport, type Report, seconds } from '#setup/report.mjs';
import { writeFileAtomic } from '../../plots/writeFileAtomic.js';
import { CliError, type GlobalOptions, type Io, printJson } from '../command.js';
import { execute } from '../reproduce/execute.js';
import { NotebookFailure } from '../reproduce/jupyter.js';
import { hashOfInputs, hashOfRun, listNotebooks, type Notebook } from '../reproduce/notebook.js';
import { type Failure, renderPage } from '../reproduce/page.js';
import { isCurrent, readRecord } from '../reproduce/record.js';

interface Options extends GlobalOptions {
  readonly only?: string;
  readonly scale: string;
  readonly out: string;
  readonly notebooks: string;
  readonly force?: boolean;
}

interface Outcome {
  readonly name: string;
  readonly status: 'executed' | 'up to date' | 'failed';
  readonly seconds?: number;
  readonly figures?: number;
  readonly error?: string;
}

function choose(all: readonly Notebook[], only: string | undefined, folder: string): Notebook[] {
  if (all.length === 0) throw new CliError(`${folder} has no notebooks (*.ipynb)`);
  if (only === undefined) return [...all];
  return only
    .split(',')
    .filter(Boolean)
    .map((name) => {
      const notebook = all.find((candidate) => candidate.name === name.replace(/\.ipynb$/, ''));
      if (notebook) return notebook;
      const known = all.map((candidate) => candidate.name).join(', ');
      throw new CliError(`--only: there is no notebook '${name}'; there are ${known}`, 2);
    });
}

async function runOne(
  notebook: Notebook,
  inputs: string,
  options: Options,
  report: Report,
): Promise<Outcome> {
  const { name } = notebook;
  const out = resolve(options.out);
  const hash = hashOfRun(notebook, inputs, options.scale);
  if (!options.force && isCurrent(join(out, name), hash)) {
    report.say(`${name}: up to date`);
    return { name, status: 'up to date' };
  }
  report.begin(`${name}: ${notebook.title} (scale ${options.scale})`);
  try {
    const { scale } = options;
    const record = await execute(notebook, {
      out,
      scale,
      inputs: hash,
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
): Promise<string> {
  const records = all.flatMap(({ name }) => readRecord(join(out, name)) ?? []);
  const failures = outcomes.flatMap(({ name, error }): Failure[] => {
    const title = all.find((notebook) => notebook.name === name)?.title ?? name;
    return error === undefined ? [] : [{ name, title, message: error }];
  });
  const file = join(out, 'index.html');
  await writeFileAtomic(file, renderPage(records, failures));
  return file;
}

async function reproduce(io: Io, options: Options): Promise<void> {
  const folder = resolve(options.notebooks);
  const out = resolve(options.out);
  const all = listNotebooks(folder);
  const chosen = choose(all, options.only, folder);
  mkdirSync(out, { recursive: true });
  const report = makeReport({ out: io.out, quiet: options.json ?? false });
  const inputs = hashOfInputs(folder, out);
  const outcomes: Outcome[] = [];
  for (const notebook of chosen) {
    outcomes.push(await runOne(notebook, inputs, options, report));
  }
  const index = await writeIndex(out, all, outcomes);
  if (options.json) printJson(io, { index, notebooks: outcomes });
  else io.out.write(`\nOpen ${index}\n`);
  const failed = outcomes.filter(({ status }) => status === 'failed').map(({ name }) => name);
  if (failed.length > 0) throw new CliError(`failed: ${failed.join(', ')} (the error is above)`);
}

/** `reproduce`: executes the notebooks without a browser and writes out/index.html. */
export function registerReproduce(program: Command, io: Io): void {
  const scale = new Option('--scale <scale>', 'models, data and budgets')
    .choices(['mini', 'smollm', 'paper'])
    .default('mini')
    .env('MAMBALAB_SCALE');
  program
    .command('reproduce')
    .description('execute the notebooks without a browser; notebook, HTML and figures go to out/')
    .option('--only <names>', 'only these notebooks (names with commas)')
    .addOption(scale)
    .option('--out <folder>', 'where results go', join(root, 'out'))
    .option('--notebooks <folder>', 'where the notebooks are', join(root, 'notebooks'))
    .option('--force', 'execute again what is up to date')
    .addHelpText(
      'after',
      '\nA notebook runs again only when it, the code or the data changed.\n\nExamples:\n  mambalab reproduce\n  mambalab reproduce --only 00-tour --force',
    )
    .action((_options, command: Command) => reproduce(io, command.optsWithGlobals<Options>()));
}
