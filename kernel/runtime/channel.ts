import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { encodeFrame } from '../link/frames.js';
import {
  type Descriptor,
  orderMark,
  type PlacedEvent,
  pipes,
  type RuntimeEvent,
} from '../link/messages.js';
import { sharedMemory, slot } from './shared.js';

/** How long a stop by the watchdog may hold up a write. */
const stopMs = 1000;

/** Between two texts that follow each other faster, nobody else has written anything. */
const burstMs = 0.1;

const outputs: readonly Descriptor[] = [1, 2];

const writeSync = fs.writeSync;

const pause = new Int32Array(new SharedArrayBuffer(4));
/** Plain outputs that the code of cells has closed. */
const closed = new Set<Descriptor>();
let shared = sharedMemory();
let secret = '';
let marks = 0;
/** When the last event was out. */
let last = 0;

/** Makes the channel ready: `memory` is the watchdog's too, `word` a part of every mark. */
export function openChannel(memory: Int32Array, word: string): void {
  shared = memory;
  secret = word;
}

/**
 * Tells the protocol process something. The write is synchronous: what a busy cell says is seen
 * while it runs, in order, and a slow reader slows the cell down instead of filling the memory.
 * The place in the plain outputs is marked, so that what native code and child processes print
 * keeps its place as well; a burst of texts has one mark, which three writes a line would slow down.
 */
export function send(event: RuntimeEvent): void {
  const isBurst = event.type === 'stream' && performance.now() - last < burstMs;
  const at = isBurst ? [] : outputs.filter((descriptor) => !closed.has(descriptor));
  marks += 1;
  const mark = marks;
  // A copy would cost as much as all the rest.
  const frame = encodeFrame(Object.assign(event, { mark, at }) satisfies PlacedEvent);
  begin();
  try {
    for (const descriptor of at) leaveMark(descriptor, mark);
    writeAll(pipes.events, frame);
  } finally {
    Atomics.store(shared, slot.writing, 0);
  }
  last = performance.now();
}

/** Makes direct writes of cells to the plain outputs end a burst, however short they are. */
export function watchDescriptors(): void {
  for (const name of ['writeSync', 'writevSync', 'write', 'writev'] as const) {
    const original = fs[name] as (...args: unknown[]) => unknown;
    const watched = (...args: unknown[]): unknown => {
      if (args[0] === 1 || args[0] === 2) last = 0;
      return original(...args);
    };
    Object.defineProperties(watched, Object.getOwnPropertyDescriptors(original));
    Object.defineProperty(fs, name, { value: watched, writable: true, configurable: true });
  }
  syncBuiltinESMExports();
}

/** Waits until the watchdog is not stopping this thread, and keeps it from beginning to. */
function begin(): void {
  Atomics.store(shared, slot.writing, 1);
  if (Atomics.load(shared, slot.stopping) === 0) return;
  const limit = performance.now() + stopMs;
  do {
    Atomics.store(shared, slot.writing, 0);
    Atomics.wait(shared, slot.stopping, 1, 10);
    Atomics.store(shared, slot.writing, 1);
  } while (Atomics.load(shared, slot.stopping) === 1 && performance.now() < limit);
}

function leaveMark(descriptor: Descriptor, mark: number): void {
  try {
    writeAll(descriptor, Buffer.from(orderMark(secret, mark)));
  } catch {
    closed.add(descriptor);
  }
}

/** Writes every byte, waiting where the pipe is full. */
function writeAll(descriptor: number, bytes: Buffer): void {
  let offset = 0;
  while (offset < bytes.length) {
    try {
      offset += writeSync(descriptor, bytes, offset);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}
