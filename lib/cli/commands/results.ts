import type { Command } from 'commander';
import { Option } from 'commander';
import {
  type AccuracyPoint,
  accuracyCurve,
  type Measure,
  measures,
  powersOfTwo,
  problemSamples,
} from '../../eval/index.js';
import {
  columnsOf,
  exportTable,
  findRuns,
  type LoadResultsOptions,
  loadResults,
  mergeRuns,
  overviewOf,
  packRun,
  type Reduction,
  type RunOverview,
  reductions,
} from '../../results/index.js';
import { CliError, type GlobalOptions, type Io, printJson, table } from '../command.js';

interface ReadOptions extends GlobalOptions {
  readonly grades?: string;
  readonly scores?: string;
  readonly reduce?: Reduction;
  readonly dropUngraded?: boolean;
}

function runsOf(folders: readonly string[]): string[] {
  return folders.flatMap((folder) => {
    const runs = findRuns(folder);
    if (runs.length === 0)
      throw new CliError(`${folder}: no run is there (mambalab sample makes one)`);
    return runs;
  });
}

function loadOptions({ grades, scores, reduce, dropUngraded }: ReadOptions): LoadResultsOptions {
  return {
    ...(grades !== undefined && { grades }),
    ...(scores !== undefined && { scores }),
    ...(reduce !== undefined && { reduce }),
    ...(dropUngraded && { ungraded: 'drop' }),
  };
}

function columnText(columns: Readonly<Record<string, number>>): string {
  const names = Object.entries(columns).map(([name, count]) => `${name} (${count})`);
  return names.join(', ') || '-';
}

function describe(overviews: readonly RunOverview[]): string {
  const rows = overviews.map((run) => [
    run.path,
    run.model,
    run.task,
    `${run.problems} x ${run.n}`,
    String(run.seed),
    `${run.completions}/${run.expected}${run.packed ? ' packed' : ''}`,
    columnText(run.grades),
    columnText(run.scores),
  ]);
  const head = ['run', 'model', 'task', 'problems', 'seed', 'completions', 'grades', 'scores'];
  return table([head, ...rows]);
}

function list(io: Io, folders: readonly string[], { json }: GlobalOptions): void {
  const overviews = runsOf(folders.length > 0 ? folders : ['runs']).map(overviewOf);
  if (json) printJson(io, overviews);
  else io.out.write(describe(overviews));
}

interface Summary {
  readonly path: string;
  readonly problems: number;
  readonly completions: number;
  readonly undecided: number;
  /** Of each measure its expectation over subsets of k completions. */
  readonly accuracy: Readonly<Partial<Record<Measure, readonly AccuracyPoint[]>>>;
}

function summaryOf(path: string, options: ReadOptions): Summary {
  const results = loadResults(path, loadOptions(options));
  const { correct, reward } = columnsOf(results);
  if (correct.length === 0) throw new CliError(`${path}: has no graded completions`);
  const problems = problemSamples(results);
  const isScored = !Array.from(reward).some(Number.isNaN);
  const chosen = measures.filter(
    (measure) => isScored || measure === 'coverage' || measure === 'majority',
  );
  const least = Math.min(...problems.map(({ groups }) => groups.length));
  const ks = powersOfTwo(least);
  return {
    path,
    problems: problems.length,
    completions: correct.length,
    undecided: Array.from(correct).filter((verdict) => verdict === 'undecided').length,
    accuracy: Object.fromEntries(
      chosen.map((measure) => [measure, accuracyCurve(problems, measure, ks)]),
    ),
  };
}

const percent = (share: number) => (100 * share).toFixed(1);

function show(io: Io, folders: readonly string[], options: ReadOptions): void {
  const summaries = runsOf(folders).map((path) => summaryOf(path, options));
  if (options.json) {
    printJson(io, summaries);
    return;
  }
  for (const { path, problems, completions, undecided, accuracy } of summaries) {
    const open = undecided > 0 ? `, ${undecided} undecided` : '';
    io.out.write(`${path}: ${problems} problems, ${completions} completions${open}\n`);
    const curves = Object.entries(accuracy);
    const rows = (curves[0]?.[1] ?? []).map(({ k }, i) => [
      `  ${k}`,
      ...curves.map(([, points]) => {
        const { accuracy: share = 0, low = 0, high = 0 } = points[i] ?? {};
        return `${percent(share)} (${percent(low)} to ${percent(high)})`;
      }),
    ]);
    io.out.write(table([['  k', ...curves.map(([measure]) => measure)], ...rows]));
  }
}

