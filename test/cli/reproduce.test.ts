import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { choose } from '../../lib/cli/reproduce/choose.js';
import { removeResults, resultsIn } from '../../lib/cli/reproduce/clean.js';
import { failureOf } from '../../lib/cli/reproduce/jupyter.js';
import {
  figuresOf,
  hashOfInputs,
  hashOfRun,
  readNotebook,
} from '../../lib/cli/reproduce/notebook.js';
import { renderPage } from '../../lib/cli/reproduce/page.js';
import { machineOf, type RunRecord } from '../../lib/cli/reproduce/record.js';
import { lockFile } from '../../lib/results/writer-lock.js';
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
    expect(page.match(/<figcaption.*<a href="a%20b\/a%20b\.html">/g)).toHaveLength(2);
    expect(page).not.toContain('fig1.png');
    const both = renderPage([{ ...record, pngs: ['fig1.png'] }], []);
    expect(both).toContain('href="a%20b/fig1.png"');
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

describe('reproduce --only', () => {
  const notebook = (name: string) => ({ name, path: '', title: name, summary: '' });
  const all = ['00-tour', '01-coverage', '01-more', '10-distillation', 'notes'].map(notebook);
  const chosen = (...only: string[]) => choose(all, only, 'folder').map(({ name }) => name);

  it('takes names, numbers, lists and repetitions, each notebook once', () => {
    expect(chosen('10-distillation.ipynb', '00')).toEqual(['10-distillation', '00-tour']);
    expect(chosen('01,notes')).toEqual(['01-coverage', '01-more', 'notes']);
    expect(chosen('1', ' 01-more , 01 ')).toEqual(['01-coverage', '01-more']);
    expect(choose(all, undefined, 'folder')).toEqual(all);
  });

  it('refuses what is nobody: a part of a name or number is none', () => {
    const known = 'there are 00-tour, 01-coverage, 01-more, 10-distillation, notes';
    for (const wrong of ['2', 'tour', '00-', '01-coverage,02', 'note']) {
      expect(() => chosen(wrong)).toThrow(known);
    }
    expect(() => chosen('01,02')).toThrow("there is no notebook '02'");
    expect(() => chosen(' ,')).toThrow(`expected names or numbers of notebooks; ${known}`);
  });
});

