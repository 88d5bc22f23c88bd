import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAddon, packageRoot } from '../../lib/native/addon.js';

// NVRTC alone, which needs no GPU; the version of the CUDA release that cudarc is built for.
const NVRTC = 'nvidia-cuda-nvrtc==13.0.88';
const kernels = join(packageRoot(), 'lib/native/src/cuda/kernels');

let folder: string;
let library: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mambalab-nvrtc-'));
  const python = join(packageRoot(), '.mambalab/venv/bin/python');
  const args = ['-m', 'pip', 'install', '-q', '--no-deps', '--target', folder, NVRTC];
  const { status, stderr } = spawnSync(python, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`pip install ${NVRTC}: ${stderr}`);
  library = join(folder, 'nvidia/cu13/lib');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Compiles in a process that finds NVRTC, and in which no cache helps. */
function compile(architecture: string, formats?: string[]) {
  const script = `
    const addon = require(process.argv[1]);
    const [architecture, formats] = JSON.parse(process.argv[2]);
    console.log(JSON.stringify(addon.compileKernels(architecture, formats ?? undefined)));`;
  const addon = join(packageRoot(), 'lib/native/mambalab.node');
  const cache = mkdtempSync(join(folder, 'cache-'));
  return spawnSync(
    process.execPath,
    ['-e', script, addon, JSON.stringify([architecture, formats ?? null])],
    {
      encoding: 'utf8',
      env: { ...process.env, LD_LIBRARY_PATH: library, MAMBALAB_CACHE: cache },
    },
  );
}

describe('CUDA kernels', () => {
  it.each([
    ['sm_90', undefined],
    ['sm_80', ['BF16', 'Q4_K']],
    ['sm_100', ['BF16', 'Q4_K']],
  ])('compile for %s', (architecture, formats) => {
    const { status, stdout, stderr } = compile(architecture, formats);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const done = new Set((JSON.parse(stdout) as string[]).map((name) => name.split(' ')[0]));
    const files = readdirSync(kernels).filter((name) => name.endsWith('.cu'));
    expect([...done].sort()).toEqual(files.map((name) => name.replace('.cu', '')).sort());
  });

  it('say which architecture is not one', () => {
    expect(compile('sm_1').stderr).toMatch(/does not compile for sm_1/);
  });
});

it('a device that is not there is an error that says what is missing', () => {
  const addon = loadAddon();
  if (process.env.MAMBALAB_DEVICE?.startsWith('cuda')) return;
  expect(() => addon.init(1, 0, 'cuda', 0)).toThrow(
    /CUDA driver|no CUDA device|CUDA:|NVRTC|cuBLASLt/,
  );
});
