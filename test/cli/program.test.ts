import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '#setup/places.mjs';
import { table } from '../../lib/cli/command.js';
import { mambalab } from './run.js';

const commands = ['doctor', 'data', 'kernel', 'reproduce', 'sample', 'grade', 'results', 'bench'];

describe('mambalab', () => {
  it('prints help with its commands and examples', async () => {
    const { code, out } = await mambalab('--help');
    expect(code).toBe(0);
    for (const command of commands) expect(out).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
    expect(out).toContain('Examples:');
  });

  it.each(commands)('%s --help has examples', async (command) => {
    const { code, out } = await mambalab(command, '--help');
    expect(code).toBe(0);
    expect(out).toContain(`Usage: mambalab ${command}`);
    expect(out).toContain('Examples:');
  });

  it('prints its version', async () => {
    expect((await mambalab('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [['cake'], "unknown command 'cake'"],
    [['doctor', '--fast'], "unknown option '--fast'"],
    [['doctor', 'now'], 'too many arguments'],
    [['reproduce', '--scale', 'huge'], 'Allowed choices are mini, smollm, paper'],
    [['kernel', 'install', '--prefix'], 'argument missing'],
    [['sample', 'm'], "required option '--task <name>' not specified"],
    [
      ['sample', 'm', '--task', 'gsm8k', '--n', '1.5'],
      "--n: expected an integer from 1 up, got '1.5'",
    ],
    [['sample', 'm', '--task', 'gsm8k', '--shard', '5/4'], '--shard: expected a part such as 1/4'],
    [['results', 'export', 'r', '--to', 'r.xls'], 'ends in .parquet or .csv'],
    [['bench', 'cake'], "no benchmark 'cake'"],
    [['kernel', 'install', '--user', '--prefix', '/p'], 'exclude each other'],
  ])('calls %j wrong, with exit code 2', async (args, message) => {
    const { code, out, err } = await mambalab(...args);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toContain(message);
  });

  it('says an error in a line, and its stack only when asked', async () => {
    const plain = await mambalab('data', 'fetch', 'cake');
    expect(plain.code).toBe(1);
    expect(plain.err).toMatch(/^mambalab: data\/manifest\.json has no entry 'cake'; it has .*\n$/);
    expect((await mambalab('--stack', 'data', 'fetch', 'cake')).err).toContain('\n    at ');
  });
});

describe('mambalab results', () => {
  const shipped = join(root, 'data', 'results');

  it('lists runs and sums them up, as text and as JSON', async () => {
    const listed = await mambalab('results', 'list', shipped);
    expect(listed.code).toBe(0);
    expect(listed.out).toMatch(/smollm2-gsm8k +SmolLM2-135M +gsm8k +50 x 16 +1 +800\/800 packed/);
    const shown = await mambalab('results', 'show', join(shipped, 'smollm2-gsm8k'));
    expect(shown.out).toMatch(/ k +coverage +majority +best +weighted\n +1 /);
    const json = await mambalab('--json', 'results', 'show', join(shipped, 'smollm2-gsm8k'));
    const [{ problems, accuracy }] = JSON.parse(json.out);
    expect(problems).toBe(50);
    expect(accuracy.coverage.at(-1).k).toBe(16);
  });

  it('says where no run is, with exit code 1', async () => {
    const { code, err } = await mambalab('results', 'show', '/nowhere');
    expect([code, err]).toEqual([
      1,
      'mambalab: /nowhere: no run is there (mambalab sample makes one)\n',
    ]);
  });
});

describe('table', () => {
  it('aligns columns and pads no line end', () => {
    const rows = [
      ['a', 'long name', 'x'],
      ['bb', 'n', ''],
    ];
    expect(table(rows)).toBe('a   long name  x\nbb  n\n');
  });
});
