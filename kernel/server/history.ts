/** What was run in this session and in earlier ones, for the front end's history. */
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '#setup/places.mjs';

type Entry = [session: number, line: number, input: string];
type EntryWithOutput = [session: number, line: number, io: [input: string, output: string | null]];

interface Cell {
  session: number;
  line: number;
  input: string;
  output: string | null;
}

/** Sessions that are kept on disk. */
const mostSessions = 500;
/** Characters of an output that are kept. */
const mostOutput = 10_000;

const fileName = /^(\d+)\.jsonl$/;

/** The folder of the histories, in the cache; null when `MAMBALAB_HISTORY` is `off`. */
export function historyFolder(env = process.env, platform = process.platform): string | null {
  return env.MAMBALAB_HISTORY === 'off' ? null : join(cacheFolder(env, platform), 'history');
}

/**
 * Cells in the order in which they ran. Each kernel is a session with a file of its own, one line
 * of JSON for a cell and one more for its output; where that cannot be written, the history lasts
 * as long as the kernel.
 */
export class History {
  readonly #folder: string | null;
  readonly #warn: (text: string) => void;
  readonly #cells: Cell[] = [];
  #session: number;
  #file: string | null = null;

  /**
   * @param folder Where sessions are kept; null for nowhere.
   * @param warn Told why the history is not kept.
   */
  constructor(folder: string | null, warn: (text: string) => void) {
    this.#folder = folder;
    this.#warn = warn;
    this.#session = folder === null ? 1 : (sessionsIn(folder).at(-1) ?? 0) + 1;
  }

  /** Notes a cell that is about to run as line `line` of this session. */
  add(line: number, input: string): void {
    // A kernel that runs nothing leaves no file.
    if (this.#cells.length === 0 && this.#folder !== null) {
      const opened = openSession(this.#folder, this.#warn);
      this.#session = opened?.session ?? this.#session;
      this.#file = opened?.file ?? null;
    }
    this.#cells.push({ session: this.#session, line, input, output: null });
    this.#append({ line, input });
  }

  output(line: number, text: string): void {
    const output = text.slice(0, mostOutput);
    const cell = this.#cells.findLast((c) => c.line === line);
    if (cell !== undefined) cell.output = output;
    this.#append({ line, output });
  }

  /** The content of a `history_reply` for a `history_request`. */
  answer(request: Record<string, unknown>): (Entry | EntryWithOutput)[] {
    const count = Number(request.n ?? 0);
    let cells: Cell[] = [];
    if (request.hist_access_type === 'tail') {
      cells = count > 0 ? this.#last(count) : [];
    } else if (request.hist_access_type === 'range') {
      // Sessions up to 0 count back from this one.
      const asked = Number(request.session ?? 0);
      const session = asked > 0 ? asked : this.#session + asked;
      const start = Number(request.start ?? 1);
      const stop = Number(request.stop ?? Number.POSITIVE_INFINITY);
      cells = this.#of(session).filter(({ line }) => line >= start && line < stop);
    } else if (request.hist_access_type === 'search') {
      const pattern = glob(String(request.pattern ?? '*'));
      cells = this.#last(Number.POSITIVE_INFINITY).filter(({ input }) => pattern.test(input));
      if (request.unique) {
        const newest = new Map(cells.map((cell) => [cell.input, cell]));
        cells = cells.filter((cell) => newest.get(cell.input) === cell);
      }
      if (count > 0) cells = cells.slice(-count);
    }
    return cells.map(({ session, line, input, output }): Entry | EntryWithOutput =>
      request.output ? [session, line, [input, output]] : [session, line, input],
    );
  }

  /** The newest cells, of as many sessions as it takes; the oldest first. */
  #last(count: number): Cell[] {
    let cells = this.#cells;
    if (this.#folder !== null) {
      for (const session of sessionsIn(this.#folder).reverse()) {
        if (cells.length >= count) break;
        if (session < this.#session) cells = [...this.#of(session), ...cells];
      }
    }
    return Number.isFinite(count) ? cells.slice(-count) : cells;
  }

  #of(session: number): Cell[] {
    if (session === this.#session) return this.#cells;
    return this.#folder === null ? [] : readSession(this.#folder, session);
  }

  #append(entry: object): void {
    if (this.#file === null) return;
    try {
      appendFileSync(this.#file, `${JSON.stringify(entry)}\n`);
    } catch {
      // A full disk must not stop cells from running.
    }
  }
}

/** Makes the next session's file, which no other kernel has; only its owner may read it. */
function openSession(
  folder: string,
  warn: (text: string) => void,
): { session: number; file: string } | null {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const sessions = sessionsIn(folder);
    for (const old of sessions.slice(0, -mostSessions))
      rmSync(pathOf(folder, old), { force: true });
    for (let session = (sessions.at(-1) ?? 0) + 1; ; session += 1) {
      const file = pathOf(folder, session);
      try {
        closeSync(openSync(file, 'wx', 0o600));
        return { session, file };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
  } catch (error) {
    warn(`the history is not kept: ${(error as Error).message}`);
    return null;
  }
}

function pathOf(folder: string, session: number): string {
  return join(folder, `${String(session).padStart(6, '0')}.jsonl`);
}

function sessionsIn(folder: string): number[] {
  try {
    return readdirSync(folder)
      .flatMap((name) => fileName.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  } catch {
    return [];
  }
}

function readSession(folder: string, session: number): Cell[] {
  let text: string;
  try {
    text = readFileSync(pathOf(folder, session), 'utf8');
  } catch {
    return [];
  }
  const cells = new Map<number, Cell>();
  for (const row of text.split('\n')) {
    try {
      const { line, input, output } = JSON.parse(row) as Partial<Cell>;
      const cell = cells.get(line ?? 0);
      if (typeof line !== 'number') continue;
      if (typeof input === 'string') cells.set(line, { session, line, input, output: null });
      else if (cell !== undefined && typeof output === 'string') cell.output = output;
    } catch {
      // The last line of a kernel that was killed may be half written.
    }
  }
  return [...cells.values()];
}

/** A pattern with `*` and `?` that matches whole cells. */
function glob(pattern: string): RegExp {
  const escaped = pattern.replace(/[\\^$.|+()[\]{}]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '[^]*').replaceAll('?', '[^]')}$`);
}
