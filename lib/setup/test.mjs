#!/usr/bin/env node
// Runs every test: the engine's by cargo, the rest by vitest (the fast project, then the slow one).
// Arguments are vitest's: `npm test -- test/data`, `npm test -- --project fast`.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { addonFile, localFolder, root } from './places.mjs';
import { countCargo, countVitest, sumCounts } from './test-counts.mjs';
import { findCargo } from './tools.mjs';

const help = `Usage: npm test -- [paths and options of vitest]

Runs the engine's tests (cargo test --release) and then the TypeScript ones (vitest: fast, then slow).
With paths only the tests under them run; lib/native is the engine's.

Examples:
  npm test
  npm test -- test/data
  npm test -- --project fast
  npm test -- lib/native`;

const engineFolder = join('lib', 'native');

/** Runs a program with its output shown; resolves to its exit code and what it wrote. */
function run(program, args, options) {
  return new Promise((done) => {
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text) => {
      output += text;
      process.stdout.write(text);
    });
    child.on('error', (error) => done({ code: 1, output: `${program}: ${error.message}\n` }));
    child.on('close', (code) => done({ code: code ?? 1, output }));
  });
}

async function engineTests() {
  const cargo = findCargo();
  if (!cargo) {
    process.stdout.write(
      'cargo is not installed: the engine cannot be tested (npm run setup says how)\n',
    );
    return { code: 1, passed: 0, failed: 1, skipped: 0 };
  }
  const crate = join(root, engineFolder);
  const args = ['test', '--release', '--locked', '--target-dir', join(crate, 'target')];
  const env = { ...process.env, PATH: `${process.env.PATH ?? ''}${delimiter}${cargo.folder}` };
  const { code, output } = await run(cargo.program, args, { cwd: crate, env });
  const counts = countCargo(output);
  // Tests that did not compile, or a crash, leave no count of their own.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return { code, ...counts };
}

async function typescriptTests(args) {
  const report = join(localFolder, 'test-report.json');
  mkdirSync(localFolder, { recursive: true });
  rmSync(report, { force: true });
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const { code } = await run(process.execPath, [vitest, 'run', ...reporters, ...args], {
    cwd: root,
    env: { ...process.env, ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : {}) },
  });
  const counts = existsSync(report)
    ? countVitest(JSON.parse(readFileSync(report, 'utf8')))
    : { passed: 0, failed: 0, skipped: 0 };
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return { code, ...counts };
}

const args = process.argv.slice(2);
if (args.includes('--help') || args.includes('-h')) {
  process.stdout.write(`${help}\n`);
  process.exit(0);
}
if (!existsSync(addonFile)) {
  process.stderr.write(`${addonFile} is not there: run set-up first (npm test does)\n`);
  process.exit(1);
}
const isEngine = (arg) => arg.replace(/\\/g, '/').startsWith('lib/native');
const vitestArgs = args.filter((arg) => !isEngine(arg));
const results = [];
if (args.length === 0 || args.some(isEngine)) results.push(await engineTests());
if (args.length === 0 || vitestArgs.length > 0) results.push(await typescriptTests(vitestArgs));

const total = sumCounts(results);
process.stdout.write(
  `\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`,
);
process.exitCode = results.some(({ code }) => code !== 0) || total.failed > 0 ? 1 : 0;
