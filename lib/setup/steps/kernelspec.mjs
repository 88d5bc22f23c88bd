import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SetupFailure } from '../failure.mjs';
import { hashOf } from '../files.mjs';
import { venvIn } from '../places.mjs';
import { clearStamp, readStamp, writeStamp } from '../stamps.mjs';

const installerOf = (root) => join(root, 'dist', 'kernel', 'install.js');
const keyOf = (root) => hashOf(root, [installerOf(root)], root, process.execPath);

function isDone({ root, folder }) {
  const stamp = readStamp(folder, 'kernelspec');
  return (
    stamp?.key === keyOf(root) &&
    existsSync(join(stamp.path, 'kernel.json')) &&
    existsSync(venvIn(folder)('python'))
  );
}

async function run({ root, folder }) {
  for (const [file, step] of [
    [installerOf(root), 'build'],
    [venvIn(folder)('python'), 'venv'],
  ]) {
    if (existsSync(file)) continue;
    throw new SetupFailure(`${file} is not there yet`, [
      `run the step before: npm run setup -- --only ${step}`,
    ]);
  }
  const key = keyOf(root);
  clearStamp(folder, 'kernelspec');
  const { installKernelSpec } = await import(pathToFileURL(installerOf(root)).href);
  const { path } = await installKernelSpec({
    prefix: join(folder, 'venv'),
    packageRoot: root,
    nodePath: process.execPath,
  });
  writeStamp(folder, 'kernelspec', { key, path });
  return path.startsWith(root) ? path.slice(root.length + 1) : path;
}

export const kernelspec = {
  name: 'kernelspec',
  title: 'Jupyter kernel',
  doing: 'installing the kernelspec into the Python environment',
  isDone,
  run,
};
