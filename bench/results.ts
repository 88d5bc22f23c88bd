/**
 * Runs on the disk as tables: how long a million completions take, beside the least that reading their
 * bytes takes and the plain way, a JSON.parse of each line.
 *
 * Each measurement is a process of its own (this program again, with `--only`), for its peak memory.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { root } from '#setup/places.mjs';
import { init } from '../lib/backend/index.js';
import { coverageCurve, powersOfTwo, tallyByProblem } from '../lib/eval/index.js';
import { columnsOf, loadResults, Run, readCompletions } from '../lib/results/index.js';
import { makeRun, PROBLEMS } from './results/made.js';
import { ArgumentError, program, whole } from './shared/program.js';

const HELP = `Usage: mambalab bench results [options]

Makes a graded and scored run of ${PROBLEMS} problems, and reads it: its bytes, its lines plainly, and into
the table from which coverage with 1,000 bootstraps is computed.

  --samples N    completions of each problem (2000: a million in all)
  --folder PATH  where the run is written (out/bench-results); about 1.7 kB a completion
  --keep         leave it there
  --json         one JSON document`;

interface Measured {
  readonly name: string;
  readonly seconds: number;
  /** Of the process, with Node itself. */
  readonly peakBytes: number;
  readonly note: string;
}

const measures: Readonly<Record<string, (path: string) => string>> = {
  'read bytes': (path) => {
    const buffer = new Uint8Array(1 << 20);
    let bytes = 0;
    for (const name of readdirSync(path)) {
      const file = openSync(join(path, name), 'r');
      for (let got = -1; got !== 0; bytes += got) got = readSync(file, buffer);
      closeSync(file);
    }
    return `${(bytes / 1e9).toFixed(2)} GB`;
  },
  'parse lines': (path) => {
    let tokens = 0;
    for (const { value } of readCompletions(new Run(path))) tokens += value.tokens;
    return `${tokens} tokens`;
  },
  table: (path) => `${loadResults(path).numRows()} rows`,
  'table and coverage': (path) => {
    const { promptId, correct } = columnsOf(loadResults(path));
    const graded = function* () {
      for (let row = 0; row < promptId.length; row++) {
        yield { problem: promptId[row] as string, correct: correct[row] === true };
      }
    };
    const tallies = tallyByProblem(graded());
    const points = coverageCurve(tallies, powersOfTwo(tallies[0]?.samples ?? 1), {
      resamples: 1000,
    });
    const last = points.at(-1);
    return `pass@${last?.k} ${((last?.coverage ?? 0) * 100).toFixed(1)} %`;
  },
};

function measureHere(name: string, path: string): Measured {
  const start = performance.now();
  const note = (measures[name] as (path: string) => string)(path);
  const seconds = (performance.now() - start) / 1000;
  return { name, seconds, peakBytes: process.resourceUsage().maxRSS * 1024, note };
}

function measureApart(name: string, path: string): Measured {
  const own = fileURLToPath(import.meta.url);
  const args = [own, '--only', name, '--folder', path];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${name}: ${stderr}`);
  return JSON.parse(stdout) as Measured;
}

const OPTIONS = {
  samples: { type: 'string', default: '2000' },
  folder: { type: 'string', default: join(root, 'out', 'bench-results') },
  keep: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  only: { type: 'string' },
} as const;

function main(args: string[]): void {
  const { values } = parseArgs({ args, options: OPTIONS });
  const n = whole('--samples', values.samples);
  const { folder, only } = values;
  if (only !== undefined) {
    if (!Object.hasOwn(measures, only)) {
      throw new ArgumentError(`--only takes ${Object.keys(measures).join(', ')}, got '${only}'`);
    }
    process.stdout.write(JSON.stringify(measureHere(only, folder)));
    return;
  }
  init();
  makeRun(folder, n);
  const bytes = readdirSync(folder).reduce(
    (sum, name) => sum + statSync(join(folder, name)).size,
    0,
  );
  const rows = Object.keys(measures).map((name) => measureApart(name, folder));
  if (!values.keep) rmSync(folder, { recursive: true });
  const completions = PROBLEMS * n;
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ completions, bytes, rows })}\n`);
    return;
  }
  process.stdout.write(`${completions} completions, ${(bytes / 1e9).toFixed(2)} GB\n`);
  for (const { name, seconds, peakBytes, note } of rows) {
    const peak = `${(peakBytes / 1e9).toFixed(2)} GB`;
    process.stdout.write(
      `${name.padEnd(20)}${seconds.toFixed(1).padStart(7)} s${peak.padStart(10)}  ${note}\n`,
    );
  }
}

await program('results', HELP, main);
