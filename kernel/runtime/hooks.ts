// Runs in Node's loader thread: local files by version, TypeScript as the compiler translated it.

import type { LoadHook, ResolveHook } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { MessagePort } from 'node:worker_threads';
import type { LocalModule } from '../compiler/converter.js';

/** Query that carries a file's version: another version is another module to Node.js. */
const versionQuery = 'mambalab';

const modules = new Map<string, LocalModule>();
const extensions = ['', '.ts', '.mts', '.tsx', '.js', '.mjs', '/index.ts', '/index.js'];
const compiledFrom: Record<string, string> = { '.js': '.ts', '.mjs': '.mts', '.jsx': '.tsx' };

/** Called once by Node.js with the port that brings the files' versions. */
export function initialize(port: MessagePort): void {
  port.on('message', (list: LocalModule[]) => {
    for (const module of list) modules.set(module.path, module);
    port.postMessage('ready');
  });
}

export const resolve: ResolveHook = async (specifier, context, next) => {
  const local = /^(\.|\/|file:)/.test(specifier) ? find(specifier, context.parentURL) : undefined;
  if (local === undefined) return next(specifier, context);
  const url = pathToFileURL(local.path);
  if (local.source !== null) {
    url.searchParams.set(versionQuery, local.version);
    return { url: url.href, format: 'module', shortCircuit: true };
  }
  const found = await next(url.href, context);
  url.searchParams.set(versionQuery, local.version);
  return { ...found, url: url.href };
};

export const load: LoadHook = async (url, context, next) => {
  const { protocol, searchParams } = new URL(url);
  if (protocol !== 'file:' || !searchParams.has(versionQuery)) return next(url, context);
  const source = modules.get(posix(fileURLToPath(url)))?.source;
  return source === null || source === undefined
    ? next(url, context)
    : { format: 'module', source, shortCircuit: true };
};

/** The local file that a relative import means, by the rules the compiler follows. */
function find(specifier: string, parent: string | undefined): LocalModule | undefined {
  let path: string;
  if (specifier.startsWith('file:')) path = fileURLToPath(specifier);
  else if (specifier.startsWith('/')) path = specifier;
  else if (parent?.startsWith('file:')) path = join(dirname(fileURLToPath(parent)), specifier);
  else return undefined;
  const base = posix(path);
  const extension = /\.[mc]?jsx?$/.exec(base)?.[0];
  const source = extension === undefined ? undefined : compiledFrom[extension];
  if (extension !== undefined && source !== undefined) {
    const original = modules.get(base.slice(0, -extension.length) + source);
    if (original !== undefined) return original;
  }
  for (const added of extensions) {
    const module = modules.get(base + added);
    if (module !== undefined) return module;
  }
  return undefined;
}

function posix(path: string): string {
  return path.replaceAll('\\', '/');
}
