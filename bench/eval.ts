/**
 * Completions to numbers: weighted best of N at all powers of two with its bootstrap, beside the public
 * vote called for every subset, and Figures 1 and 4 from a million completions on the disk, beside
 * loading their table.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '#setup/places.mjs';
import { init } from '../lib/backend/index.js';
import {
  accuracyCurve,
  expectedAccuracy,
  type ProblemSamples,
  powersOfTwo,
  problemSamples,
  weightedBestOfN,
} from '../lib/eval/index.js';
import { accuracyFigure, coverageFigure } from '../lib/plots/index.js';
import { loadResults } from '../lib/results/index.js';
import { makeRun, PROBLEMS } from './results/made.js';
import { program, whole } from './shared/program.js';

const HELP = `Usage: mambalab bench eval [options]

Makes graded and scored runs of ${PROBLEMS} problems and times what is computed from them: weighted best of N
with 1,000 bootstraps, and figures with their SVG.

  --votes N      completions of each problem that vote (256)
  --samples N    completions of each problem in the figures (2000: a million in all)
  --folder PATH  where the runs are written (out/bench-eval); about 1.7 kB a completion
  --keep         leave them there
  --json         one JSON document`;

const OPTIONS = {
  votes: { type: 'string', default: '256' },
  samples: { type: 'string', default: '2000' },
  folder: { type: 'string', default: join(root, 'out', 'bench-eval') },
  keep: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

interface Row {
  readonly name: string;
  readonly seconds: number;
}

/** Problems and draws of the comparison with the public vote. */
const COMPARED = { problems: 20, draws: 200 };

async function timed(rows: Row[], name: string, work: () => unknown): Promise<void> {
  const start = performance.now();
  await work();
  rows.push({ name, seconds: (performance.now() - start) / 1000 });
}

/** The plain way to the votes of {@link expectedAccuracy}: one call of the public vote a subset. */
function plainVotes({ groups, scores }: ProblemSamples, k: number): void {
  const answers = Array.from(groups, (group) => (group < 0 ? undefined : String(group)));
  for (let d = 0; d < COMPARED.draws; d++) {
    const from = d % (answers.length - k + 1);
    weightedBestOfN(answers.slice(from, from + k), scores.subarray(from, from + k), {
      equal: 'string',
    });
  }
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: OPTIONS });
  const votes = whole('--votes', values.votes, 2);
  const samples = whole('--samples', values.samples);
  const [voting, drawing] = ['votes', 'figures'].map((name) => join(values.folder, name)) as [
    string,
    string,
  ];
  init();
  makeRun(voting, votes);
  makeRun(drawing, samples);

  const rows: Row[] = [];
  const table = loadResults(voting);
  let problems: ProblemSamples[] = [];
  await timed(rows, 'answers grouped', () => {
    problems = problemSamples(table);
  });
  await timed(rows, 'weighted best of N, 1,000 bootstraps', () =>
    accuracyCurve(problems, 'weighted', powersOfTwo(votes), { resamples: 1000 }),
  );
  const k = Math.floor(votes / 2);
  const some = problems.slice(0, COMPARED.problems);
  const compared = `${COMPARED.draws} subsets of ${k}, ${some.length} problems`;
  await timed(rows, `${compared}: expectedAccuracy`, () => {
    for (const problem of some)
      expectedAccuracy(problem, 'weighted', k, { draws: COMPARED.draws, exactUpTo: 0 });
  });
  await timed(rows, `${compared}: weightedBestOfN`, () => {
    for (const problem of some) plainVotes(problem, k);
  });

  let million = loadResults(voting);
  await timed(rows, 'table of the figures', () => {
    million = loadResults(drawing);
  });
  await timed(rows, 'Figure 1, to SVG', () => coverageFigure({ made: million }).toSVG());
  await timed(rows, 'Figure 4, to SVG', () => accuracyFigure({ made: million }).toSVG());

  if (!values.keep) rmSync(values.folder, { recursive: true });
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ votes, completions: PROBLEMS * samples, rows })}\n`);
    return;
  }
  process.stdout.write(
    `${PROBLEMS} problems; ${votes} samples vote; figures from ${PROBLEMS * samples} completions\n`,
  );
  for (const { name, seconds } of rows) {
    process.stdout.write(`${name.padEnd(52)}${seconds.toFixed(3).padStart(9)} s\n`);
  }
}

await program('eval', HELP, main);