function merge(io: Io, out: string, shards: readonly string[], { json }: GlobalOptions): void {
  const merged = mergeRuns(out, shards);
  if (json) printJson(io, merged);
  else io.out.write(`${out}: ${merged.completions} of ${merged.total} completions\n`);
}

async function pack(io: Io, paths: readonly string[], { json }: GlobalOptions): Promise<void> {
  const sizes: Record<string, { before: number; after: number }> = {};
  for (const path of paths) {
    const { before, after } = await packRun(path);
    sizes[path] = { before, after };
    if (!json) {
      io.out.write(
        `${path}: ${(before / 1e6).toFixed(1)} MB, now ${(after / 1e6).toFixed(1)} MB\n`,
      );
    }
  }
  if (json) printJson(io, sizes);
}

interface ExportOptions extends ReadOptions {
  readonly to: string;
}

function exportRuns(io: Io, folders: readonly string[], options: ExportOptions): void {
  const { to, json } = options;
  if (!/\.(parquet|csv)$/i.test(to)) {
    throw new CliError(`--to: expected a path that ends in .parquet or .csv, got '${to}'`, 2);
  }
  const results = loadResults(runsOf(folders), loadOptions(options));
  exportTable(results, to);
  if (json) printJson(io, { path: to, rows: results.numRows() });
  else io.out.write(`${to}: ${results.numRows()} rows\n`);
}

function reading(command: Command): Command {
  return command
    .option('--grades <name>', 'which grades (default the newest)')
    .option('--scores <name>', "which reward model's scores (default the only ones)")
    .addOption(new Option('--reduce <how>', 'from step scores to one').choices([...reductions]))
    .option('--drop-ungraded', 'leave out completions without a grade');
}

const EXAMPLES = `
Examples:
  mambalab results list
  mambalab results show runs/smollm2-135m-instruct-gsm8k-seed0
  mambalab results merge runs/math runs/math-1of4 runs/math-2of4 runs/math-3of4 runs/math-4of4
  mambalab results export runs --to all.parquet`;

/** `results list|show|merge|export|pack`: runs on the disk. */
export function registerResults(program: Command, io: Io): void {
  const results = program
    .command('results')
    .description('runs on the disk: list, sum up, merge shards, export, pack')
    .addHelpText('after', EXAMPLES);
  results
    .command('list')
    .description('runs, and how far they are')
    .argument('[folders...]', 'runs, or folders of runs (default runs)')
    .action((folders: string[], _options, command: Command) =>
      list(io, folders, command.optsWithGlobals<GlobalOptions>()),
    );
  reading(
    results
      .command('show')
      .description('accuracy of graded runs in percent, by every measure, with 95 % intervals')
      .argument('<folders...>', 'runs, or folders of runs'),
  ).action((folders: string[], _options, command: Command) =>
    show(io, folders, command.optsWithGlobals<ReadOptions>()),
  );
  results
    .command('merge')
    .description('shards of one run as a new run, with their grades and scores')
    .argument('<out>', 'the folder of the new run')
    .argument('<shards...>', 'folders of shards')
    .action((out: string, shards: string[], _options, command: Command) =>
      merge(io, out, shards, command.optsWithGlobals<GlobalOptions>()),
    );
  reading(
    results
      .command('export')
      .description('one row for a completion, as Parquet or CSV')
      .argument('<folders...>', 'runs, or folders of runs')
      .requiredOption('--to <file>', 'a path that ends in .parquet or .csv'),
  ).action((folders: string[], _options, command: Command) =>
    exportRuns(io, folders, command.optsWithGlobals<ExportOptions>()),
  );
  results
    .command('pack')
    .description('compress the completions of finished runs; they are read as before')
    .argument('<runs...>', 'folders of runs')
    .action((paths: string[], _options, command: Command) =>
      pack(io, paths, command.optsWithGlobals<GlobalOptions>()),
    );
}
