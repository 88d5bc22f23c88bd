import { createRequire, register } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { LocalModule } from '../compiler/converter.js';

type Importer = (specifier: string, options?: ImportCallOptions) => Promise<unknown>;

/** Whether a failed import did not find the package itself, and not something inside it. */
function isMissing(error: unknown, specifier: string): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return (
    code === 'ERR_MODULE_NOT_FOUND' && message?.includes(`'${specifier.split('/')[0]}`) === true
  );
}

/**
 * Imports as cells mean them: packages and files from the notebook's folder, packages that are not
 * there from the kernel's own installation, and local TypeScript in the version that was checked.
 */
export class Loader {
  readonly require: NodeJS.Require;
  readonly #fromFolder: Importer;
  readonly #fromKernel: Importer;
  readonly #port: MessagePort;

  constructor(folder: string) {
    const { port1, port2 } = new MessageChannel();
    register(new URL('./hooks.js', import.meta.url), {
      data: { port: port2 },
      transferList: [port2],
    });
    port1.unref();
    this.#port = port1;
    this.require = createRequire(join(folder, '__cell.js'));
    this.#fromFolder = importerAt(join(folder, '__cell.js'));
    this.#fromKernel = importerAt(new URL(import.meta.url).pathname);
  }

  /** Tells the loader which versions of local files the next imports mean. */
  provide(modules: readonly LocalModule[]): void {
    for (const { path, version, source } of modules) {
      this.#port.postMessage({ url: pathToFileURL(path).href, version, source });
    }
  }

  async import(specifier: string, options?: ImportCallOptions): Promise<unknown> {
    try {
      return await this.#fromFolder(specifier, options);
    } catch (error) {
      if (/^[./]/.test(specifier) || !isMissing(error, specifier)) throw error;
      return await this.#fromKernel(specifier, options).catch(() => {
        throw error;
      });
    }
  }
}

function importerAt(filename: string): Importer {
  return vm.runInThisContext('(specifier, options) => import(specifier, options)', {
    filename,
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  }) as Importer;
}
