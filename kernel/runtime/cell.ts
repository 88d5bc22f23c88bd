import vm from 'node:vm';
import { bundleOf } from './display.js';
import { cellFile, rememberMap, shownError } from './errors.js';
import { type Interrupts, KeyboardInterrupt } from './interrupt.js';
import type { Loader } from './loader.js';
import type { Bundle, RunRequest, ShownError } from './protocol.js';

/** How a cell ended. */
export interface Outcome {
  defined: string[];
  result: Bundle | null;
  error: ShownError | null;
}

type Scope = Record<string, unknown>;

/** What the compiler's translation of a cell calls. */
class Cell {
  /** The value of the last expression. */
  value: unknown = undefined;

  constructor(
    private readonly scope: Scope,
    private readonly loader: Loader,
    private readonly interrupts: Interrupts,
  ) {}

  /** `import.meta`. */
  readonly meta = { url: new URL('__cell.js', `file://${process.cwd()}/`).href };

  /** Declares variables that have no value yet. */
  vars(names: readonly string[]): void {
    for (const name of names) if (!(name in this.scope)) this.scope[name] = undefined;
  }

  import(specifier: string, options?: ImportCallOptions): Promise<unknown> {
    return this.loader.import(specifier, options);
  }

  /** Puts names of a module into the scope. */
  bind(
    module: Record<string, unknown>,
    pairs: readonly (readonly [string, string])[],
    specifier: string,
  ): void {
    for (const [imported, local] of pairs) {
      if (imported === '*') {
        this.scope[local] = module;
      } else if (imported in module) {
        this.scope[local] = module[imported];
      } else {
        // A CommonJS module whose names Node could not foresee has them on its default.
        const inner = module.default as Record<string, unknown> | undefined;
        const has = (typeof inner === 'object' || typeof inner === 'function') && inner !== null;
        if (!has || !(imported in inner)) {
          throw new SyntaxError(`'${specifier}' does not export '${imported}'`);
        }
        this.scope[local] = inner[imported];
      }
    }
  }

  guard<T>(value: T): Promise<Awaited<T>> {
    return this.interrupts.guard(value);
  }

  /** The items of `for await`, each of which may be interrupted. */
  guardEach<T>(items: AsyncIterable<T> | Iterable<T | Promise<T>>): AsyncIterable<T> {
    const { interrupts } = this;
    const iterator: AsyncIterator<T> | Iterator<T | Promise<T>> =
      Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
    const isSync = !(Symbol.asyncIterator in items);
    return {
      [Symbol.asyncIterator]: () => ({
        async next() {
          const step = (await interrupts.guard(iterator.next())) as IteratorResult<T>;
          if (step.done || !isSync) return step;
          return { done: false, value: (await interrupts.guard(step.value)) as T };
        },
        async return(value?: unknown) {
          await iterator.return?.(value as never);
          return { done: true, value: undefined as never };
        },
      }),
    };
  }
}

const parameters = '__scope, __cell, __tick, require, module, exports, __filename, __dirname';
const slot = Symbol.for('mambalab.kernel.run');

/**
 * Runs a function where the interrupt signal can stop synchronous code, be it in a library.
 *
 * @throws KeyboardInterrupt
 */
const runner = new vm.Script(`globalThis[Symbol.for('mambalab.kernel.run')]()`);

function runSync<T>(body: () => T): T {
  (globalThis as Record<symbol, unknown>)[slot] = body;
  try {
    return runner.runInThisContext({ breakOnSigint: true }) as T;
  } catch (error) {
    const { code } = error as { code?: string };
    throw code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED' ? new KeyboardInterrupt() : error;
  }
}

/** Runs a translated cell to its end. */
export async function runCell(
  request: RunRequest,
  scope: Scope,
  loader: Loader,
  interrupts: Interrupts,
): Promise<Outcome> {
  const { label, code, map } = request;
  rememberMap(label, map);
  const cell = new Cell(scope, loader, interrupts);
  const written = new Set<string>();
  const recorder = new Proxy(scope, {
    set(target, name, value) {
      if (typeof name === 'string') written.add(name);
      target[name as string] = value;
      return true;
    },
  });
  interrupts.begin();
  try {
    const compiled = new vm.Script(`(async function __mambalabCell(${parameters}) {\n${code}\n})`, {
      filename: cellFile(label),
      lineOffset: -1,
      importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    }).runInThisContext() as (...args: unknown[]) => Promise<void>;
    const module = { exports: {} };
    const folder = process.cwd();
    const started = runSync(() =>
      compiled(
        recorder,
        cell,
        interrupts.tick,
        loader.require,
        module,
        module.exports,
        label,
        folder,
      ),
    );
    await interrupts.guard(started);
    const result = cell.value === undefined ? null : await bundleOf(cell.value);
    return { defined: [...written], result, error: null };
  } catch (error) {
    return { defined: [...written], result: null, error: shownError(error) };
  } finally {
    interrupts.end();
  }
}
