import ts from 'typescript';
import { type NameKind, topLevelNames } from './names.js';

/** Module specifier that names a committed cell, relative to the notebook's folder. */
const cellSpecifier = /^\.\/__cell(\d+)$/;

/** What an earlier cell's variable is imported as, to declare a variable of its type. */
export const variablePrefix = '__typeof_';

const word = /[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*/gu;

/** Specifier of a committed cell. */
export function specifierOf(cell: number): string {
  return `./__cell${cell}`;
}

/** Number of the cell that a specifier names, or null when it names something else. */
export function cellOf(specifier: string): number | null {
  const match = cellSpecifier.exec(specifier);
  return match === null ? null : Number(match[1]);
}

interface Binding {
  cell: number;
  kind: NameKind;
}

/** A cell's text as the compiler sees it: one line of ours, then the cell unchanged. */
export interface FramedCell {
  text: string;
  /** Length of our line with its newline. */
  prefix: number;
  names: { name: string; kind: NameKind }[];
  /** The text to keep once the cell has run: without imports of cells that it makes no use of. */
  committed: string;
  /** Earlier cells that the kept text imports. */
  uses: number[];
}

/**
 * The names that cells have declared so far. Every cell is a module of its own; a line in front
 * of it imports what is alive and exports what it declares, so types flow from cell to cell
 * exactly and a later declaration simply takes the name over.
 */
export class CellScope {
  readonly #bindings = new Map<string, Binding>();
  /** Cells that are kept, and the earlier ones that each of them imports. */
  readonly #uses = new Map<number, readonly number[]>();

  /**
   * Frames a cell's code with imports of what is alive and not redeclared.
   *
   * @param all Import every such name, for completion; else only those that the code mentions,
   *   which spares the checker the rest.
   */
  frame(code: string, all: boolean): FramedCell {
    const parsed = ts.createSourceFile('cell.ts', code, ts.ScriptTarget.Latest);
    const declared = topLevelNames(parsed);
    const own = new Set(declared.map(({ name }) => name));
    const mentioned = new Set(code.match(word));
    // One import for each cell, always in the same order: the compiler keeps its view of all
    // other files from one cell to the next as long as the list of imported modules is the same.
    const imports = new Map<number, string[]>();
    const variables: string[] = [];
    for (const [name, { cell, kind }] of this.#bindings) {
      const names = imports.get(cell) ?? [];
      imports.set(cell, names);
      if (own.has(name) || !(all || mentioned.has(name))) continue;
      if (kind === 'variable') {
        // An import could not be assigned to; an ambient variable of the same type can.
        names.push(`${name} as ${variablePrefix}${name}`);
        variables.push(`declare let ${name}: typeof ${variablePrefix}${name};`);
      } else {
        names.push(name);
      }
    }
    const exported = new Set(
      declared.filter((d) => !d.exported && d.kind !== 'local').map(({ name }) => name),
    );
    const sorted = [...imports].sort(([a], [b]) => a - b);
    const used = sorted.filter(([, names]) => names.length > 0);
    const prefixOf = (cells: [number, string[]][]): string =>
      [
        ...cells.map(([cell, names]) => `import {${names}} from "${specifierOf(cell)}";`),
        ...variables,
        `export {${[...exported]}};\n`,
      ].join('');
    const prefix = prefixOf(sorted);
    return {
      text: prefix + code,
      prefix: prefix.length,
      names: declared.map(({ name, kind }) => ({ name, kind })),
      committed: prefixOf(used) + code,
      uses: used.map(([cell]) => cell),
    };
  }

  /** Whether a name is a constant of an earlier cell. */
  isConstant(name: string): boolean {
    return this.#bindings.get(name)?.kind === 'constant';
  }

  /** Names that are alive. */
  names(): string[] {
    return [...this.#bindings.keys()];
  }

  /**
   * Takes over the names of a cell that ran; names without a value are left as they were.
   *
   * @param waiting Cells that others import which may be committed later.
   * @returns Cells that no name leads to any more.
   */
  commit(
    cell: number,
    { names, uses }: Pick<FramedCell, 'names' | 'uses'>,
    defined: ReadonlySet<string>,
    waiting: readonly number[],
  ): number[] {
    this.#uses.set(cell, uses);
    for (const { name, kind } of names) {
      if (kind === 'local') continue;
      if (kind === 'type' || defined.has(name)) this.#bindings.set(name, { cell, kind });
    }
    const reached = new Set<number>();
    const pending = [...waiting, ...[...this.#bindings.values()].map(({ cell }) => cell)];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if (reached.has(next)) continue;
      reached.add(next);
      pending.push(...(this.#uses.get(next) ?? []));
    }
    const forgotten = [...this.#uses.keys()].filter((old) => !reached.has(old));
    for (const old of forgotten) this.#uses.delete(old);
    return forgotten;
  }

  clear(): void {
    this.#bindings.clear();
    this.#uses.clear();
  }
}
