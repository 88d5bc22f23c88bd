/** Whether the machine has the memory and the disk that a plan takes, before anything starts. */
import { existsSync, statfsSync } from 'node:fs';
import { freemem } from 'node:os';
import { dirname } from 'node:path';
import { formatBytes } from '../../plots/index.js';
import { CliError } from '../command.js';

/** Bytes of memory and of disk: what is needed, or what is there. */
export interface Room {
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

/** What is free: memory, within a container's limit, and on the disk that a folder lies on or will. */
export function roomAt(folder: string): Room {
  let there = folder;
  while (!existsSync(there)) there = dirname(there);
  const { bavail, bsize } = statfsSync(there);
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return { memoryBytes: Math.min(freemem(), limit), diskBytes: bavail * bsize };
}

/** Needs of a plan in words. */
export const describeRoom = ({ memoryBytes, diskBytes }: Room): string =>
  `memory ${formatBytes(memoryBytes)}, disk ${formatBytes(diskBytes)}`;

/** @throws CliError with what is needed and what is there, of both where both are short. */
export function requireRoom(needs: Room, there: Room, out: string): void {
  const short: string[] = [];
  if (needs.memoryBytes > there.memoryBytes) {
    short.push(
      `not enough memory: the plan needs about ${formatBytes(needs.memoryBytes)}, ` +
        `${formatBytes(there.memoryBytes)} are free (fewer --jobs, --only or a smaller --scale need less)`,
    );
  }
  if (needs.diskBytes > there.diskBytes) {
    short.push(
      `not enough disk: ${out} needs about ${formatBytes(needs.diskBytes)}, ` +
        `${formatBytes(there.diskBytes)} are free there (--out names another folder)`,
    );
  }
  if (short.length > 0) throw new CliError(`${short.join('\n')}\nnothing was started`);
}
