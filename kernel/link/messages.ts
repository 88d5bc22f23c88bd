import type { LocalModule } from '../compiler/converter.js';

// What the kernel's protocol process and the runtime, which runs the cells, say to each other.

/** Descriptors of the pipes between the two, as the runtime sees them. */
export const pipes = { commands: 3, events: 4 } as const;

/** A cell to run. */
export interface ExecuteCommand {
  type: 'execute';
  /** Counts all runs of this process. */
  run: number;
  /** How stacks and messages call the cell, such as `In[3]`. */
  label: string;
  source: string;
  code: string;
  map: string;
  names: string[];
  modules: LocalModule[];
}

/** From the protocol process to the runtime. */
export type Command =
  | ExecuteCommand
  | { type: 'interrupt' }
  | { type: 'input'; value: string | null }
  | { type: 'exit' };

/** A MIME bundle: one value in several representations. */
export type Bundle = Record<string, unknown>;

/** An error in the form of Jupyter's `error` message. */
export interface ErrorContent {
  ename: string;
  evalue: string;
  traceback: string[];
}

/** How a run ended. */
export interface DoneEvent {
  type: 'done';
  run: number;
  /** Null when the cell ended normally. */
  error: ErrorContent | null;
  /** The value of a last expression. */
  result: Bundle | null;
  /** Names that have the value this cell gave them. */
  defined: string[];
}

/** From the runtime to the protocol process. */
export type RuntimeEvent =
  | { type: 'ready' }
  | { type: 'stream'; name: 'stdout' | 'stderr'; text: string }
  | { type: 'publish'; messageType: string; content: Bundle; metadata: Bundle }
  | { type: 'input'; prompt: string; password: boolean }
  | DoneEvent;

/**
 * What the runtime writes to its plain stdout and stderr when a run is over, so that the reader
 * of those pipes knows it has seen everything that native code and child processes wrote.
 */
export function flushMarker(secret: string, run: number): string {
  return `\u0000${secret}:${run}\u0000`;
}