describe('reproduce', () => {
  const out = () => join(folder, 'out');
  const call = (...args: string[]) =>
    mambalab('reproduce', '--notebooks', folder, '--out', out(), ...args);

  /** Results as an execution of this very state would leave them. */
  function writeResults(name: string, scale = 'mini') {
    const notebook = readNotebook(join(folder, `${name}.ipynb`));
    const inputs = hashOfRun(notebook, hashOfInputs(folder, out()), scale);
    const results = join(out(), name);
    mkdirSync(results, { recursive: true });
    const record: RunRecord = {
      ...notebook,
      ...machineOf(),
      scale,
      inputs,
      startedAt: '2026-01-02T03:04:05.000Z',
      seconds: 12,
      figures: ['fig1.svg'],
      pngs: ['fig1.png'],
    };
    writeFileSync(join(results, 'run.json'), JSON.stringify(record));
    for (const file of [`${name}.ipynb`, `${name}.html`, 'fig1.svg', 'fig1.png']) {
      writeFileSync(join(results, file), '');
    }
  }

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

  it('plans without running: what is current, what runs, why, and the times of last time', async () => {
    for (const name of ['01-a', '02-b', '03-c', '04-d']) writeNotebook(folder, name, '# N', []);
    expect((await call('--dry-run', '--only', '1')).out).toContain(
      '1 notebook to run: 1 not timed here yet.',
    );
    expect(existsSync(out())).toBe(false);
    for (const name of ['01-a', '02-b']) writeResults(name);
    writeResults('03-c', 'smollm');
    rmSync(join(out(), '02-b', 'fig1.svg'));
    const { code, out: text } = await call('--dry-run');
    expect(code).toBe(0);
    expect(text.split('\n')).toEqual([
      '01-a  up to date                 took 12 s last time',
      '02-b  runs (results incomplete)  took 12 s last time',
      '03-c  runs (inputs changed)      took 12 s last time at scale smollm',
      '04-d  runs (no results yet)      no time known',
      '3 notebooks to run: about 12 s, 2 not timed here yet.',
      '',
    ]);
    expect(readdirSync(out()).sort()).toEqual(['01-a', '02-b', '03-c']);
    expect((await call('--dry-run', '--only', '01')).out).toContain('Nothing to run.');
    expect((await call('--help')).out).toContain('--jobs <count>');
    const plan = JSON.parse((await call('--dry-run', '--force', '--only', '01', '--json')).out);
    expect(plan).toEqual({
      scale: 'mini',
      removed: [],
      notebooks: [
        {
          name: '01-a',
          title: 'N',
          because: 'forced',
          last: { seconds: 12, scale: 'mini' },
          expected: 12,
        },
      ],
    });
  });

  it('expects what a notebook says of itself where it has no time of its own yet', async () => {
    writeNotebook(folder, '01-a', '# N', []);
    const path = join(folder, '01-a.ipynb');
    const notebook = JSON.parse(readFileSync(path, 'utf8'));
    const hint = (mambalab: object) => {
      const metadata = { ...notebook.metadata, mambalab };
      writeFileSync(path, JSON.stringify({ ...notebook, metadata }));
    };
    hint({ measuresTime: false, takes: { mini: { seconds: 90 } } });
    expect((await call('--dry-run')).out).toMatch(
      /about 1 min 30 s on two cores\n.*about 1 min 30 s/,
    );
    expect((await call('--dry-run', '--scale', 'smollm')).out).toContain('no time known');
    hint({ measuresTimes: false });
    const wrong = await call('--dry-run');
    expect(wrong.code).toBe(1);
    expect(wrong.err).toMatch(/01-a\.ipynb: metadata\.mambalab: [\s\S]*measuresTimes/);
  });

  it.each([
    [['--jobs', '0'], "--jobs: expected an integer from 1 to 64, got '0'"],
    [['--device', 'tpu'], "--device: expected auto, cpu, cuda or cuda:N, got 'tpu'"],
  ])('refuses %j', async (args, message) => {
    writeNotebook(folder, '01-a', '# N', []);
    const { code, err } = await call(...args);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(existsSync(out())).toBe(false);
  });

  it('cleans away what it made, and only that', async () => {
    for (const name of ['01-a', '02-b']) {
      writeNotebook(folder, name, '# N', []);
      writeResults(name);
    }
    cpSync(join(out(), '01-a'), join(out(), 'copy'), { recursive: true });
    writeFileSync(join(out(), '02-b', 'mine.txt'), '');
    writeFileSync(join(out(), 'index.html'), renderPage([], []));
    for (const name of ['.02-b.999999999', '.backup.999999999']) mkdirSync(join(out(), name));

    const planned = await call('--clean', '--dry-run', '--only', '01', '--json');
    const file = (...parts: string[]) => join(out(), ...parts);
    expect(JSON.parse(planned.out).removed.sort()).toEqual(
      ['01-a.html', '01-a.ipynb', 'fig1.png', 'fig1.svg', 'run.json'].map((name) =>
        file('01-a', name),
      ),
    );
    const removed = resultsIn(out(), ['01-a', '02-b'], true);
    expect(removed).toContain(file('index.html'));
    removeResults(out(), removed);
    expect(readdirSync(out()).sort()).toEqual(['.backup.999999999', '02-b', 'copy']);
    expect(readdirSync(file('02-b'))).toEqual(['mine.txt']);
    expect(readdirSync(file('copy'))).toHaveLength(5);

    writeFileSync(file('index.html'), '<title>Mine</title>');
    expect(resultsIn(out(), ['01-a', '02-b'], true)).toEqual([]);
  });

  it('believes no record that names files elsewhere', () => {
    writeNotebook(folder, '01-a', '# N', []);
    writeResults('01-a');
    const record = {
      name: '01-a',
      figures: ['../../kept.svg', 'fig1.svg'],
      pngs: ['../../kept.svg', 'fig1.png'],
    };
    writeFileSync(join(out(), '01-a', 'run.json'), JSON.stringify(record));
    writeFileSync(join(folder, 'kept.svg'), '');
    removeResults(out(), resultsIn(out(), ['01-a'], false));
    expect(readdirSync(out())).toEqual([]);
    expect(existsSync(join(folder, 'kept.svg'))).toBe(true);
  });

  it('refuses a second reproduction in one folder, before it cleans', async () => {
    writeNotebook(folder, '01-a', '# N', []);
    writeResults('01-a');
    const unlock = lockFile(out(), join(out(), '.lock'));
    const second = await call('--clean');
    expect(second.code).toBe(1);
    expect(second.err).toContain(`${out()}: process ${process.pid} is writing it`);
    expect(readdirSync(join(out(), '01-a'))).toHaveLength(5);
    unlock();
    const third = await call();
    expect(third).toMatchObject({ code: 0, err: '' });
    expect(third.out).toMatch(/01-a +up to date/);
    expect(readdirSync(out()).sort()).toEqual(['01-a', 'index.html']);
  });
});
