import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const jupyter = join(root, '.mambalab/venv/bin/jupyter');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mambalab-jupyter-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(args: readonly string[], input = '') {
  return spawnSync(jupyter, args, { cwd: folder, input, encoding: 'utf8', timeout: 120_000 });
}

describe('jupyter run', () => {
  it('runs a file of TypeScript and prints what it prints', () => {
    const file = join(folder, 'sum.ts');
    writeFileSync(
      file,
      'const xs: number[] = [1, 2, 3];\nconsole.log(xs.reduce((a, b) => a + b));\n',
    );
    const { status, stdout } = run(['run', '--kernel=mambalab', file]);
    expect(stdout).toBe('6\n');
    expect(status).toBe(0);
  });

  it('shows the error of a file that fails, and exits with 1', () => {
    const file = join(folder, 'wrong.ts');
    writeFileSync(file, "const x: number = 'text';\n");
    const { status, stdout, stderr } = run(['run', '--kernel=mambalab', file]);
    expect(stdout + stderr).toContain("Type 'string' is not assignable to type 'number'");
    expect(status).toBe(1);
  });
});

it('jupyter console takes cells, answers, and ends', () => {
  const cells = "const y: number = 4;\ny * 10\nconsole.log('from the console', y)\n";
  const { status, stdout } = run(['console', '--kernel=mambalab', '--simple-prompt'], cells);
  expect(stdout).toContain('TypeScript 5.');
  expect(stdout).toMatch(/Out\[2\]: 40/);
  expect(stdout).toContain('from the console 4');
  expect(status).toBe(0);
});

describe('jupyter nbconvert', () => {
  function notebook(name: string, ...cells: readonly string[]): string {
    const path = join(folder, `${name}.ipynb`);
    const kernelspec = {
      display_name: 'TypeScript (mambalab)',
      language: 'typescript',
      name: 'mambalab',
    };
    const code = cells.map((source, i) => ({
      cell_type: 'code',
      id: `cell-${i}`,
      execution_count: null,
      metadata: {},
      outputs: [],
      source,
    }));
    writeFileSync(
      path,
      JSON.stringify({ cells: code, metadata: { kernelspec }, nbformat: 4, nbformat_minor: 5 }),
    );
    return path;
  }

  const html = (path: string, ...more: readonly string[]) =>
    run(['nbconvert', '--to', 'html', '--execute', ...more, path]);

  it('executes to HTML with every line, the last state of a bar and a chart as SVG', () => {
    const path = notebook(
      'good',
      'for (let i = 0; i < 500; i++) console.log("line " + i + ".");',
      "import * as plots from 'mambalab/plots';\nfor (const _ of plots.progress([1, 2, 3], { label: 'steps' })) {}",
      "plots.lines([{ x: 1, y: 2 }, { x: 2, y: 3 }], { title: 'A chart', x: { title: 'x' }, y: { title: 'y' } })",
    );
    const { status, stderr } = html(path);
    expect(stderr).not.toContain('Traceback');
    expect(status).toBe(0);
    const page = readFileSync(path.replace('.ipynb', '.html'), 'utf8');
    for (const i of [0, 250, 499]) expect(page).toContain(`line ${i}.`);
    expect(page).toMatch(/<svg|image\/svg\+xml/);
  });

  it('fails at a cell with an error, unless errors are allowed', () => {
    const path = notebook('bad', "throw new RangeError('too far')", '1 + 1');
    const failed = html(path);
    expect(failed.status).not.toBe(0);
    expect(failed.stderr).toContain('too far');
    const allowed = html(path, '--allow-errors');
    expect(allowed.status).toBe(0);
    const page = readFileSync(path.replace('.ipynb', '.html'), 'utf8');
    expect(page).toContain('too far');
    expect(page).toMatch(/Out\[2\]/);
  });
});
