import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { root } from '#setup/places.mjs';

const run = promisify(execFile);
const PATIENCE = { timeout: 60_000 };
const mambalab = join(root, 'dist', 'lib', 'cli', 'main.js');
const benchmarks = [
  'data',
  'decode',
  'device-text',
  'distillation',
  'eval',
  'gpu-decode',
  'gpu-distil',
  'gpu-scan',
  'grading',
  'gsm8k',
  'kernel',
  'profile',
  'results',
  'resume',
  'sampling',
  'scan',
  'teacher-cache',
  'tfjs-ops',
  'train',
];
const bench = (...args: string[]) => run(process.execPath, [mambalab, 'bench', ...args]);

describe('mambalab bench', () => {
  it('lists the benchmarks', PATIENCE, async () => {
    const { stdout } = await bench();
    expect(stdout.split('\n').slice(0, -1)).toEqual(benchmarks);
    expect((await bench('--help')).stdout).toContain('Usage: mambalab bench [name] [args...]');
  });

  it.each([
    ['data', '--workers LIST'],
    ['decode', '--batch LIST'],
    ['eval', '--votes N'],
    ['grading', '--disagreements'],
    ['gsm8k', '--problems N'],
    ['kernel', '--only NAME'],
    ['decode', '--models LIST'],
    ['device-text', '--compare FILE'],
    ['distillation', '--only LIST'],
    ['gpu-decode', '--models A,B'],
    ['gpu-distil', '--teacher NAME'],
    ['gpu-scan', '--python PATH'],
    ['profile', '--train CASE'],
    ['resume', '--kills N'],
    ['results', '--samples N'],
    ['sampling', '--rounds N'],
    ['scan', '--no-peers'],
    ['teacher-cache', '--divergence forward | reverse'],
    ['tfjs-ops', '--runs N'],
    ['train', '--length N'],
  ])("prints %s' own help", PATIENCE, async (name, option) => {
    const { stdout } = await bench(name, '--help');
    expect(stdout).toMatch(new RegExp(`^Usage: mambalab bench ${name} `));
    expect(stdout).toContain(option);
  });

  it.each([
    ['data', '--workers', 'all'],
    ['data', '--consumption', '0'],
    ['decode', '--runs', '0'],
    ['gsm8k', '--problems', 'all'],
    ['gsm8k', '--temperature', '-1'],
    ['kernel', '--runs', '1.5'],
    ['kernel', '--only', 'cake'],
    ['teacher-cache', '--k', '8,none'],
    ['decode', '--models', ''],
    ['resume', '--task', 'cake'],
    ['results', '--samples', '0'],
    ['sampling', '--batch', '0'],
    ['sampling', '--precision', 'q4_1'],
    ['scan', '--runs', '0'],
    ['tfjs-ops', '--threads', 'two'],
    ['scan', '--speed', ''],
    ['train', '--only', 'cake'],
    ['train', '--steps', '0'],
  ])('ends %s %s %s with a message and the help', PATIENCE, async (name, option, value) => {
    const failure = await bench(name, option, ...(value ? [value] : [])).catch((error) => error);
    expect(failure.code).not.toBe(0);
    expect(failure.stdout).toBe('');
    expect(failure.stderr).toMatch(new RegExp(`^bench ${name}: .*${option}`));
    expect(failure.stderr).toContain(`Usage: mambalab bench ${name} `);
    expect(failure.stderr).not.toContain('    at ');
  });

  it('ends quietly where its reader has gone', PATIENCE, async () => {
    const child = spawn(process.execPath, [mambalab, '--help'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    let said = '';
    child.stderr.on('data', (text) => {
      said += text;
    });
    expect(await new Promise((done) => child.on('close', done))).toBe(0);
    expect(said).toBe('');
  });
});
