import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** Files being made in a folder of their own, which take the place of older ones all at the end. */
export class NewFiles {
  private readonly work: string;
  readonly names: string[] = [];

  /** @param folder made where it is missing. */
  constructor(private readonly folder: string) {
    mkdirSync(folder, { recursive: true });
    this.work = mkdtempSync(join(folder, '.saving-'));
  }

  /** Where to write the file that will have this name. */
  path(name: string): string {
    this.names.push(name);
    return join(this.work, name);
  }

  /** Writes a small file, forced to the disk. */
  write(name: string, content: string): void {
    writeFileSync(this.path(name), content, { flag: 'wx', flush: true });
  }

  /**
   * Moves the files to their places and removes older ones that they stand for. Nothing is written
   * any more, so that a full disk cannot stop it half way.
   */
  commit(isStale: (name: string) => boolean): void {
    for (const name of this.names) renameSync(join(this.work, name), join(this.folder, name));
    for (const name of readdirSync(this.folder)) {
      if (!this.names.includes(name) && isStale(name)) rmSync(join(this.folder, name));
    }
    syncFolder(this.folder);
  }

  /** Removes what was not moved. */
  close(): void {
    if (existsSync(this.work)) rmSync(this.work, { recursive: true });
  }
}

/** Forces renames to the disk, where a folder can be opened. */
function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
