/** What was run in this session, for the front end's history. */

type Entry = [session: number, line: number, input: string];
type EntryWithOutput = [session: number, line: number, io: [input: string, output: string | null]];

/** The session number of the running kernel; earlier sessions are not kept. */
const session = 1;

/** Cells in the order in which they ran. */
export class History {
  readonly #inputs: string[] = [];
  readonly #outputs = new Map<number, string>();

  /** @returns The cell's line number, from 1. */
  add(input: string): number {
    return this.#inputs.push(input);
  }

  output(line: number, text: string): void {
    this.#outputs.set(line, text);
  }

  /** The content of a `history_reply` for a `history_request`. */
  answer(request: Record<string, unknown>): (Entry | EntryWithOutput)[] {
    const count = Number(request.n ?? 0);
    let lines = this.#inputs.map((_, i) => i + 1);
    if (request.hist_access_type === 'tail') {
      lines = count > 0 ? lines.slice(-count) : [];
    } else if (request.hist_access_type === 'range') {
      const mine = [0, session].includes(Number(request.session ?? 0));
      const start = Math.max(1, Number(request.start ?? 1));
      const stop = Number(request.stop ?? lines.length + 1);
      lines = mine ? lines.filter((line) => line >= start && line < stop) : [];
    } else if (request.hist_access_type === 'search') {
      const pattern = glob(String(request.pattern ?? '*'));
      lines = lines.filter((line) => pattern.test(this.#inputs[line - 1] as string));
      if (request.unique) {
        const newest = new Map(lines.map((line) => [this.#inputs[line - 1], line]));
        lines = lines.filter((line) => newest.get(this.#inputs[line - 1]) === line);
      }
      if (count > 0) lines = lines.slice(-count);
    }
    return lines.map((line): Entry | EntryWithOutput => {
      const input = this.#inputs[line - 1] as string;
      return request.output
        ? [session, line, [input, this.#outputs.get(line) ?? null]]
        : [session, line, input];
    });
  }
}

/** A pattern with `*` and `?` that matches whole cells. */
function glob(pattern: string): RegExp {
  const escaped = pattern.replace(/[\\^$.|+()[\]{}]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '[^]*').replaceAll('?', '[^]')}$`);
}
