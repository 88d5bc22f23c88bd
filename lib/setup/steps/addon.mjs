import { copyFileSync, existsSync, readFileSync, renameSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { SetupFailure, toolFailure } from '../failure.mjs';
import { hashOf, listFiles } from '../files.mjs';
import { runProgram } from '../programs.mjs';
import { clearStamp, readStamp, writeStamp } from '../stamps.mjs';
import { atLeast, findCargo, findLinker, parseVersion, rustFrom } from '../tools.mjs';

const libraries = {
  win32: 'mambalab_native.dll',
  darwin: 'libmambalab_native.dylib',
};
const crateOf = (root) => join(root, 'lib', 'native');
const addonOf = (root) => join(crateOf(root), 'mambalab.node');
const isSource = (path) =>
  /\.(rs|cu|cuh|h)$/.test(path) || /(^|\/)(Cargo\.(toml|lock)|config\.toml)$/.test(path);

/** What the addon depends on: the crate's sources, and the machine it is for. */
export function addonKey(root) {
  const sources = listFiles(crateOf(root), isSource, ['target', 'node_modules']);
  return hashOf(root, sources, process.platform, process.arch);
}

function isDone({ root, folder }) {
  return existsSync(addonOf(root)) && readStamp(folder, 'addon')?.key === addonKey(root);
}

function checkTools(context) {
  const cargo = findCargo(context.env);
  if (!cargo) throw toolFailure('cargo', 'cargo is not installed (or not on PATH)');
  const manifest = readFileSync(join(crateOf(context.root), 'Cargo.toml'), 'utf8');
  const asked = /^rust-version\s*=\s*"([^"]+)"/m.exec(manifest);
  const needed = asked ? parseVersion(asked[1]) : rustFrom;
  if (!atLeast(cargo.version, needed.slice(0, 2))) {
    throw toolFailure('cargo', `${cargo.line} is older than Rust ${needed.slice(0, 2).join('.')}`);
  }
  if (!findLinker(context.env)) {
    throw toolFailure('linker', 'cc is not installed (or not on PATH)');
  }
  return cargo;
}

async function run(context) {
  const crate = crateOf(context.root);
  if (!existsSync(join(crate, 'Cargo.toml'))) {
    throw new SetupFailure('lib/native/Cargo.toml is missing: the checkout is incomplete', [
      'restore it: git checkout lib/native',
    ]);
  }
  const cargo = checkTools(context);
  const key = addonKey(context.root);
  clearStamp(context.folder, 'addon');
  const target = join(crate, 'target');
  const args = ['build', '--release', '--lib', '--target-dir', target];
  if (existsSync(join(crate, 'Cargo.lock'))) args.push('--locked');
  await runProgram(context, cargo.program, args, {
    step: 'addon',
    tool: 'cargo',
    cwd: crate,
    // rustup's cargo looks for its neighbours on PATH, which a shell opened before the install lacks.
    env: {
      PATH: `${context.env.PATH ?? ''}${delimiter}${cargo.folder}`,
      CARGO_TERM_PROGRESS_WHEN: 'never',
    },
  });
  const library = libraries[process.platform] ?? 'libmambalab_native.so';
  const temporary = `${addonOf(context.root)}.${process.pid}.tmp`;
  copyFileSync(join(target, 'release', library), temporary);
  renameSync(temporary, addonOf(context.root));
  writeStamp(context.folder, 'addon', { key, cargo: cargo.line });
  return 'lib/native/mambalab.node';
}

export const addon = {
  name: 'addon',
  title: 'Rust engine',
  doing: 'building the Rust engine with cargo (release)',
  isDone,
  run,
};
