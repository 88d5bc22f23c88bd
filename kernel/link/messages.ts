import type { LocalModule } from '../compiler/converter.js';

// What the kernel's protocol process and the runtime, which runs the cells, say to each other.

/** Descriptors of the pipes between the two, as the runtime sees them. */
export const pipes = { commands: 3, events: 4 } as const;

/** What every run has, whatever it runs. */
interface RunCommand {
  /** Counts all runs of a kernel. */
  run: number;
  /** Id of the Jupyter message that asked for it. */
  request: string;
}

/** A cell to run. */
export interface ExecuteCommand extends RunCommand {
  type: 'execute';
  /** How stacks and messages call the cell, such as `In[3]`. */
  label: string;
  source: string;
  code: string;
  map: string;
  names: string[];
  modules: LocalModule[];
}

/** A message of a front end on a comm, which runs the code that listens to it. */
export interface CommCommand extends RunCommand {
  type: 'comm';
  messageType: 'comm_open' | 'comm_msg' | 'comm_close';
  content: Bundle;
  /** Binary parts in base64. */
  buffers: string[];
}

/** From the protocol process to the runtime. */
export type Command =
  | ExecuteCommand
  | CommCommand
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
  /** Null when the run ended normally. */
  error: ErrorContent | null;
  /** The value of a last expression. */
  result: Bundle | null;
  /** Names that have the value this cell gave them. */
  defined: string[];
}

/** Text that the code of a run printed, then or later; run 0 stands for whichever is last. */
export interface StreamEvent {
  type: 'stream';
  run: number;
  name: 'stdout' | 'stderr';
  text: string;
}

/** A message that the code of a run publishes on IOPub. */
export interface PublishEvent {
  type: 'publish';
  run: number;
  messageType: string;
  content: Bundle;
  metadata: Bundle;
  /** Binary parts in base64. */
  buffers: string[];
}

/** A question of a run to the person at the notebook. */
export interface InputEvent {
  type: 'input';
  run: number;
  prompt: string;
  password: boolean;
}

/** From the runtime to the protocol process. */
export type RuntimeEvent = { type: 'ready' } | StreamEvent | PublishEvent | InputEvent | DoneEvent;

/** A plain output of the runtime, stdout or stderr: child processes and native code print there. */
export type Descriptor = 1 | 2;

/** An event with its place among what is written to the plain outputs. */
export type PlacedEvent = RuntimeEvent & {
  /** Counts all events of a process. */
  mark: number;
  /** The outputs that carry the mark; none where nothing can have been written since the last. */
  at: Descriptor[];
};

/**
 * What the runtime writes to its plain outputs in front of an event, so that the reader of the
 * pipes puts all back into the order in which it was written.
 *
 * @param secret Hexadecimal digits that nobody prints by chance.
 */
export function orderMark(secret: string, mark: number): string {
  return `\u0000${secret}:${mark}\u0000`;
}
