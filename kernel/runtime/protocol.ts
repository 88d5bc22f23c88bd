import type { LocalModule } from '../compiler/converter.js';

/** A MIME bundle: representations of one value by media type. */
export type Bundle = Record<string, unknown>;

/** An error as the Jupyter protocol shows it. */
export interface ShownError {
  ename: string;
  evalue: string;
  traceback: string[];
}

/** A cell for the runtime. */
export interface RunRequest {
  type: 'run';
  /** Identifies the request; outputs carry it back. */
  id: string;
  /** Shown in stack traces: `cell 3`. */
  label: string;
  code: string;
  /** Source map from `code` to the cell's own lines. */
  map: string;
  modules: LocalModule[];
  /** Outputs of a silent cell are dropped. */
  silent: boolean;
}

/** What the server tells the runtime. */
export type ToRuntime =
  | RunRequest
  | { type: 'interrupt' }
  | { type: 'input'; id: number; value: string | null };

/** What the runtime tells the server, in the order in which it happened. */
export type FromRuntime =
  | { type: 'ready' }
  | { type: 'stream'; parent: string; name: 'stdout' | 'stderr'; text: string }
  | { type: 'publish'; parent: string; message: string; content: object; metadata: object }
  | { type: 'ask'; parent: string; id: number; question: string; password: boolean }
  | {
      type: 'done';
      id: string;
      /** Names that the cell gave a value. */
      defined: string[];
      /** The value of the last expression; null where there is none to show. */
      result: Bundle | null;
      error: ShownError | null;
    };

/** Bytes around the number that the runtime writes to its raw outputs when a cell has ended. */
export const markerStart = '\u0000mambalab-end:';
export const markerEnd = '\u0000';
