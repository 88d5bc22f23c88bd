import { createRequire, isBuiltin, register } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { constants, Script } from 'node:vm';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { LocalModule } from '../compiler/converter.js';
import type { Scope } from './scope.js';
import { connectTslab } from './tslab.js';

type Namespace = Record<string, unknown>;
type Load = (specifier: string, options?: ImportCallOptions) => Promise<Namespace>;

const ownRequire = createRequire(import.meta.url);

/** Loads what cells import, as a module in the notebook's folder would. */
export class Imports {
  /** `require` of the cells. */
  readonly require: NodeJS.Require;
  /** The file that cells pretend to be when they import. */
  readonly path: string;
  readonly url: string;
  readonly #load: Load;
  #hooks: MessagePort | null = null;

  /** @param folder The notebook's folder. */
  constructor(folder: string) {
    this.path = join(folder, '__notebook.js');
    this.url = pathToFileURL(this.path).href;
    this.require = createRequire(this.path);
    this.#load = new Script('(specifier, options) => import(specifier, options)', {
      filename: this.path,
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    }).runInThisContext() as Load;
  }

  /**
   * `import()` of the cells: from the notebook's folder upward, then from the kernel's own
   * package, so that its modules are there in every folder.
   */
  readonly import = async (specifier: unknown, options?: ImportCallOptions): Promise<Namespace> => {
    const name = String(specifier);
    const attributes = options ?? (name.endsWith('.json') ? { with: { type: 'json' } } : undefined);
    let namespace: Namespace;
    try {
      namespace = await this.#load(name, attributes);
    } catch (error) {
      if (!this.#isMissing(name, error)) throw error;
      try {
        namespace = (await import(name, attributes)) as Namespace;
      } catch (second) {
        throw isNotFound(second) ? error : second;
      }
    }
    if (name === 'tslab') connectTslab([this.require, ownRequire]);
    return namespace;
  };

  /** `import.meta.resolve` of the cells. */
  resolve(specifier: string): string {
    if (/^\.{0,2}\//.test(specifier)) return new URL(specifier, this.url).href;
    if (isBuiltin(specifier)) return `node:${specifier.replace(/^node:/, '')}`;
    return URL.canParse(specifier)
      ? specifier
      : pathToFileURL(this.require.resolve(specifier)).href;
  }

  /** Puts the wanted exports of a module into the scope, where they follow the module's changes. */
  bind(scope: Scope, namespace: Namespace, pairs: [string, string][], specifier: string): void {
    const commonJs = this.#commonJsExports(namespace);
    for (const [imported, local] of pairs) {
      if (imported === '*') {
        define(scope, local, commonJs === undefined ? namespace : interop(namespace, commonJs));
      } else if (imported === 'default' && isTranspiled(commonJs)) {
        define(scope, local, commonJs.default);
      } else if (imported in namespace) {
        Object.defineProperty(scope, local, {
          get: () => namespace[imported],
          set: (value) => define(scope, local, value),
          enumerable: true,
          configurable: true,
        });
      } else if (commonJs !== undefined && imported in commonJs) {
        define(scope, local, commonJs[imported]);
      } else {
        throw new SyntaxError(
          `The module '${specifier}' does not provide an export named '${imported}'`,
        );
      }
    }
  }

  /** Makes imports of local files load the versions that the compiler has checked. */
  async update(modules: LocalModule[]): Promise<void> {
    if (modules.length === 0) return;
    if (this.#hooks === null) {
      const { port1, port2 } = new MessageChannel();
      register('./hooks.js', import.meta.url, { data: port2, transferList: [port2] });
      port1.unref();
      this.#hooks = port1;
    }
    const hooks = this.#hooks;
    await new Promise<void>((resolve) => {
      hooks.once('message', () => {
        hooks.unref();
        resolve();
      });
      hooks.postMessage(modules);
    });
  }

  #isMissing(name: string, error: unknown): boolean {
    if (!isNotFound(error) || /^[./]|^[a-z]+:/i.test(name) || isBuiltin(name)) return false;
    return error.message.includes(`imported from ${this.path}`);
  }

  /** `module.exports` of a CommonJS module, undefined for an ES module. */
  #commonJsExports(namespace: Namespace): Namespace | undefined {
    const exports = namespace.default;
    if ((typeof exports !== 'object' && typeof exports !== 'function') || exports === null) {
      return undefined;
    }
    const loaded = Object.values(this.require.cache).some((module) => module?.exports === exports);
    return loaded ? (exports as Namespace) : undefined;
  }
}

function isNotFound(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
}

/** CommonJS that was once an ES module keeps its default export in a property. */
function isTranspiled(exports: Namespace | undefined): exports is Namespace {
  return exports?.__esModule === true && 'default' in exports;
}

/** The namespace of a CommonJS module with the exports that Node.js could not see in its text. */
function interop(namespace: Namespace, exports: Namespace): Namespace {
  if (Object.keys(exports).every((key) => key in namespace)) return namespace;
  return Object.defineProperties(Object.create(null), {
    ...Object.getOwnPropertyDescriptors(exports),
    default: { value: exports, enumerable: true },
  }) as Namespace;
}

function define(scope: Scope, name: string, value: unknown): void {
  Object.defineProperty(scope, name, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}
