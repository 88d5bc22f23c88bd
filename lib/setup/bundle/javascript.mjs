// The program and the benchmarks as a few JavaScript files with all that they import, in the places where
// the checkout has them: the code finds its package, its data and its neighbours the same way.
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { SetupFailure } from '../failure.mjs';

/** It measures the Jupyter kernel, which a bundle has not. */
const leftOut = 'bench/kernel.js';

/** Packages with files beside their JavaScript: they stay folders in node_modules. */
export const folders = ['@resvg/resvg-js', '@expo-google-fonts/inter'];

const slashes = (path) => path.split(sep).join('/');

/** Scripts that a file starts as processes of their own: they need a file by their name. */
function startedBy(file) {
  const found = readFileSync(file, 'utf8').matchAll(
    /new URL\('(\.[^']+\.js)', import\.meta\.url\)/g,
  );
  return [...found].map((match) => join(dirname(file), match[1]));
}

function entriesOf(dist) {
  const benches = readdirSync(join(dist, 'bench'))
    .filter((name) => name.endsWith('.js') && `bench/${name}` !== leftOut)
    .map((name) => join(dist, 'bench', name));
  const files = [join(dist, 'lib', 'cli', 'main.js'), ...benches, ...benches.flatMap(startedBy)];
  return Object.fromEntries(
    files.map((file) => [slashes(relative(dist, file)).replace(/\.js$/, ''), file]),
  );
}

/** The folder of a package in node_modules that a module lies in; undefined for our own. */
function packageFolderOf(module) {
  const at = slashes(module).lastIndexOf('/node_modules/');
  if (at < 0) return undefined;
  const [scope, name] = slashes(module)
    .slice(at + '/node_modules/'.length)
    .split('/');
  return `${slashes(module).slice(0, at)}/node_modules/${scope.startsWith('@') ? `${scope}/${name}` : scope}`;
}

/**
 * Bundles `dist/` of a checkout into `dist/` of a folder.
 * @returns the folders of the packages that went into it, sorted, and the names under `#setup/` that it imports
 */
export async function bundleJavaScript(root, folder) {
  // Imported late: a checkout without packages can still print the help.
  const { rolldown } = await import('rolldown');
  const dist = join(root, 'dist');
  const build = await rolldown({
    cwd: root,
    input: entriesOf(dist),
    platform: 'node',
    // As Node.js does: packages that register something when they are imported do not all say so.
    treeshake: { moduleSideEffects: () => true },
    // danfojs is only imported where a notebook asks for one of its frames.
    external: [/^#setup\//, ...folders, 'danfojs-node'],
    transform: {
      define: { __filename: 'import.meta.filename', __dirname: 'import.meta.dirname' },
    },
    onLog(_level, { message, code }) {
      if (code === 'UNRESOLVED_IMPORT') throw new SetupFailure(message);
    },
  });
  try {
    const { output } = await build.write({
      dir: join(folder, 'dist'),
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: 'chunks/[name]-[hash].js',
      comments: false,
      // Names and lines stay, so that a stack says something.
      minify: { compress: true, mangle: false, codegen: { removeWhitespace: false } },
    });
    const modules = output.flatMap((chunk) => Object.keys(chunk.modules ?? {}));
    const packages = modules.flatMap((module) => packageFolderOf(module) ?? []);
    const imports = output.flatMap((chunk) => [
      ...(chunk.imports ?? []),
      ...(chunk.dynamicImports ?? []),
    ]);
    const own = imports.filter((name) => name.startsWith('#setup/'));
    const known = new Set([...output.map(({ fileName }) => fileName), ...folders, ...own]);
    const absent = imports.filter((name) => !known.has(name) && !isBuiltin(name));
    if (absent.length > 0) {
      throw new SetupFailure(`a command imports ${absent.join(', ')}, which a bundle leaves out`);
    }
    return {
      packages: [...new Set(packages)].sort(),
      setup: [...new Set(own)].map((name) => name.slice('#setup/'.length)).sort(),
    };
  } finally {
    await build.close();
  }
}

/** A file of lib/setup and those that it imports, and so on. */
export function withImports(folder, names) {
  const found = new Set();
  const visit = (name) => {
    if (found.has(name)) return;
    found.add(name);
    const text = readFileSync(join(folder, name), 'utf8');
    for (const [, next] of text.matchAll(/from '\.\/([^']+)'/g)) visit(next);
  };
  names.forEach(visit);
  return [...found].sort();
}
