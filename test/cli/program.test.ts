import { describe, expect, it } from 'vitest';
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

describe('table', () => {
  it('aligns columns and pads no line end', () => {
    const rows = [
      ['a', 'long name', 'x'],
      ['bb', 'n', ''],
    ];
    expect(table(rows)).toBe('a   long name  x\nbb  n\n');
  });
});
