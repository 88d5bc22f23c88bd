import { renameSync, writeFileSync } from 'node:fs';

/** Writes a file so that it is there whole or not at all. */
export function writeAtomic(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.new-${process.pid}`;
  writeFileSync(temporary, content, { flush: true });
  renameSync(temporary, path);
}
