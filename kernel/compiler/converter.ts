/** A problem the compiler found, in the coordinates of the cell or of a local file. */
export interface Diagnostic {
  /** Path relative to the notebook's folder; null when the problem is in the cell itself. */
  file: string | null;
  /** First line is 1. */
  line: number;
  /** First column is 1. */
  column: number;
  /** Characters that are wrong; 0 for a missing token. */
  length: number;
  /** The line of source that holds the problem. */
  sourceLine: string;
  /** TypeScript's number of the message. */
  code: number;
  message: string;
  /** Syntax problems mean the cell cannot be read at all; the others are type errors. */
  kind: 'syntax' | 'type';
}

/** A local source file that a cell may import, in the version the types were checked against. */
export interface LocalModule {
  path: string;
  /** Changes when the file or anything local that it imports changes. */
  version: string;
  /** JavaScript of a TypeScript file; null for a file that Node.js can load from disk. */
  source: string | null;
  /** Source map (version 3, JSON) from `source` to the file; null where there is no `source`. */
  map: string | null;
}

/** A cell that can run. */
export interface ConvertedCell {
  ok: true;
  /** Names the cell for {@link Converter.commit}. */
  cell: number;
  /** Body of an async function of `__scope`, `__cell`, `__tick` and the CommonJS names. */
  code: string;
  /** Source map (version 3, JSON) from `code` to the cell's own lines. */
  map: string;
  /** Names that have a value once the cell has run. */
  names: string[];
  /** Whether later cells may see anything of it, so that it has to be committed. */
  declares: boolean;
  modules: LocalModule[];
}

/** A cell that cannot run and the reasons. */
export interface RejectedCell {
  ok: false;
  diagnostics: Diagnostic[];
}

/** What fits at the cursor; offsets are in UTF-16 units of the cell. */
export interface Completion {
  start: number;
  end: number;
  matches: { text: string; kind: string }[];
}

/** What is known of the name at the cursor. */
export interface Inspection {
  signature: string;
  /** TSDoc as Markdown; empty when there is none. */
  documentation: string;
}

/** A name that cells have declared. */
export interface DeclaredName {
  name: string;
  signature: string;
}

/** Whether a console should run the code or ask for another line. */
export type Completeness =
  | { status: 'complete' | 'invalid' | 'unknown' }
  | { status: 'incomplete'; indent: string };

/**
 * Turns TypeScript cells into JavaScript, one after the other, and remembers what they declared.
 * The kernel knows the compiler through this face only.
 */
export interface Converter {
  /**
   * Type-checks a cell against everything committed so far and translates it.
   *
   * @param check Without it, wrong types do not keep the cell from running.
   */
  convert(code: string, check: boolean): ConvertedCell | RejectedCell;
  /**
   * Makes a converted cell's declarations visible to later cells.
   *
   * @param defined Names the cell gave a value before it ended; types are always kept.
   */
  commit(cell: number, defined: string[]): void;
  /** Forgets a converted cell that will not be committed. */
  discard(cell: number): void;
  complete(code: string, offset: number): Completion;
  inspect(code: string, offset: number): Inspection | null;
  isComplete(code: string): Completeness;
  /** What cells have declared so far, with types. */
  names(): DeclaredName[];
  /** Does in idle time what the next cell would otherwise wait for. */
  warm(): void;
  /** Forgets every cell, as after a restart. */
  reset(): void;
}
