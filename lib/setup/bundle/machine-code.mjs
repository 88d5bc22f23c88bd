// The compiled parts of a bundle: stripped copies, and a look at what they ask of a machine.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { SetupFailure, toolFailure } from '../failure.mjs';

/** What every Linux with glibc has, and the two libraries of GCC that a bundle brings along. */
const expected =
  /^(ld-linux-x86-64\.so\.2|lib(c|m|dl|pthread|rt)\.so\.\d+|libgcc_s\.so\.1|libstdc\+\+\.so\.6)$/;

function binutils(program, args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (error?.code === 'ENOENT') {
    throw toolFailure('linker', `${program} is not installed (it comes with the C linker)`);
  }
  if (status !== 0) throw new SetupFailure(`${program} failed: ${error?.message ?? stderr.trim()}`);
  return stdout;
}

/** Copies a program or library without the symbols that only debuggers read. */
export function copyStripped(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  binutils('strip', ['--strip-unneeded', '-o', to, from]);
}

const byVersion = (a, b) => a.localeCompare(b, 'en', { numeric: true });

/**
 * The newest glibc that these files name, such as `2.34`.
 * @throws SetupFailure where one needs a library that a bare machine may not have
 */
export function glibcOf(files) {
  const versions = files.flatMap((file) => {
    const text = binutils('objdump', ['-p', file]);
    const needed = [...text.matchAll(/^\s+NEEDED\s+(\S+)$/gm)].map((match) => match[1]);
    const foreign = needed.filter((name) => !expected.test(name));
    if (foreign.length > 0) {
      throw new SetupFailure(`${file} needs ${foreign.join(', ')}, which a bare machine lacks`, [
        'use the build of Node.js from nodejs.org, or leave it out: npm run bundle -- --no-node',
      ]);
    }
    return [...text.matchAll(/\bGLIBC_(\d+\.\d+)/g)].map((match) => match[1]);
  });
  return versions.sort(byVersion).at(-1);
}

/** Where this process found GCC's libraries, which Node.js needs and a small system may lack. */
export function gccLibraries() {
  process.report.excludeNetwork = true;
  const { sharedObjects } = process.report.getReport();
  return sharedObjects.filter((path) => /\/(libstdc\+\+\.so\.6|libgcc_s\.so\.1)$/.test(path));
}
