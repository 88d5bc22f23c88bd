#!/usr/bin/env node
// Installs what the benchmarks compare with, into .mambalab/peers: PyTorch's transformers and Math-Verify
// in virtual environments, node-llama-cpp in a folder of its own. None is a dependency of the package. Ends with
// exit code 1 where one of them could not be installed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeAtomic } from '../../lib/setup/files.mjs';
import { childEnvironment, localFolder, root, venvIn } from '../../lib/setup/places.mjs';
import { clearStamp, readStamp, writeStamp } from '../../lib/setup/stamps.mjs';
import { findPython, npmCommand } from '../../lib/setup/tools.mjs';

const help = `Usage: node bench/peers/install.mjs [transformers] [llama.cpp] [math-verify]

Installs the peers of the benchmarks into .mambalab/peers; without a name, all. PyTorch takes some
5 GB of disk. A peer that is installed already is left as it is.`;

const folder = join(localFolder, 'peers');
const requirements = join(root, 'bench', 'peers', 'requirements.txt');
const llama = '3.22.1';

/** node-llama-cpp's packages with the CPU's binary, by platform. */
const binaries = {
  'linux-x64': '@node-llama-cpp/linux-x64',
  'linux-arm64': '@node-llama-cpp/linux-arm64',
  'darwin-x64': '@node-llama-cpp/mac-x64',
  'darwin-arm64': '@node-llama-cpp/mac-arm64-metal',
  'win32-x64': '@node-llama-cpp/win-x64',
  'win32-arm64': '@node-llama-cpp/win-arm64',
};

function call(program, args) {
  const { status, error } = spawnSync(program, args, {
    cwd: folder,
    env: childEnvironment(),
    stdio: ['ignore', 2, 2],
    shell: program.endsWith('.cmd'),
    windowsHide: true,
  });
  if (error) throw new Error(`${program} could not be started: ${error.message}`);
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed with exit code ${status}`);
}

function installTransformers() {
  const python = findPython();
  if (!python?.good) throw new Error('Python 3.11 or newer with venv was not found');
  const venv = venvIn(folder);
  if (!existsSync(venv('python'))) {
    call(python.program, [...python.before, '-m', 'venv', '--clear', join(folder, 'venv')]);
  }
  call(venv('python'), ['-m', 'pip', 'install', '--progress-bar', 'off', '-r', requirements]);
}

function installLlama() {
  const platform = `${process.platform}-${process.arch}`;
  const binary = binaries[platform];
  if (!binary) throw new Error(`node-llama-cpp has no binary for ${platform}`);
  const home = join(folder, 'node');
  mkdirSync(home, { recursive: true });
  const dependencies = { 'node-llama-cpp': llama, [binary]: llama };
  writeAtomic(
    join(home, 'package.json'),
    `${JSON.stringify({ private: true, type: 'module', dependencies }, null, 2)}\n`,
  );
  // The optional packages are the other devices' binaries, and the scripts would build from source.
  const [program, ...before] = npmCommand();
  call(program, [
    ...before,
    'install',
    '--prefix',
    home,
    '--omit=optional',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
  ]);
}

const mathVerify = ['math-verify==0.9.0', 'latex2sympy2_extended==1.11.0'];

/** In an environment of its own: its SymPy and its ANTLR want versions that others do not. */
function installMathVerify() {
  const python = findPython();
  if (!python?.good) throw new Error('Python 3.11 or newer with venv was not found');
  const home = join(folder, 'math-verify');
  call(python.program, [...python.before, '-m', 'venv', '--clear', join(home, 'venv')]);
  const pip = ['-m', 'pip', 'install', '--progress-bar', 'off', ...mathVerify];
  call(venvIn(home)('python'), pip);
}

const peers = {
  'math-verify': { key: mathVerify.join(), install: installMathVerify },
  transformers: { key: readFileSync(requirements, 'utf8'), install: installTransformers },
  'llama.cpp': { key: llama, install: installLlama },
};

/** Installs the named peers; true where all of them are there afterwards. */
function main(names) {
  let whole = true;
  for (const name of names) {
    const { key, install } = peers[name];
    if (readStamp(folder, name)?.key === key) {
      process.stdout.write(`${name}: there already\n`);
      continue;
    }
    try {
      clearStamp(folder, name);
      install();
      writeStamp(folder, name, { key });
      process.stdout.write(`${name}: installed\n`);
    } catch (error) {
      whole = false;
      process.stdout.write(`${name}: not installed: ${error.message}\n`);
    }
  }
  return whole;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const names = process.argv.slice(2);
  const unknown = names.find((name) => !name.startsWith('-') && !peers[name]);
  if (names.some((name) => name.startsWith('-'))) process.stdout.write(`${help}\n`);
  else if (unknown) {
    process.stderr.write(`there is no peer '${unknown}'\n\n${help}\n`);
    process.exitCode = 2;
  } else {
    for (const sub of ['', 'stamps']) mkdirSync(join(folder, sub), { recursive: true });
    mkdirSync(join(localFolder, 'tmp'), { recursive: true });
    process.exitCode = main(names.length > 0 ? names : Object.keys(peers)) ? 0 : 1;
  }
}
