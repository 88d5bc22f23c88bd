import { SourceMap, type SourceMapPayload } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LocalModule } from '../compiler/converter.js';

const ownFolder = dirname(dirname(fileURLToPath(import.meta.url)));

/** Lines in front of a cell's code: in the script that runs, and in the text the map is of. */
const scriptLines = 1;
const framedLines = 1;

/** A place in a version of a local file, which is a module of its own to Node.js. */
const modulePosition = /(file:[^\s()]+)\?mambalab=([\da-f]+):(\d+):(\d+)/g;

/** Cells whose positions are known; older ones have names of scripts in their stacks. */
const most = 2000;

interface Cell {
  run: number;
  label: string;
  source: string;
  map: string;
  parsed: SourceMap | null;
}

/** A place in a cell, counted from 1. */
export interface Place {
  run: number;
  label: string;
  source: string;
  line: number;
  column: number;
}

/** Turns positions in the scripts that run into positions in the cells as they were written. */
export class Stacks {
  readonly #cells = new Map<string, Cell>();
  /** Source maps by path and version. */
  readonly #modules = new Map<string, string>();
  readonly #folder: string;
  readonly #position: RegExp;

  /** @param folder The notebook's folder, in which cells pretend to be files. */
  constructor(folder: string) {
    this.#folder = folder;
    const path = join(folder, '__run').replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    this.#position = new RegExp(`(?:file://)?(${path}\\d+\\.ts):(\\d+):(\\d+)`, 'g');
  }

  /** Notes a cell and returns the file name for its script. */
  add(run: number, label: string, source: string, map: string): string {
    const path = this.#pathOf(run);
    this.#cells.set(path, { run, label, source, map, parsed: null });
    this.#cells.delete(this.#pathOf(run - most));
    return path;
  }

  /** Notes how the versions of local files were compiled. */
  addModules(modules: readonly LocalModule[]): void {
    for (const { path, version, map } of modules) {
      if (map !== null) this.#modules.set(`${path} ${version}`, map);
    }
  }

  /** Makes every `error.stack` of this process speak of cells and leave the kernel out. */
  install(): void {
    Error.prepareStackTrace = (error, sites) => {
      const frames = sites.map((site) => String(site));
      // Node's own frames below the kernel's are how the kernel came to run the cell.
      const entry = frames.findLastIndex((frame) => frame.includes(ownFolder));
      return frames
        .filter((frame, i) => !isInternal(frame) && !(i > entry && entry >= 0 && isNode(frame)))
        .reduce((text, frame) => `${text}\n    at ${this.translate(frame)}`, headline(error));
    };
  }

  /** Replaces the positions of scripts in a text by those of their cells. */
  translate(text: string): string {
    return text
      .replaceAll(modulePosition, (_, url: string, version: string, line: string, column: string) =>
        this.#inFile(url, version, Number(line), Number(column)),
      )
      .replaceAll(this.#position, (whole, path: string, line: string, column: string) => {
        const place = this.#locate(path, Number(line), Number(column));
        return place === null ? whole : `${place.label}:${place.line}:${place.column}`;
      });
  }

  /** The place in the newest cell that a translated stack names: where the run came from. */
  newestPlace(stack: string): Place | null {
    for (const { run, label, source } of [...this.#cells.values()].reverse()) {
      const at = stack.indexOf(`${label}:`);
      if (at < 0) continue;
      const numbers = /^:(\d+):(\d+)/.exec(stack.slice(at + label.length));
      if (numbers === null) continue;
      return { run, label, source, line: Number(numbers[1]), column: Number(numbers[2]) };
    }
    return null;
  }

  /** The place in a local file, which is named from the notebook's folder where it lies in that. */
  #inFile(url: string, version: string, line: number, column: number): string {
    const path = fileURLToPath(url);
    const inside = relative(this.#folder, path);
    const shown = inside.startsWith('..') ? path : inside;
    const map = this.#modules.get(`${posix(path)} ${version}`);
    if (map === undefined) return `${shown}:${line}:${column}`;
    const entry = parse(map).findEntry(line - 1, column - 1);
    if (!('originalLine' in entry)) return `${shown}:${line}:${column}`;
    return `${shown}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  }

  #pathOf(run: number): string {
    return join(this.#folder, `__run${run}.ts`);
  }

  #locate(path: string, line: number, column: number): Place | null {
    const cell = this.#cells.get(path);
    if (cell === undefined) return null;
    cell.parsed ??= parse(cell.map);
    const entry = cell.parsed.findEntry(line - 1 - scriptLines, column - 1);
    if (!('originalLine' in entry)) return null;
    return {
      run: cell.run,
      label: cell.label,
      source: cell.source,
      line: entry.originalLine + 1 - framedLines,
      column: entry.originalColumn + 1,
    };
  }
}

function parse(map: string): SourceMap {
  return new SourceMap(JSON.parse(map) as SourceMapPayload);
}

function posix(path: string): string {
  return path.replaceAll('\\', '/');
}

function isInternal(frame: string): boolean {
  return (
    frame.includes(ownFolder) ||
    frame.includes('node:internal/') ||
    frame.includes('(node:vm') ||
    frame.startsWith('node:vm')
  );
}

function isNode(frame: string): boolean {
  return frame.includes('(node:') || frame.startsWith('node:');
}

/** What stands above the frames; also for plain objects that get a stack, as in `console.trace`. */
function headline(error: Error): string {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    return 'Error';
  }
}
