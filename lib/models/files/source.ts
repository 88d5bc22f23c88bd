import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { CheckpointError, show } from './errors.js';

/** Bytes that can be read in pieces at any position: a file, or memory in tests. */
export interface ByteSource {
  /** Names the source in errors. */
  readonly path: string;
  /** Length in bytes. */
  readonly size: number;
  /** Fills all of `target` with the bytes from `offset` on. */
  read(offset: number, target: Uint8Array): void;
}

// One read call moves at most this much: Node's readSync fails beyond 2 GiB.
const largestRead = 1 << 26;

/**
 * Opens a file, hands it to `use` as a source of positioned reads, and closes it again.
 *
 * @throws CheckpointError when the file cannot be opened or ends while it is read.
 */
export function withFile<T>(path: string, use: (source: ByteSource) => T): T {
  const file = openFile(path);
  try {
    return use(file);
  } finally {
    file.close();
  }
}

/** A file as a source of positioned reads, to be closed by the caller. */
export function openFile(path: string): ByteSource & { close(): void } {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    throw new CheckpointError(path, 'file', 'a readable file', reason(error));
  }
  const stat = fstatSync(descriptor);
  if (!stat.isFile()) {
    closeSync(descriptor);
    const found = stat.isDirectory() ? 'a folder' : 'something else';
    throw new CheckpointError(path, 'file', 'a regular file', found);
  }
  return {
    path,
    size: stat.size,
    read(offset, target) {
      let done = 0;
      while (done < target.length) {
        const length = Math.min(target.length - done, largestRead);
        const got = readSync(descriptor, target, done, length, offset + done);
        if (got === 0) {
          const at = offset + done;
          throw new CheckpointError(path, `byte ${at}`, `${length} more bytes`, 'the end');
        }
        done += got;
      }
    },
    close: () => closeSync(descriptor),
  };
}

/** A source over bytes already in memory. */
export function memorySource(path: string, bytes: Uint8Array): ByteSource {
  return {
    path,
    size: bytes.length,
    read(offset, target) {
      if (offset + target.length > bytes.length) {
        const found = `only ${Math.max(0, bytes.length - offset)}`;
        throw new CheckpointError(path, `byte ${offset}`, `${target.length} bytes`, found);
      }
      target.set(bytes.subarray(offset, offset + target.length));
    },
  };
}

/** The system's short reason for a failed file operation. */
export function reason(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  if (code === 'ENOENT') return 'nothing (no such file)';
  if (code === 'EACCES') return 'no permission to read it';
  return error instanceof Error ? error.message : show(error);
}
