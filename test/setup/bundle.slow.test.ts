import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addonFile, root } from '#setup/places.mjs';

const main = join(root, 'lib', 'setup', 'bundle', 'main.mjs');
const possible = process.platform === 'linux' && process.arch === 'x64' && existsSync(addonFile);

/** A container may have strace and not allow it. */
const strace =
  spawnSync('strace', ['-V']).status === 0 && spawnSync('strace', ['true']).status === 0;

let base: string;
let made: string;
/** The archive, unpacked elsewhere than it was made. */
let folder: string;
let program: string;

const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
const archiveIn = (out: string) =>
  join(out, readdirSync(out).find((name) => name.includes('.tar.')) as string);

function make(out: string, args: string[] = [], umask = '022') {
  const command = `umask ${umask}; exec "$0" "$@"`;
  const given = ['-c', command, process.execPath, main, '--out', out, ...args];
  const { status, stdout, stderr } = spawnSync('sh', given, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${stdout}${stderr}`);
  return stdout;
}

/** An environment with nothing of the one that tests run in; Node.js only where the bundle has none. */
function environment(bundle = folder): NodeJS.ProcessEnv {
  const own = existsSync(join(bundle, 'bin', 'node')) ? '' : `:${dirname(process.execPath)}`;
  return { HOME: join(base, 'home'), PATH: `/usr/bin:/bin${own}` };
}

function run(...args: string[]) {
  const options = { cwd: join(base, 'elsewhere'), encoding: 'utf8', env: environment() } as const;
  const { status, stdout, stderr } = spawnSync(program, args, options);
  return { code: status, out: stdout, err: stderr };
}

describe.skipIf(!possible)('a bundle', () => {
  beforeAll(() => {
    base = mkdtempSync(join(tmpdir(), 'mambalab-bundle-'));
    made = join(base, 'made');
    for (const name of ['elsewhere', 'home', 'unpacked']) mkdirSync(join(base, name));
    make(made);
    spawnSync('tar', ['-xf', archiveIn(made), '-C', join(base, 'unpacked')]);
    const [name] = readdirSync(join(base, 'unpacked'));
    folder = join(base, 'unpacked', name as string);
    program = join(base, 'mambalab');
    symlinkSync(join(folder, 'mambalab'), program);
  });

  afterAll(() => rmSync(base, { recursive: true, force: true }));

  it('is small enough to send, and nothing half-done is beside it', () => {
    expect(statSync(archiveIn(made)).size).toBeLessThan(30_000_000);
    expect(readdirSync(made).filter((entry) => entry.startsWith('.'))).toEqual([]);
    expect(readdirSync(made)).toHaveLength(2);
  });

  it('lists every file with its hash, and the commit and the versions', () => {
    const manifest = JSON.parse(readFileSync(join(folder, 'bundle.json'), 'utf8'));
    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
    expect(Object.keys(manifest.files).sort()).toEqual(
      files.filter((file) => file !== 'bundle.json').sort(),
    );
    for (const [file, hash] of Object.entries(manifest.files)) {
      expect(sha256(join(folder, file))).toBe(hash);
    }
    const { version, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(manifest).toMatchObject({ version, versions: { typescript: dependencies.typescript } });
    const head = spawnSync('git', ['-C', root, 'rev-parse', 'HEAD'], { encoding: 'utf8' });
    expect(manifest.commit).toBe(head.status === 0 ? head.stdout.trim() : null);
    const notices = readFileSync(join(folder, 'NOTICES.txt'), 'utf8');
    for (const name of ['@tensorflow/tfjs-core', 'vega', 'zod', '@resvg/resvg-js', 'cudarc']) {
      expect(notices).toContain(name);
    }
  });

  it('names no file of the checkout', () => {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = join(entry.parentPath, entry.name);
      expect([file, readFileSync(file).includes(root)]).toEqual([file, false]);
    }
  });

  it('explains itself', () => {
    const { code, out } = run('--help');
    expect(code).toBe(0);
    expect(out).toContain('Usage: mambalab');
    expect(run('bench').out.split('\n')).toEqual(
      expect.arrayContaining(['decode', 'gpu-decode', 'gpu-distil', 'gpu-scan', 'gsm8k']),
    );
    expect(run('bench', 'gpu-scan', '--help').out).toContain('Usage: mambalab bench gpu-scan');
  });

  it('samples, grades, trains and measures', { timeout: 300_000 }, () => {
    const teacher = join(folder, 'data', 'mini', 'teacher');
    const few = ['--task', 'stories', '--problems', '2', '--n', '2'];
    const sampled = run('sample', teacher, ...few, '--out', 'run', '--json');
    expect(sampled).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(sampled.out)).toMatchObject({ completions: 4, drawn: 4 });
    expect(run('grade', 'run').out).toContain('of 4 right');

    // TypeScript, so that its compiler is in the bundle, and a hybrid, so that tfjs' own kernels are.
    const rows = `${JSON.stringify({ text: 'Tom has 3 apples and buys 4 more. 3 + 4 = 7.' })}\n`;
    writeFileSync(join(base, 'elsewhere', 'rows.jsonl'), rows.repeat(4));
    const config = {
      recipe: 'mamba-in-llama',
      student: { family: 'mamba-in-llama', attentionLayers: [1] },
      steps: 2,
      learningRate: { kind: 'constant', rate: 1e-4 },
      data: { sources: ['rows.jsonl'], length: 64, batch: 1 },
      run: { folder: 'hybrid' },
    };
    const source = `const teacher: string = ${JSON.stringify(teacher)};\nexport default { ...${JSON.stringify(config)}, teacher };\n`;
    writeFileSync(join(base, 'elsewhere', 'hybrid.ts'), source);
    const distilled = run('distill', 'hybrid.ts', '--json');
    expect(distilled).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(distilled.out).last.loss).toBeGreaterThan(0);
    expect(run('sample', 'hybrid/model', ...few, '--out', 'again').code).toBe(0);

    const decode = ['bench', 'decode', '--batch', '2'];
    const peers = run(...decode, '--model', teacher, '--new', '4', '--runs', '1');
    expect(peers.out).toContain('transformers: not installed; a bundle comes without peers');
    // A figure needs the rasteriser's machine code and the typeface.
    const options = ['--models', teacher, '--new', '4', '--context', '16', '--figure', 'f.png'];
    expect(run(...decode, ...options).code).toBe(0);
    const png = readFileSync(join(base, 'elsewhere', 'f.png'));
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect(png.length).toBeGreaterThan(5000);
  });

  it.each([
    ['lab', 'JupyterLab'],
    ['reproduce', 'the notebooks'],
    ['kernel list', 'the Jupyter kernel'],
  ])('says that %s needs a checkout, but explains it', (command, lacks) => {
    const { code, err } = run(...command.split(' '));
    expect(code).toBe(1);
    expect(err).toMatch(new RegExp(`needs a checkout of mambalab: .* without ${lacks}`));
    expect(run(...command.split(' '), '--help').code).toBe(0);
  });

  it.skipIf(!strace)('opens nothing of the checkout, nor any package elsewhere', () => {
    const log = join(base, 'opened');
    const teacher = join(folder, 'data', 'mini', 'teacher');
    const args = ['sample', teacher, '--task', 'stories', '--problems', '1', '--n', '1'];
    const traced = ['-f', '-e', 'trace=open,openat,execve', '-o', log, program, ...args];
    const options = { cwd: join(base, 'elsewhere'), env: environment() };
    expect(spawnSync('strace', [...traced, '--out', 'traced'], options).status).toBe(0);
    const lines = readFileSync(log, 'utf8').split('\n');
    const opened = lines.flatMap((line) => /"([^"]+)".* = \d+$/.exec(line)?.[1] ?? []);
    expect(opened.some((path) => path.startsWith(join(folder, 'dist')))).toBe(true);
    const system = /^\/(etc|lib|lib64|usr|bin|proc|sys|dev)\//;
    const own = (path: string) => !path.startsWith('/') || path.startsWith(base);
    expect(opened.filter((path) => !system.test(path) && !own(path))).toEqual([]);
    expect(
      opened.filter((path) => path.startsWith(root) || /^\/usr.*node_modules/.test(path)),
    ).toEqual([]);
  });

  it('is well, and says which file is not as it was made', () => {
    const well = JSON.parse(run('doctor', '--json').out);
    expect(well.ok).toBe(true);
    const names = well.findings.map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(['node', 'bundle', 'addon', 'gpu driver']));
    expect(names).not.toContain('npm');
    appendFileSync(join(folder, 'README.md'), 'more');
    const ill = run('doctor');
    expect(ill.code).toBe(1);
    expect(ill.out).toMatch(/MISSING +bundle .*not as it was made: README\.md\n/);
  });

  it('has the same bytes each time, and replaces an older one', { timeout: 600_000 }, () => {
    const [one, two] = [join(base, 'one'), join(base, 'two')];
    make(one, ['--no-node']);
    const archive = archiveIn(one);
    make(two, ['--no-node'], '077');
    const second = archiveIn(two);
    expect(sha256(second)).toBe(sha256(archive));
    const [name] = readdirSync(one).filter((entry) => !entry.includes('.tar.'));
    writeFileSync(join(two, name as string, 'stray'), '');
    expect(make(two, ['--no-node', '--no-archive'])).toContain('without Node.js');
    expect(existsSync(join(two, name as string, 'stray'))).toBe(false);
    expect(readdirSync(two)).toHaveLength(2);
    const { stdout } = spawnSync(join(two, name as string, 'mambalab'), ['--version'], {
      encoding: 'utf8',
      env: environment(join(two, name as string)),
    });
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
