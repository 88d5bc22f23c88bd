#!/usr/bin/env node
// Builds @tensorflow/tfjs-node without its own download: its shipped binding against the libtensorflow
// inside PyPI's tensorflow-cpu, into .mambalab/tensorflow. Then runs the layers' tests on it.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomic } from './files.mjs';
import { childEnvironment, localFolder, root, tensorflowFolder } from './places.mjs';
import { clearStamp, readStamp, writeStamp } from './stamps.mjs';
import { ask, findPython, npmCommand } from './tools.mjs';

const help = `Usage: node lib/setup/tensorflow.mjs [--no-test]

Builds TensorFlow.js's backend 'tensorflow' (@tensorflow/tfjs-node 4.22.0) into .mambalab/tensorflow
and runs the layers' tests on it. Linux x86-64 with g++; downloads 207 MB, takes 0.7 GB of disk.`;

// Newer libraries round int32 otherwise than tfjs expects.
const wheel = {
  version: '2.15.1',
  sha256: '54660c074d7241a503e81edfd9f5ef5af88f64051b72e2945f26318c790f2d26',
};
const packages = { '@tensorflow/tfjs-node': '4.22.0', 'node-api-headers': '1.9.0' };
const key = JSON.stringify({ wheel, packages });

const modules = join(tensorflowFolder, 'node_modules');
const tfjsNode = join(modules, '@tensorflow', 'tfjs-node');

function call(program, args, cwd = tensorflowFolder) {
  const { status, error } = spawnSync(program, args, {
    cwd,
    env: childEnvironment(),
    stdio: ['ignore', 2, 2],
  });
  if (error) throw new Error(`${program} could not be started: ${error.message}`);
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed with exit code ${status}`);
}

function installPackages() {
  const manifest = { private: true, dependencies: packages };
  writeAtomic(join(tensorflowFolder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  const [program, ...before] = npmCommand();
  // Its install script is the download that this program replaces.
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock'];
  call(program, [...before, 'install', '--prefix', tensorflowFolder, ...flags]);
  // One copy of tfjs, the checkout's: a backend registers itself with the copy that it finds.
  for (const name of readdirSync(join(modules, '@tensorflow'))) {
    if (name !== 'tfjs-node') rmSync(join(modules, '@tensorflow', name), { recursive: true });
  }
}

function unpackLibrary() {
  const python = findPython();
  if (!python?.good) throw new Error('Python 3.11 or newer with pip was not found');
  const requirements = join(tensorflowFolder, 'requirements.txt');
  writeAtomic(requirements, `tensorflow-cpu==${wheel.version} --hash=sha256:${wheel.sha256}\n`);
  const target = ['--python-version', '3.11', '--platform', 'manylinux2014_x86_64'];
  const quiet = ['--progress-bar', 'off', '--no-cache-dir', '--no-deps', '--only-binary=:all:'];
  const download = join(tensorflowFolder, 'download');
  const pip = [...python.before, '-m', 'pip', 'download', '--require-hashes'];
  call(python.program, [...pip, ...quiet, ...target, '-r', requirements, '-d', download]);
  const unpack = `
import pathlib, sys, zipfile
wheel, = pathlib.Path(sys.argv[1]).glob('*.whl')
with zipfile.ZipFile(wheel) as z:
    for name in z.namelist():
        if name.startswith(('tensorflow/include/tensorflow/', 'tensorflow/include/tsl/')):
            z.extract(name, sys.argv[2])
        elif name.startswith('tensorflow/libtensorflow_'):
            z.extract(name, sys.argv[2])
`;
  call(python.program, [...python.before, '-c', unpack, download, tfjsNode]);
  rmSync(download, { recursive: true });
}

function compileBinding() {
  const library = join(tfjsNode, 'tensorflow');
  const output = join(tfjsNode, 'lib', 'napi-v8');
  mkdirSync(output, { recursive: true });
  // A linker looks for names without a version.
  for (const name of ['libtensorflow_cc.so', 'libtensorflow_framework.so']) {
    rmSync(join(library, name), { force: true });
    symlinkSync(`${name}.2`, join(library, name));
  }
  const include = [
    tfjsNode,
    join(library, 'include'),
    join(modules, 'node-api-headers', 'include'),
  ];
  call('g++', [
    ...['-shared', '-fPIC', '-O2', '-std=c++17', '-w', '-DNAPI_VERSION=8'],
    ...include.map((folder) => `-I${folder}`),
    ...['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => join(tfjsNode, 'binding', name)),
    ...[`-L${library}`, '-ltensorflow_cc', '-ltensorflow_framework'],
    '-Wl,-rpath,$ORIGIN/../../tensorflow',
    ...['-o', join(output, 'tfjs_binding.node')],
  ]);
}

function build() {
  if (`${process.platform}-${process.arch}` !== 'linux-x64') {
    throw new Error(`needs Linux on x86-64, this is ${process.platform} on ${process.arch}`);
  }
  if (!ask('g++', ['--version'])) throw new Error('g++ was not found');
  clearStamp(tensorflowFolder, 'tfjs-node');
  rmSync(modules, { recursive: true, force: true });
  installPackages();
  unpackLibrary();
  compileBinding();
  writeStamp(tensorflowFolder, 'tfjs-node', { key });
}

function test() {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const args = ['run', '--project', 'fast', 'test/models/other-backends.test.ts'];
  const { status } = spawnSync(process.execPath, [vitest, ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  return status ?? 1;
}

const args = process.argv.slice(2);
const unknown = args.find((arg) => !['--no-test', '--help'].includes(arg));
if (unknown !== undefined) {
  process.stderr.write(`there is no option '${unknown}'\n\n${help}\n`);
  process.exitCode = 2;
} else if (args.includes('--help')) {
  process.stdout.write(`${help}\n`);
} else {
  try {
    for (const folder of [join(tensorflowFolder, 'stamps'), join(localFolder, 'tmp')]) {
      mkdirSync(folder, { recursive: true });
    }
    const isThere = existsSync(tfjsNode) && readStamp(tensorflowFolder, 'tfjs-node')?.key === key;
    if (!isThere) build();
    process.stdout.write(`tfjs-node: ${isThere ? 'there already' : 'built'}, in ${tfjsNode}\n`);
    if (!args.includes('--no-test')) process.exitCode = test();
  } catch (error) {
    process.stderr.write(`tfjs-node: not built: ${error.message}\n`);
    process.exitCode = 1;
  }
}
