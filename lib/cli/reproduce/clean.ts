/** Removes what earlier reproductions left in a folder, and nothing else that lies there. */
import { existsSync, lstatSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { abandoned } from './execute.js';
import { PAGE_TITLE } from './page.js';
import { filesOf, readRecord } from './record.js';

function ownFiles(folder: string): readonly string[] {
  const record = readRecord(folder);
  // A record is a file that anyone can write: only names that an execution gives are believed.
  if (record?.name !== basename(folder) || !Array.isArray(record.figures)) return [];
  const pngs = Array.isArray(record.pngs) ? record.pngs : [];
  const isFigure = (file: unknown) => /^fig\d+\.(svg|png)$/.test(String(file));
  return filesOf({ name: record.name, figures: [...record.figures, ...pngs].filter(isFigure) })
    .map((file) => join(folder, file))
    .filter((file) => existsSync(file));
}

/**
 * The files and work folders in `out` that reproductions made.
 * @param names the notebooks that are meant
 * @param all also the results of notebooks that are gone, and the page
 */
export function resultsIn(out: string, names: readonly string[], all: boolean): readonly string[] {
  if (!existsSync(out)) return [];
  const folders = readdirSync(out).filter((name) => lstatSync(join(out, name)).isDirectory());
  const chosen = folders.filter((name) => all || names.includes(name));
  const files = chosen.flatMap((name) => ownFiles(join(out, name)));
  const work = names.flatMap((name) => abandoned(out, name)).map((name) => join(out, name));
  const page = join(out, 'index.html');
  const isOurs =
    all && existsSync(page) && readFileSync(page, 'utf8').includes(`<title>${PAGE_TITLE}</title>`);
  return [...files, ...work, ...(isOurs ? [page] : [])];
}

/** Removes what {@link resultsIn} found, and the notebooks' folders that are empty then. */
export function removeResults(out: string, results: readonly string[]): void {
  for (const path of results) rmSync(path, { recursive: true, force: true });
  const folders = new Set(results.map((path) => dirname(path)).filter((path) => path !== out));
  for (const folder of folders) if (readdirSync(folder).length === 0) rmdirSync(folder);
}
