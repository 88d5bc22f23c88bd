import { chmodSync, existsSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { SetupFailure } from '../failure.mjs';
import { hashOf, listFiles } from '../files.mjs';
import { runProgram } from '../programs.mjs';
import { clearStamp, readStamp, writeStamp } from '../stamps.mjs';

const rooms = ['lib', 'kernel', 'bench', 'examples'];
const settings = ['tsconfig.json', 'tsconfig.build.json', 'package.json', 'package-lock.json'];
const isSource = (path) => /\.(ts|mts)$/.test(path) && !path.endsWith('.test.ts');

export function buildKey(root) {
  const sources = rooms.flatMap((room) => listFiles(join(root, room), isSource, ['target']));
  return hashOf(root, [...sources, ...settings.map((name) => join(root, name))]);
}

const entryOf = (root) => join(root, 'dist', 'lib', 'cli', 'main.js');

function isDone({ root, folder }) {
  return existsSync(entryOf(root)) && readStamp(folder, 'build')?.key === buildKey(root);
}

/** Removes compiled files whose source is gone: an import of a deleted module must not find its ghost. */
function prune(root) {
  const dist = join(root, 'dist');
  for (const file of listFiles(dist, (path) => path.endsWith('.js'))) {
    const source = join(root, relative(dist, file)).replace(/\.js$/, '.ts');
    if (existsSync(source)) continue;
    for (const end of ['.js', '.js.map', '.d.ts', '.d.ts.map']) {
      rmSync(file.replace(/\.js$/, end), { force: true });
    }
  }
}

async function run(context) {
  const { root, folder } = context;
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  if (!existsSync(compiler)) {
    throw new SetupFailure('the TypeScript compiler is not in node_modules', [
      'install the packages first: npm run setup -- --only npm',
    ]);
  }
  const key = buildKey(root);
  // Without a stamp the last build was killed or dist was touched: what the compiler remembers is not trusted.
  if (!readStamp(folder, 'build') || !existsSync(entryOf(root))) {
    rmSync(join(root, 'dist', '.tsbuildinfo'), { force: true });
  }
  clearStamp(folder, 'build');
  const args = [compiler, '-p', join(root, 'tsconfig.build.json'), '--pretty', 'false'];
  await runProgram(context, process.execPath, args, { step: 'build' });
  prune(root);
  if (process.platform !== 'win32' && existsSync(entryOf(root))) chmodSync(entryOf(root), 0o755);
  writeStamp(folder, 'build', { key });
  return 'dist/';
}

export const build = {
  name: 'build',
  title: 'TypeScript build',
  doing: 'compiling TypeScript to dist/',
  isDone,
  run,
};
