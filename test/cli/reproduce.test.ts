import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { failureOf } from '../../lib/cli/reproduce/jupyter.js';
import { figuresOf, hashOfRun, readNotebook } from '../../lib/cli/reproduce/notebook.js';
import { renderPage } from '../../lib/cli/reproduce/page.js';
import { writeNotebook } from './notebooks.js';
import { mambalab } from './run.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mambalab-reproduce-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('notebooks', () => {
  it('have a title and a summary out of their first text', () => {
    writeNotebook(
      folder,
      'n',
      '# A `small` *one*\n\nWhat **it** [shows](http://x)\nin lines.\n\nMore.',
      [],
    );
    expect(readNotebook(join(folder, 'n.ipynb'))).toMatchObject({
      name: 'n',
      title: 'A small one',
      summary: 'What it shows in lines.',
    });
  });

  it('give their SVG outputs in order, whole or in lines', () => {
    const output = (data: object) => ({ output_type: 'display_data', data });
    const cells = [
      {
        cell_type: 'code',
        source: '',
        outputs: [output({ 'image/svg+xml': ['<svg>', '1</svg>'] })],
      },
      { cell_type: 'markdown', source: '' },
      { cell_type: 'code', source: '', outputs: [{}, output({ 'image/svg+xml': '<svg>2</svg>' })] },
    ];
    const path = join(folder, 'n.ipynb');
    writeFileSync(path, JSON.stringify({ cells }));
    expect(figuresOf(path)).toEqual(['<svg>1</svg>', '<svg>2</svg>']);
  });

  it('that are none are refused by name', () => {
    writeFileSync(join(folder, 'n.ipynb'), '{"cells": 3}');
    expect(() => readNotebook(join(folder, 'n.ipynb'))).toThrow(
      /n\.ipynb: not a notebook: expected a list/,
    );
    writeFileSync(join(folder, 'n.ipynb'), '{');
    expect(() => readNotebook(join(folder, 'n.ipynb'))).toThrow(/n\.ipynb: not a notebook/);
  });

  it('run again when they, the scale or the inputs change', () => {
    writeNotebook(folder, 'n', '# One', []);
    const one = readNotebook(join(folder, 'n.ipynb'));
    const hash = hashOfRun(one, 'inputs', 'mini');
    expect(hashOfRun(one, 'inputs', 'mini')).toBe(hash);
    expect(hashOfRun(one, 'inputs', 'smollm')).not.toBe(hash);
    expect(hashOfRun(one, 'others', 'mini')).not.toBe(hash);
    writeNotebook(folder, 'n', '# Two', []);
    expect(hashOfRun(one, 'inputs', 'mini')).not.toBe(hash);
  });
});

describe('failures', () => {
  it("are the cell and its error, without nbconvert's own traceback and colours", () => {
    const said = [
      'Traceback (most recent call last):',
      '  File "nbconvert", line 1',
      'nbclient.exceptions.CellExecutionError: An error occurred while executing the following cell:',
      '------------------',
      'x()',
      '------------------',
      '\x1b[0;31mNameError\x1b[0m: x',
    ].join('\n');
    expect(failureOf(said)).toMatch(/^An error occurred[\s\S]*x\(\)[\s\S]*\nNameError: x$/);
  });

  it('are the last lines where no cell failed', () => {
    const lines = Array.from({ length: 30 }, (_, i) => `line ${i}`);
    expect(failureOf(lines.join('\n')).split('\n')).toEqual(lines.slice(-12));
  });
});

describe('the page', () => {
  const record = {
    name: 'a b',
    title: 'Figure <1>',
    summary: 'Coverage & time',
    scale: 'mini',
    inputs: '',
    startedAt: '2026-01-02T03:04:05.000Z',
    seconds: 125,
    figures: ['fig1.svg', 'fig2.svg'],
    node: 'v20.19.0',
    platform: 'linux-x64',
    cpu: 'X x 2',
  };

  it('links every notebook, page and figure, and escapes what it shows', () => {
    const page = renderPage([record], []);
    for (const file of ['a%20b.html', 'a%20b.ipynb', 'run.json']) {
      expect(page).toContain(`href="a%20b/${file}"`);
    }
    expect(page).toContain('src="a%20b/fig2.svg"');
    expect(page).toContain('Figure &lt;1&gt;');
    expect(page).toContain('Coverage &amp; time');
    expect(page).toContain('1 executed notebook, 2 figures');
    expect(page).toContain('2026-01-02 03:04 UTC in 2.1 min');
  });

  it('shows what failed', () => {
    const page = renderPage([], [{ name: 'n', title: 'N', message: 'Error: <no>' }]);
    expect(page).toContain('N: failed');
    expect(page).toContain('Error: &lt;no&gt;');
  });
});

describe('reproduce', () => {
  it('names the notebooks there are for an unknown one', async () => {
    writeNotebook(folder, '00-tour', '# Tour', []);
    const args = ['--notebooks', folder, '--out', join(folder, 'out')];
    const { code, err } = await mambalab('reproduce', ...args, '--only', 'fig9');
    expect(code).toBe(2);
    expect(err).toContain("there is no notebook 'fig9'; there are 00-tour");
  });

  it('says when there are none', async () => {
    const { code, err } = await mambalab('reproduce', '--notebooks', folder);
    expect(code).toBe(1);
    expect(err).toContain('has no notebooks');
  });
});
