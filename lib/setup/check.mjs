#!/usr/bin/env node
// Runs every check of style and types, shows what each found, and ends with a table.
import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { root } from './places.mjs';
import { seconds } from './report.mjs';
import { findCargo, installCommand } from './tools.mjs';

const script = (...path) => join(root, 'node_modules', ...path);
const crate = join(root, 'lib', 'native');
const cargo = findCargo();
const node = process.execPath;

const checks = [
  ['biome', 'format and lint', node, [script('@biomejs', 'biome', 'bin', 'biome'), 'check']],
  ['eslint', 'promises', node, [script('eslint', 'bin', 'eslint.js'), '--max-warnings', '0', '.']],
  ['tsc', 'types', node, [script('typescript', 'bin', 'tsc'), '--noEmit', '-p', 'tsconfig.json']],
  ['cargo fmt', 'format', cargo?.program, ['fmt', '--check'], crate],
  [
    'cargo clippy',
    'lint',
    cargo?.program,
    ['clippy', '--release', '--locked', '--all-targets', '--', '-D', 'warnings'],
    crate,
  ],
];

function run([name, what, program, args, cwd = root]) {
  if (!program) {
    const { command } = installCommand('cargo');
    return { name, what, ok: false, took: 0, why: `cargo is not installed: ${command}` };
  }
  process.stdout.write(`\n== ${name}: ${what}\n`);
  const began = Date.now();
  const env = {
    ...process.env,
    PATH: `${process.env.PATH ?? ''}${delimiter}${cargo?.folder ?? ''}`,
  };
  const { status, error } = spawnSync(program, args, { cwd, env, stdio: 'inherit' });
  const why = error ? error.message : `exit code ${status}`;
  return { name, what, ok: status === 0, took: Date.now() - began, why };
}

if (process.argv.includes('--help')) {
  const list = checks.map(([name, what]) => `  ${name.padEnd(14)} ${what}`).join('\n');
  process.stdout.write(
    `Usage: npm run check\n\nRuns, and ends with exit code 1 if one fails:\n${list}\n`,
  );
  process.exit(0);
}
const results = checks.map(run);
process.stdout.write('\n');
for (const { name, what, ok, took, why } of results) {
  const verdict = ok ? 'ok' : `failed (${why})`;
  process.stdout.write(
    `${name.padEnd(14)}${what.padEnd(18)}${seconds(took).padStart(7)}  ${verdict}\n`,
  );
}
process.exitCode = results.every(({ ok }) => ok) ? 0 : 1;
