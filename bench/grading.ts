/**
 * The grader's verdicts on its pairs and the time that each takes, beside Python's Math-Verify in the
 * same run where that is installed.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { localFolder, root, venvIn } from '#setup/places.mjs';
import { answersEqual, median } from '../lib/eval/index.js';
import { type Pair, pairs } from '../test/eval/pairs.js';
import { howToInstall } from './shared/peers.js';
import { program } from './shared/program.js';

const HELP = `Usage: mambalab bench grading [options]

Compares the ${pairs.length} pairs of answers of test/eval/pairs.ts: how many verdicts are right, which
unequal pairs are called equal, and how long a pair takes. Beside it Math-Verify, where
\`node bench/peers/install.mjs math-verify\` has installed it.

  --disagreements  list every pair on which the two differ
  --json           one JSON document`;

interface Judged {
  readonly name: string;
  readonly verdicts: readonly unknown[];
  readonly milliseconds: readonly number[];
}

function ours(): Judged {
  // The first round compiles.
  for (const { a, b } of pairs) answersEqual(a, b);
  const milliseconds: number[] = [];
  const verdicts = pairs.map(({ a, b }) => {
    const start = performance.now();
    const verdict = answersEqual(a, b);
    milliseconds.push(performance.now() - start);
    return verdict;
  });
  return { name: 'mambalab', verdicts, milliseconds };
}

/** Math-Verify's verdicts, or why there are none. */
function mathVerify(): Judged | string {
  const python = venvIn(join(localFolder, 'peers', 'math-verify'))('python');
  if (!existsSync(python)) return `not installed; ${howToInstall('math-verify')}`;
  const script = join(root, 'bench', 'peers', 'math_verify_pairs.py');
  const { status, stdout, stderr } = spawnSync(python, [script], {
    input: JSON.stringify(pairs.map(({ a, b }) => [a, b])),
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (status !== 0) return `failed: ${stderr.slice(-300)}`;
  return { name: 'Math-Verify 0.9.0', ...(JSON.parse(stdout) as Omit<Judged, 'name'>) };
}

/** An unequal pair is judged right by any verdict but true. */
const isRight = (pair: Pair, verdict: unknown): boolean =>
  pair.equal ? verdict === true : verdict !== true;

function summary({ name, verdicts, milliseconds }: Judged) {
  const wrongYes = pairs.filter((p, i) => !p.equal && verdicts[i] === true);
  return {
    name,
    pairs: pairs.length,
    right: pairs.filter((p, i) => isRight(p, verdicts[i])).length,
    wrongYes: wrongYes.length,
    missed: pairs.filter((p, i) => p.equal && verdicts[i] !== true).length,
    medianMs: median(milliseconds),
    mostMs: Math.max(...milliseconds),
  };
}

await program('grading', HELP, (args) => {
  const { values } = parseArgs({
    args,
    options: {
      disagreements: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const own = ours();
  const peer = mathVerify();
  const judged = typeof peer === 'string' ? [own] : [own, peer];
  const differ =
    typeof peer === 'string'
      ? []
      : pairs.flatMap((p, i) =>
          isRight(p, own.verdicts[i]) === isRight(p, peer.verdicts[i])
            ? []
            : [{ ...p, ours: own.verdicts[i], theirs: peer.verdicts[i] }],
        );
  const rows = judged.map(summary);
  if (values.json) {
    const absent = typeof peer === 'string' ? { 'math-verify': peer } : {};
    console.log(JSON.stringify({ rows, absent, disagreements: differ }));
    return;
  }
  for (const r of rows) {
    console.log(
      `${r.name}: ${r.right} of ${r.pairs} right, ${r.wrongYes} unequal called equal, ` +
        `${r.missed} equal missed; ${r.medianMs.toFixed(3)} ms a pair at the median, ${r.mostMs.toFixed(1)} at most`,
    );
  }
  if (typeof peer === 'string') console.log(`Math-Verify: ${peer}`);
  if (!values.disagreements) return;
  for (const { a, b, equal, ours, theirs, why } of differ) {
    const truth = equal ? 'equal' : 'not equal';
    console.log(`${a} | ${b} | ${truth} | mambalab ${ours}, Math-Verify ${theirs} | ${why}`);
  }
});
