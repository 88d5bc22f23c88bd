/**
 * The notebook kernel beside tslab, ipykernel and Deno, in the same run and over the same sockets:
 * what a person at a notebook waits for.
 */
import { parseArgs } from 'node:util';
import { median } from '../lib/eval/index.js';
import { contenders } from './kernel/contenders.js';
import { type Measure, measure } from './kernel/measures.js';
import { ArgumentError, program, whole } from './shared/program.js';

const HELP = `Usage: mambalab bench kernel [options]

Prints medians of start, cells, completion, inspection, output, interrupts and memory.
Peers are measured where they are installed: tslab, ipykernel (in the project's environment), deno.

  --runs N      of each measure, after one that does not count (30)
  --only NAME   one kernel
  --json        one JSON line with every value instead of the table`;

await program('kernel', HELP, async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      runs: { type: 'string', default: '30' },
      only: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const runs = whole('--runs', values.runs);
  const all = contenders();
  const chosen = all.filter(({ name }) => values.only === undefined || name === values.only);
  if (chosen.length === 0) {
    const names = all.map(({ name }) => name).join(', ');
    throw new ArgumentError(`--only takes one of ${names}, got '${values.only}'`);
  }
  const log = (text: string): void => {
    process.stderr.write(`${text}\n`);
  };
  const results: { name: string; measures: Measure[] }[] = [];
  for (const contender of chosen) {
    try {
      results.push({ name: contender.name, measures: await measure(contender, runs, log) });
    } catch (error) {
      log(`${contender.name}: gave up: ${(error as Error).message}`);
    }
  }
  if (values.json) process.stdout.write(`${JSON.stringify({ runs, results })}\n`);
  else process.stdout.write(report(results));
  process.exit(0);
});

/** A Markdown table: a row for each measure, a column for each kernel. */
function report(results: { name: string; measures: Measure[] }[]): string {
  const names = [...new Set(results.flatMap(({ measures }) => measures.map(({ name }) => name)))];
  const number = (value: number): string => (value < 10 ? value.toFixed(1) : value.toFixed(0));
  const rows = names.map((name) => {
    const found = results.map(({ measures }) => measures.find((m) => m.name === name));
    const { unit, goal } = found.find((m) => m !== undefined)!;
    const cells = found.map((m) => (m === undefined ? '' : number(median(m.values))));
    return [`${name}, ${unit}`, ...cells, `< ${goal}`];
  });
  const header = ['', ...results.map(({ name }) => name), 'goal'];
  const lines = [header, header.map((_, i) => (i === 0 ? '---' : '--:')), ...rows];
  return lines.map((line) => `| ${line.join(' | ')} |\n`).join('');
}
