import { Script } from 'node:vm';
import { CellConverter } from '../../kernel/compiler/cells.js';
import type { Diagnostic } from '../../kernel/compiler/converter.js';
import { Imports } from '../../kernel/runtime/imports.js';
import { createScope, type Scope, ScopeSnapshot } from '../../kernel/runtime/scope.js';

/** How a cell ended. */
export interface CellEnd {
  /** Value of its last expression. */
  value: unknown;
  /** What it threw; undefined when it ended normally or did not run. */
  thrown: unknown;
  /** Names that have a value once it has run. */
  names: string[];
  /** Why it did not run. */
  diagnostics: Diagnostic[];
}

type CellFunction = (...context: unknown[]) => Promise<void>;

const nothing = (): void => {};

/** The converter with just enough of a runtime to run what it makes, without another process. */
export class Notebook {
  scope: Scope = createScope();
  readonly #converter: CellConverter;
  readonly #imports: Imports;

  constructor(folder: string) {
    this.#converter = new CellConverter(folder);
    this.#imports = new Imports(folder);
  }

  reset(): void {
    this.#converter.reset();
    this.scope = createScope();
  }

  /** Converts, runs and commits a cell as the kernel does. */
  async run(code: string, check = true): Promise<CellEnd> {
    const converted = this.#converter.convert(code, check);
    if (!converted.ok) {
      const { diagnostics } = converted;
      return { value: undefined, thrown: undefined, names: [], diagnostics };
    }
    const { scope } = this;
    const cell = {
      value: undefined as unknown,
      guard: (value: unknown) => value,
      guardEach: (items: unknown) => items,
      import: this.#imports.import,
      meta: { url: this.#imports.url },
      vars: (names: string[]) => {
        for (const name of names) if (!(name in scope)) scope[name] = undefined;
      },
      bind: (namespace: Record<string, unknown>, pairs: [string, string][], specifier: string) =>
        this.#imports.bind(scope, namespace, pairs, specifier),
    };
    const before = new ScopeSnapshot(scope, converted.names);
    let defined = converted.names;
    let thrown: unknown;
    try {
      const text = `(async function (__scope, __cell, __tick, require) {"use strict";\n${converted.code}\n})`;
      const body = new Script(text).runInThisContext() as CellFunction;
      await body(scope, cell, nothing, this.#imports.require);
    } catch (error) {
      thrown = error;
      defined = before.changed();
    }
    this.#converter.commit(converted.cell, defined);
    return { value: cell.value, thrown, names: converted.names, diagnostics: [] };
  }
}
