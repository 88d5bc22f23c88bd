/** Module hooks of the runtime: local files in the version and form that the compiler made. */
import { existsSync } from 'node:fs';
import type { LoadHook, ResolveHook } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';

interface Provided {
  url: string;
  version: string;
  source: string | null;
}

const provided = new Map<string, Provided>();
let port: MessagePort;

/** Called once by `register`. */
export function initialize(data: { port: MessagePort }): void {
  port = data.port;
  port.unref();
}

/** What was posted before an import is there when the import is resolved. */
function drain(): void {
  for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
    const message = next.message as Provided;
    provided.set(message.url, message);
  }
}

function bare(url: string): string {
  return url.replace(/\?.*$/, '');
}

/** A relative import of a TypeScript file may name its JavaScript, or no extension at all. */
function sourceOf(specifier: string, parent: string | undefined): string | undefined {
  if (!/^\.{0,2}\//.test(specifier)) return undefined;
  const url = bare(new URL(specifier, parent && bare(parent)).href);
  const stem = url.replace(/\.([mc]?)js$/, '');
  const candidates = [url, ...['.ts', '.mts', '.cts', '/index.ts'].map((end) => stem + end)];
  return candidates.find((c) => provided.has(c) && existsSync(fileURLToPath(c)));
}

export const resolve: ResolveHook = async (specifier, context, next) => {
  drain();
  const known = sourceOf(specifier, context.parentURL);
  if (known === undefined) return next(specifier, context);
  const { version } = provided.get(known) as Provided;
  return { url: `${known}?v=${version}`, shortCircuit: true };
};

export const load: LoadHook = async (url, context, next) => {
  const source = provided.get(bare(url))?.source;
  if (source === null || source === undefined) return next(url, context);
  return { format: 'module', source, shortCircuit: true };
};
