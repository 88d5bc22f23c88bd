import { writeSync } from 'node:fs';
import { encodeFrame } from '../link/frames.js';
import { pipes, type RuntimeEvent } from '../link/messages.js';

/**
 * Tells the protocol process something. The write is synchronous: what a busy cell says is seen
 * while it runs, in order, and a slow reader slows the cell down instead of filling the memory.
 */
export function send(event: RuntimeEvent): void {
  writeAll(pipes.events, encodeFrame(event));
}

/** Writes every byte, waiting where the pipe is full. */
export function writeAll(descriptor: number, bytes: Buffer): void {
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

const pause = new Int32Array(new SharedArrayBuffer(4));
