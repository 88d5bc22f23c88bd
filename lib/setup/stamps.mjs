// A stamp says that a step ended well and for which inputs. It is taken away before the step starts and
// written after everything else, so a step that was killed has none.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomic } from './files.mjs';

const fileOf = (folder, step) => join(folder, 'stamps', `${step}.json`);

/** The stamp's content, or null where there is none or it cannot be read. */
export function readStamp(folder, step) {
  const file = fileOf(folder, step);
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

export function writeStamp(folder, step, content) {
  writeAtomic(fileOf(folder, step), `${JSON.stringify(content, null, 2)}\n`);
}

export function clearStamp(folder, step) {
  rmSync(fileOf(folder, step), { force: true });
}
