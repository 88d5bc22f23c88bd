/** A notebook as a file: its title, its figures, and the hash of what its results depend on. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, relative, sep } from 'node:path';
import { addonFile, root } from '#setup/places.mjs';

/** A notebook to execute. */
export interface Notebook {
  /** The file's name without `.ipynb`. */
  readonly name: string;
  readonly path: string;
  /** The first heading of its first text, or the name. */
  readonly title: string;
  /** The first paragraph under that heading. */
  readonly summary: string;
}

type Lines = string | readonly string[];
interface Cell {
  readonly cell_type: string;
  readonly source: Lines;
  readonly outputs?: readonly { readonly data?: Record<string, Lines> }[];
}

const whole = (lines: Lines) => (typeof lines === 'string' ? lines : lines.join(''));

function cellsOf(path: string): readonly Cell[] {
  let parsed: { cells?: unknown };
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path}: not a notebook: ${(error as Error).message}`);
  }
  if (!Array.isArray(parsed.cells)) {
    throw new Error(
      `${path}: not a notebook: expected a list 'cells', found ${typeof parsed.cells}`,
    );
  }
  return parsed.cells as Cell[];
}

/** Markdown as plain text: links by their words, no emphasis marks, one line. */
function withoutMarks(text: string): string {
  const words = text.replace(/\[([^\]]+)\]\([^)]*\)/g, '$1').replace(/\*{1,2}|`/g, '');
  return words.replace(/\s+/g, ' ').trim();
}

/** Reads a notebook's title and summary. */
export function readNotebook(path: string): Notebook {
  const name = basename(path, '.ipynb');
  const first = cellsOf(path).find((cell) => cell.cell_type === 'markdown');
  const text = first ? whole(first.source) : '';
  const title = /^#\s+(.+)$/m.exec(text)?.[1]?.trim() ?? name;
  const paragraphs = text.split(/\n\s*\n/).map((part) => part.trim());
  const plain = paragraphs.find((part) => part && !part.startsWith('#')) ?? '';
  return { name, path, title: withoutMarks(title), summary: withoutMarks(plain) };
}

/** The notebooks of a folder, by name. */
export function listNotebooks(folder: string): readonly Notebook[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((file) => file.endsWith('.ipynb'));
  return files.sort().map((file) => readNotebook(join(folder, file)));
}

/** The SVG outputs of an executed notebook, in order. */
export function figuresOf(path: string): readonly string[] {
  return cellsOf(path).flatMap((cell) =>
    (cell.outputs ?? []).flatMap(({ data }) => {
      const svg = data?.['image/svg+xml'];
      return svg ? [whole(svg)] : [];
    }),
  );
}

function filesUnder(folder: string, keep: (path: string) => boolean): string[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter(keep)
    .sort();
}

/**
 * The hash of everything in the checkout that the library part of a result depends on: compiled code, the
 * engine, the data that ships, and files beside the notebooks (but no results, should `out` lie there).
 */
export function hashOfInputs(notebookFolder: string, out: string): string {
  const isBeside = (path: string) =>
    !path.endsWith('.ipynb') && !path.includes('.ipynb_') && !path.startsWith(join(out, sep));
  const files = [
    ...filesUnder(join(root, 'dist'), (path) => path.endsWith('.js')),
    ...filesUnder(join(root, 'data'), () => true),
    ...filesUnder(notebookFolder, isBeside),
    join(root, 'package-lock.json'),
    join(root, 'lib', 'setup', 'requirements.txt'),
    addonFile,
  ].filter((path) => existsSync(path) && statSync(path).isFile());
  const hash = createHash('sha256').update(process.version);
  for (const file of files) {
    const content = readFileSync(file);
    hash.update(`\0${relative(root, file)}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

/** The hash of one notebook's inputs, given {@link hashOfInputs} and what it is run with. */
export function hashOfRun(notebook: Notebook, inputs: string, settings: string): string {
  const hash = createHash('sha256').update(inputs).update(`\0${settings}\0`);
  return hash.update(readFileSync(notebook.path)).digest('hex');
}
