import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { delimiter, join } from 'node:path';
import { ask } from '#setup/tools.mjs';
import { type Finding, none, ok } from './finding.js';

/** The features that the engine's kernels can choose between, in the kernel's own words. */
const telling = [
  'avx2',
  'fma',
  'f16c',
  'avx512f',
  'avx512bw',
  'avx512_vnni',
  'avx_vnni',
  'amx_int8',
];
const tellingArm = ['asimd', 'asimddp', 'i8mm', 'bf16', 'sve'];

/** CPU features out of the text of /proc/cpuinfo: those that matter here. */
export function featuresOf(cpuinfo: string): string[] {
  const flags = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1]?.split(/\s+/) ?? [];
  return [...telling, ...tellingArm].filter((feature) => flags.includes(feature));
}

function features(): string[] {
  if (existsSync('/proc/cpuinfo')) return featuresOf(readFileSync('/proc/cpuinfo', 'utf8'));
  if (process.platform !== 'darwin') return [];
  const text = ask('sysctl', ['-a']) ?? '';
  const leaves = /machdep\.cpu\.(?:leaf7_)?features: .*/g;
  const flags = (text.match(leaves) ?? []).join(' ').toLowerCase();
  return [
    ...telling.filter((f) => flags.includes(f)),
    ...(process.arch === 'arm64' ? ['asimd'] : []),
  ];
}

function cpu(): Finding[] {
  const model = cpus()[0]?.model.trim() || process.arch;
  const known = features();
  return [
    ok('cpu', `${model}, ${availableParallelism()} usable cores, ${process.arch}`),
    known.length > 0
      ? ok('cpu features', known.join(' '))
      : none('cpu features', 'none that speed the engine up were found'),
    ok('memory', `${(totalmem() / 2 ** 30).toFixed(1)} GiB`),
  ];
}

function driver(): Finding {
  const file = '/proc/driver/nvidia/version';
  if (existsSync(file)) {
    const line = readFileSync(file, 'utf8').split('\n')[0] ?? '';
    return ok('gpu driver', line.replace(/^NVRM version:\s*/, '').trim());
  }
  const asked = ask('nvidia-smi', ['--query-gpu=name,driver_version', '--format=csv,noheader']);
  if (asked) return ok('gpu driver', asked.split('\n').join('; '));
  return none('gpu driver', 'no NVIDIA driver: the CPU device is used');
}

const standardFolders = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/usr/local/cuda/lib64',
  '/usr/lib/wsl/lib',
];

function libraryFolders(): string[] {
  const variable = process.platform === 'win32' ? process.env.PATH : process.env.LD_LIBRARY_PATH;
  const asked = (variable ?? '').split(delimiter).filter(Boolean);
  return [...asked, ...standardFolders].filter((folder) => existsSync(folder));
}

/** Where a shared library lies, by the beginning of its file name. */
function findLibrary(name: string): string | undefined {
  const begins = process.platform === 'win32' ? `${name.replace(/^lib/, '')}` : `${name}.so`;
  for (const folder of libraryFolders()) {
    const file = readdirSync(folder).find((entry) => entry.startsWith(begins));
    if (file) return join(folder, file);
  }
  const listed = process.platform === 'linux' ? ask('ldconfig', ['-p']) : null;
  return listed
    ?.split('\n')
    .find((line) => line.trim().startsWith(begins))
    ?.split('=> ')[1];
}

function cudaLibraries(): Finding[] {
  return ['libcuda', 'libnvrtc', 'libcublasLt'].map((name) => {
    const path = findLibrary(name);
    return path ? ok(name, path) : none(name, 'not found');
  });
}

/** The machine: processor, memory, GPU driver and CUDA libraries. None of it is required. */
export function machineFindings(): Finding[] {
  return [...cpu(), driver(), ...cudaLibraries()];
}
