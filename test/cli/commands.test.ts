import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { featuresOf } from '../../lib/cli/doctor/machine.js';
import { mambalab } from './run.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mambalab-cli-'));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

interface Finding {
  name: string;
  status: string;
  found: string;
  fix?: string;
}

describe('doctor', () => {
  it('finds the tools that this test runs with, and every line has its finding', async () => {
    const { out } = await mambalab('doctor', '--json');
    const { findings } = JSON.parse(out) as { findings: Finding[] };
    const byName = new Map(findings.map((finding) => [finding.name, finding]));
    const names = ['node', 'npm', 'rust', 'linker', 'python', 'cpu', 'cpu features', 'gpu driver'];
    names.push(
      'libcuda',
      'libnvrtc',
      'libcublasLt',
      'addon',
      'venv',
      'kernelspec',
      'cache',
      'model',
    );
    for (const name of names) expect(byName.get(name)?.found).toBeTruthy();
    expect(byName.get('node')).toMatchObject({
      status: 'ok',
      found: expect.stringContaining(process.version),
    });
    expect(byName.get('addon')).toMatchObject({
      status: 'ok',
      found: expect.stringContaining('kernels'),
    });
    for (const { status, fix } of findings) expect(status === 'missing').toBe(fix !== undefined);
  });

  it('fails, with the command that mends it, where the model or the addon is missing', async () => {
    vi.stubEnv('MAMBALAB_CACHE', join(folder, 'cache'));
    vi.stubEnv('MAMBALAB_DATA', '');
    const { code, out, err } = await mambalab('doctor');
    expect(code).toBe(1);
    expect(out).toMatch(/^MISSING {2}model +smollm2-135m-instruct is not here$/m);
    expect(out).toMatch(/To mend:\n[\s\S]*model: npm run setup -- --only model/);
    expect(err).toBe('');
  });

  it("reads the processor's features out of /proc/cpuinfo", () => {
    const text = 'model name\t: X\nflags\t\t: fpu sse avx2 fma avx512f\nbugs\t: \n';
    expect(featuresOf(text)).toEqual(['avx2', 'fma', 'avx512f']);
    expect(featuresOf('Features\t: fp asimd asimddp\n')).toEqual(['asimd', 'asimddp']);
    expect(featuresOf('')).toEqual([]);
  });
});

describe('data list', () => {
  it('shows what is here and what is not', async () => {
    vi.stubEnv('MAMBALAB_CACHE', folder);
    vi.stubEnv('MAMBALAB_DATA', '');
    mkdirSync(join(folder, 'gsm8k'));
    writeFileSync(join(folder, 'gsm8k', 'test.jsonl'), 'short');
    const { code, out } = await mambalab('data', 'list');
    expect(code).toBe(0);
    expect(out).toMatch(/gsm8k +dataset +MIT +test\.jsonl +750 kB +here, not the published bytes/);
    expect(out).toMatch(/math-500 .* not here/);
    const entries = JSON.parse((await mambalab('data', 'list', '--json')).out);
    expect(entries[2].states[0]).toMatchObject({
      state: 'differs',
      why: expect.stringContaining('found 5'),
    });
  });
});

describe('kernel', () => {
  it('installs, lists and removes a kernelspec in a prefix', async () => {
    const prefix = ['--prefix', folder];
    const spec = join(folder, 'share', 'jupyter', 'kernels', 'try');
    const installed = await mambalab('kernel', 'install', ...prefix, '--name', 'try');
    const out = `installed ${spec}\ninstalled ${spec}-javascript\n`;
    expect(installed).toEqual({ code: 0, out, err: '' });
    const { argv } = JSON.parse(readFileSync(join(spec, 'kernel.json'), 'utf8'));
    expect(argv[0]).toBe(process.execPath);
    vi.stubEnv('VIRTUAL_ENV', folder);
    const listed = JSON.parse((await mambalab('kernel', 'list', '--json')).out);
    expect(listed).toContainEqual(expect.objectContaining({ name: 'try', path: spec }));
    expect((await mambalab('kernel', 'uninstall', ...prefix, '--name', 'try')).code).toBe(0);
    expect(existsSync(spec)).toBe(false);
    expect(existsSync(`${spec}-javascript`)).toBe(false);
  });

  it("installs into the user's own Jupyter folder", async () => {
    vi.stubEnv('JUPYTER_DATA_DIR', folder);
    await mambalab('kernel', 'install', '--user');
    expect(existsSync(join(folder, 'kernels', 'mambalab', 'kernel.json'))).toBe(true);
  });

  it("does not remove another kernel's spec", async () => {
    const spec = join(folder, 'share', 'jupyter', 'kernels', 'python3');
    mkdirSync(spec, { recursive: true });
    writeFileSync(join(spec, 'kernel.json'), '{"argv":["python"],"metadata":{}}');
    const { code, err } = await mambalab(
      'kernel',
      'uninstall',
      '--prefix',
      folder,
      '--name',
      'python3',
    );
    expect(code).toBe(1);
    expect(err).toContain('is not a kernelspec of mambalab');
    expect(existsSync(spec)).toBe(true);
  });
});
