import type { CompilerClient } from '../compiler/client.js';
import type { ConvertedCell } from '../compiler/converter.js';
import type { Bundle, CommCommand, ErrorContent } from '../link/messages.js';
import { diagnosticsError } from './diagnostics.js';
import { Runtime, type RuntimeEvents } from './runtime.js';

/** What the kernel hears of its cells besides what the running code says. */
export interface CellEvents extends RuntimeEvents {
  /** A run of a request begins; what it prints and shows, then or later, carries its number. */
  began(run: number, request: string): void;
  /** Something failed that no cell is told about. */
  warn(text: string): void;
}

/** Source map of code that no cell holds. */
const emptyMap = '{"version":3,"sources":[],"names":[],"mappings":""}';

/** How a cell ended. */
export interface Outcome {
  error: ErrorContent | null;
  result: Bundle | null;
}

/** Compiles and runs cells; those of different shells may run side by side. */
export class Cells {
  readonly #compiler: CompilerClient;
  readonly #folder: string;
  readonly #events: CellEvents;
  #runtime: Runtime;
  #runs = 0;
  #end = 'ended';
  /** Ends the waiting for the compiler, for each cell that waits. */
  readonly #compiling = new Set<() => void>();

  constructor(compiler: CompilerClient, folder: string, events: CellEvents) {
    this.#compiler = compiler;
    this.#folder = folder;
    this.#events = events;
    this.#runtime = this.#start();
  }

  /**
   * Runs a cell.
   *
   * @param label How stacks call it.
   * @param request Id of the message that asked for it.
   * @param options `commit`: whether later cells see what it declares; `check`: whether its types
   *   have to be right.
   */
  async run(
    source: string,
    label: string,
    request: string,
    options: { commit: boolean; check: boolean },
  ): Promise<Outcome> {
    let stop = (): void => {};
    const interrupted = new Promise<'interrupted'>((resolve) => {
      stop = () => resolve('interrupted');
    });
    this.#compiling.add(stop);
    // The compiler cannot be stopped, but nobody has to wait for it.
    const converting = this.#compiler.convert(source, options.check);
    const converted = await Promise.race([converting, interrupted]).finally(() =>
      this.#compiling.delete(stop),
    );
    if (converted === 'interrupted') {
      converting.then(
        (late) => late.ok && this.#compiler.discard(late.cell),
        () => {},
      );
      const evalue = 'The cell was interrupted before it ran.';
      const traceback = [`KeyboardInterrupt: ${evalue}`];
      return { error: { ename: 'KeyboardInterrupt', evalue, traceback }, result: null };
    }
    if (!converted.ok) {
      return { error: diagnosticsError(converted.diagnostics, label), result: null };
    }
    return this.#execute(converted, source, label, request, options.commit);
  }

  /** Runs a command line in the notebook's folder. */
  async shell(commandLine: string, label: string, request: string): Promise<Outcome> {
    const code = `await __cell.shell(${JSON.stringify(commandLine)});`;
    const parts = { run: this.#begin(request), request, label, source: commandLine, code };
    const done = await this.#living().execute({
      type: 'execute',
      ...parts,
      map: emptyMap,
      names: [],
      modules: [],
    });
    if (done === null) return { error: this.#death(), result: null };
    return { error: done.error, result: null };
  }

  /** Runs what listens to a comm; resolves to its error, if it fails. */
  async deliver(message: Omit<CommCommand, 'type' | 'run'>): Promise<ErrorContent | null> {
    const run = this.#begin(message.request);
    const done = await this.#living().execute({ type: 'comm', run, ...message });
    return done === null ? this.#death() : done.error;
  }

  /** Forgets every variable: the next cell runs in a new process. */
  async restart(): Promise<void> {
    this.#end = 'was ended by %reset';
    this.#runtime.kill();
    this.#runtime = this.#start();
    await this.#compiler.reset();
  }

  /** Ends the cells in progress, if there are some. */
  interrupt(): void {
    for (const stop of this.#compiling) stop();
    this.#runtime.interrupt();
  }

  answer(value: string | null): void {
    this.#runtime.answer(value);
  }

  stop(): void {
    this.#runtime.stop();
  }

  async #execute(
    { cell, code, map, names, declares, modules }: ConvertedCell,
    source: string,
    label: string,
    request: string,
    commit: boolean,
  ): Promise<Outcome> {
    const run = this.#begin(request);
    const parts = { run, request, label, source, code, map, names, modules };
    const done = await this.#living().execute({ type: 'execute', ...parts });
    if (done === null) return { error: this.#death(), result: null };
    if (declares) {
      if (commit) this.#compiler.commit(cell, done.defined);
      else this.#compiler.discard(cell);
    }
    return { error: done.error, result: done.result };
  }

  #begin(request: string): number {
    this.#runs += 1;
    this.#events.began(this.#runs, request);
    return this.#runs;
  }

  #death(): ErrorContent {
    const evalue = deathNotice(this.#end);
    return { ename: 'RuntimeDied', evalue, traceback: [`RuntimeDied: ${evalue}`] };
  }

  /** The process for cells; another one when it could not be started before. */
  #living(): Runtime {
    if (!this.#runtime.alive) this.#runtime = this.#start();
    return this.#runtime;
  }

  #start(): Runtime {
    return new Runtime(this.#folder, {
      ...this.#events,
      died: (end) => {
        this.#end = end.how;
        // One that cannot start would end at once again; the next cell may find that it can.
        if (end.ready) this.#runtime = this.#start();
        this.#compiler.reset().catch((error: Error) => this.#events.warn(error.message));
        if (end.idle && end.ready) {
          this.#events.stream({ run: 0, name: 'stderr', text: `${deathNotice(end.how)}\n` });
        }
        this.#events.died(end);
      },
    });
  }
}

function deathNotice(how: string): string {
  return `The process that runs the cells ${how}. Its variables are lost; a new one starts.`;
}
