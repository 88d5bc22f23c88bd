import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installKernelSpec } from '../../kernel/install.js';
import { ipynb } from './ipynb.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const windows = process.platform === 'win32';
const python = join(root, '.mambalab', 'venv', windows ? 'Scripts/python.exe' : 'bin/python');

describe('the kernel as Jupyter sees it', () => {
  let prefix: string;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    prefix = mkdtempSync(join(tmpdir(), 'mambalab-spec-'));
    await installKernelSpec({ prefix, packageRoot: root, nodePath: process.execPath });
    env = { ...process.env, JUPYTER_PATH: join(prefix, 'share', 'jupyter') };
  });
  afterAll(() => rmSync(prefix, { recursive: true, force: true }));

  it('has a spec that starts the built kernel', () => {
    const folder = join(prefix, 'share', 'jupyter', 'kernels', 'mambalab');
    const spec = JSON.parse(readFileSync(join(folder, 'kernel.json'), 'utf8'));
    expect(spec).toMatchObject({
      display_name: 'TypeScript (mambalab)',
      language: 'typescript',
      interrupt_mode: 'message',
    });
    expect(spec.argv[0]).toBe(process.execPath);
    expect(existsSync(spec.argv[1])).toBe(true);
    expect(spec.argv[2]).toBe('{connection_file}');
    expect(existsSync(join(folder, 'logo-svg.svg'))).toBe(true);
  });

  it('refuses a name that is no file name', async () => {
    const options = { prefix, packageRoot: root, nodePath: process.execPath, name: '../x' };
    await expect(installKernelSpec(options)).rejects.toThrow('kernel name');
  });

  it('passes the conformance suite, nothing skipped', { timeout: 300_000 }, () => {
    const script = fileURLToPath(new URL('./conformance.py', import.meta.url));
    const { status, stderr } = spawnSync(python, [script], { env, encoding: 'utf8' });
    expect(stderr).toContain('Ran 25 tests');
    expect(stderr).toMatch(/^OK$/m);
    expect(status).toBe(0);
  });

  it('executes notebooks headless and stops at an error', { timeout: 300_000 }, () => {
    const run = (name: string, sources: string[], ...flags: string[]) => {
      const file = join(prefix, `${name}.ipynb`);
      writeFileSync(file, ipynb(sources));
      const args = [
        '-m',
        'nbconvert',
        '--to',
        'notebook',
        '--execute',
        '--output',
        'out',
        ...flags,
      ];
      execFileSync(python, [...args, file], { env, stdio: 'pipe' });
      return JSON.parse(readFileSync(join(prefix, 'out.ipynb'), 'utf8'));
    };
    const shown = `({ [Symbol.for('Jupyter.display')]: async () => ({ 'image/svg+xml': '<svg/>' }) })`;
    const done = run('good', [`console.log('hi'); const x = 2;`, shown, 'x * 21']);
    const [first, second, third] = done.cells.map((c: { outputs: unknown[] }) => c.outputs[0]);
    expect(first).toMatchObject({ output_type: 'stream', name: 'stdout', text: ['hi\n'] });
    expect(second.data).toHaveProperty('image/svg+xml');
    expect(third.data['text/plain']).toEqual(['42']);
    const failing = [`throw new Error('stop here')`, '1'];
    expect(() => run('bad', failing)).toThrow('stop here');
    expect(run('allowed', failing, '--allow-errors').cells[1].outputs).toHaveLength(1);
  });
});
