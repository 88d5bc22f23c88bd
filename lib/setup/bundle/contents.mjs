// What a bundle has besides compiled JavaScript: machine code, data, documents, a few packages' files.
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupFailure } from '../failure.mjs';
import { listFiles } from '../files.mjs';
import { copyStripped, gccLibraries } from './machine-code.mjs';

const here = dirname(fileURLToPath(import.meta.url));

const documents = ['distillation', 'gpu', 'grading', 'performance', 'results', 'students'];
// The mini world's models would double the archive: a bundle has its tokenizer and one teacher.
const data = ['data/manifest.json', 'data/mini/teacher', 'data/mini/tokenizer', 'data/problems'];
const packageFiles = {
  '@expo-google-fonts/inter': [
    'package.json',
    'LICENSE',
    'LICENSE_FONT',
    '400Regular/Inter_400Regular.ttf',
    '600SemiBold/Inter_600SemiBold.ttf',
  ],
  '@resvg/resvg-js': ['package.json', 'LICENSE', 'index.js', 'js-binding.js'],
  '@resvg/resvg-js-linux-x64-gnu': ['package.json'],
};
const resvgAddon = '@resvg/resvg-js-linux-x64-gnu/resvgjs.linux-x64-gnu.node';

/** Copies files and folders that keep their place. */
export function copyInPlace(root, folder, paths) {
  for (const path of paths) {
    const from = join(root, path);
    if (!existsSync(from)) throw new SetupFailure(`${path} is missing: the checkout is incomplete`);
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(from, join(folder, path), { recursive: true, dereference: true });
  }
}

/** Everything but JavaScript, Node.js and what describes the bundle. */
export function copyContents(root, folder, setupFiles) {
  const files = Object.entries(packageFiles).flatMap(([name, names]) =>
    names.map((file) => `node_modules/${name}/${file}`),
  );
  copyInPlace(root, folder, [
    ...data,
    ...documents.map((name) => `docs/${name}.md`),
    ...setupFiles.map((name) => `lib/setup/${name}`),
    ...files,
    'LICENSE',
  ]);
  copyFileSync(join(here, 'README.md'), join(folder, 'README.md'));
  copyFileSync(join(here, 'mambalab.sh'), join(folder, 'mambalab'));
  for (const path of ['lib/native/mambalab.node', `node_modules/${resvgAddon}`]) {
    copyStripped(join(root, path), join(folder, path));
  }
}

/** The Node.js that runs this, and GCC's libraries for systems without them. */
export function copyNode(folder) {
  copyStripped(process.execPath, join(folder, 'bin', 'node'));
  for (const path of gccLibraries()) {
    copyStripped(realpathSync(path), join(folder, 'bin', 'lib', basename(path)));
  }
}

/** Gives every file the mode that it has in the archive, whatever the umask or the checkout had. */
export function settleModes(folder) {
  const programs = ['mambalab', 'bin/node'].map((path) => join(folder, path));
  for (const path of listFiles(folder, () => true)) {
    chmodSync(path, programs.includes(path) ? 0o755 : 0o644);
  }
}

/** The compiled parts that always run; GCC's libraries do where the machine has none. */
export function machineCodeIn(folder) {
  return listFiles(folder, (path) => /(\.node|^bin\/node)$/.test(path));
}
