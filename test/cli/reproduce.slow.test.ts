import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startOf } from '#setup/lock.mjs';
import { root, venvProgram } from '#setup/places.mjs';
import { NEEDS_QUIET } from '../../lib/experiment/index.js';
import { writeNotebook } from './notebooks.js';
import { mambalab } from './run.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mambalab-reproduce-'));
  const drawing =
    'from IPython.display import SVG\nSVG(\'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><path d="M0 0"/></svg>\')';
  writeNotebook(folder, 'bad', '# Bad', [
    'x = 1',
    "raise ValueError('on purpose')",
    "print('later')",
  ]);
  writeNotebook(folder, 'good', '# Good', [
    drawing,
    "import os; print(os.environ['MAMBALAB_SCALE'])",
  ]);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!existsSync(venvProgram('python')))('reproduce', () => {
  it('executes, shows what failed, goes on, and runs nothing twice', async () => {
    const out = join(folder, 'out');
    const args = ['reproduce', '--notebooks', folder, '--out', out, '--scale', 'smollm'];
    const first = await mambalab(...args);
    expect(first.code).toBe(1);
    expect(first.out).toMatch(/bad: failed\n[\s\S]*ValueError: on purpose/);
    expect(first.out).toMatch(/good: executed in .*, figures: 1/);
    expect(first.err).toContain('failed: bad');
    expect(readdirSync(out).sort()).toEqual(['good', 'index.html']);
    expect(readFileSync(join(out, 'good', 'fig1.svg'), 'utf8')).toContain('<path d="M0 0"');
    const png = readFileSync(join(out, 'good', 'fig1.png'));
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect(readFileSync(join(out, 'good', 'good.ipynb'), 'utf8')).toContain('smollm');
    expect(
      /src="data:image\/svg\+xml;base64,/.test(
        readFileSync(join(out, 'good', 'good.html'), 'utf8'),
      ),
    ).toBe(true);
    const page = readFileSync(join(out, 'index.html'), 'utf8');
    expect(page).toContain('Bad: failed');
    expect(page).toContain('href="good/good.html"');

    const again = JSON.parse((await mambalab(...args, '--only', 'good', '--json')).out);
    expect(again.notebooks).toEqual([{ name: 'good', status: 'up to date' }]);

    rmSync(join(out, 'good', 'fig1.svg'));
    const mended = JSON.parse((await mambalab(...args, '--only', 'good', '--json')).out);
    expect(mended.notebooks).toMatchObject([{ name: 'good', status: 'executed', figures: 1 }]);
  });

  it('runs what measures no time side by side, and alone what has to sample', async () => {
    const notebooks = mkdtempSync(join(folder, 'beside-'));
    const out = join(notebooks, 'out');
    const log = join(notebooks, 'log');
    const says = (name: string) =>
      `import os, time\nopen(${JSON.stringify(log)}, 'a').write('${name} ' + os.environ.get('MAMBALAB_SAMPLING', 'allowed') + '\\n')`;
    const waits = `while open(${JSON.stringify(log)}).read().count('refuse') < 2: time.sleep(0.05)`;
    const samples = `if 'MAMBALAB_SAMPLING' in os.environ: raise RuntimeError('${NEEDS_QUIET}')`;
    writeNotebook(notebooks, '01-times', '# Times', [says('times')]);
    writeNotebook(notebooks, '02-reads', '# Reads', [says('reads'), waits], {
      measuresTime: false,
    });
    writeNotebook(notebooks, '03-samples', '# Samples', [says('samples'), waits, samples], {
      measuresTime: false,
    });
    const run = await mambalab(
      ...['reproduce', '--notebooks', notebooks, '--out', out, '--jobs', '2'],
    );
    expect(run).toMatchObject({ code: 0, err: '' });
    const lines = readFileSync(log, 'utf8').trim().split('\n');
    expect(lines[0]).toBe('times allowed');
    expect(lines.slice(1, 3).sort()).toEqual(['reads refuse', 'samples refuse']);
    expect(lines.slice(3)).toEqual(['samples allowed']);
  });

  it('leaves no kernel behind when it is killed, and goes on', async () => {
    const notebooks = mkdtempSync(join(folder, 'killed-'));
    const out = join(notebooks, 'out');
    const mark = join(notebooks, 'kernel.pid');
    const first = `import os, time\nagain = os.path.exists(${JSON.stringify(mark)})\nopen(${JSON.stringify(mark)}, 'w').write(str(os.getpid()))`;
    writeNotebook(notebooks, 'wait', '# Wait', [first, 'again or time.sleep(3600)']);
    const main = join(root, 'dist', 'lib', 'cli', 'main.js');
    const args = [main, 'reproduce', '--notebooks', notebooks, '--out', out];
    const program = spawn(process.execPath, args, { stdio: 'ignore' });
    const ended = new Promise((done) => program.on('close', done));
    while (!existsSync(mark) || readFileSync(mark, 'utf8') === '') await sleep(50);
    const kernel = Number(readFileSync(mark, 'utf8'));
    program.kill('SIGKILL');
    await ended;
    while (startOf(kernel) !== null) await sleep(50);
    const again = await mambalab('reproduce', '--notebooks', notebooks, '--out', out);
    expect(again).toMatchObject({ code: 0, err: '' });
    expect(readdirSync(out).sort()).toEqual(['index.html', 'wait']);
  });

  it('stops its kernel and leaves nothing half-done when it is told to stop', async () => {
    const notebooks = mkdtempSync(join(folder, 'waiting-'));
    const out = join(notebooks, 'out');
    const mark = join(notebooks, 'kernel.pid');
    const wait = `import os, time\nopen(${JSON.stringify(mark)}, 'w').write(str(os.getpid()))`;
    writeNotebook(notebooks, 'wait', '# Wait', [wait, 'time.sleep(3600)']);
    mkdirSync(join(out, '.wait.999999999'), { recursive: true });
    const main = join(root, 'dist', 'lib', 'cli', 'main.js');
    const args = [main, 'reproduce', '--notebooks', notebooks, '--out', out];
    const program = spawn(process.execPath, args, { stdio: 'ignore' });
    const ended = new Promise((done) => program.on('close', done));
    while (!existsSync(mark) || readFileSync(mark, 'utf8') === '') await sleep(50);
    program.kill('SIGTERM');
    expect(await ended).toBe(130);
    expect(readdirSync(out)).toEqual([]);
    const kernel = Number(readFileSync(mark, 'utf8'));
    // It ends by itself a moment after nbconvert told it to; the test's own time limit is the judge.
    while (startOf(kernel) !== null) await sleep(50);
  });
});
