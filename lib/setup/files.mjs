// Hashes of sources and writes that are whole or absent.
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';

/** Every file under a folder for which `keep(relative path)` holds, sorted; folders named in `skip` are not entered. */
export function listFiles(folder, keep, skip = []) {
  const found = [];
  const visit = (at) => {
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      const path = join(at, entry.name);
      if (entry.isDirectory()) {
        if (!skip.includes(entry.name)) visit(path);
      } else if (keep(relative(folder, path).split(sep).join('/'))) {
        found.push(path);
      }
    }
  };
  if (existsSync(folder)) visit(folder);
  return found.sort();
}

/** SHA-256 over names and contents of files (missing ones count as such) and over further strings. */
export function hashOf(base, files, ...extra) {
  const hash = createHash('sha256');
  for (const text of extra) hash.update(`${text}\0`);
  for (const file of files) {
    const content = existsSync(file) ? readFileSync(file) : null;
    const name = relative(base, file).split(sep).join('/');
    hash.update(`${name}\0${content ? content.length : 'absent'}\0`);
    if (content) hash.update(content);
  }
  return hash.digest('hex');
}

/** Writes a file by a temporary neighbour and a rename, so that a reader sees the old or the new one. */
export function writeAtomic(file, content) {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, content);
  renameSync(temporary, file);
}
