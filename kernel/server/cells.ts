import type { CompilerClient } from '../compiler/client.js';
import type { ConvertedCell } from '../compiler/converter.js';
import type { Bundle, CommCommand, ErrorContent } from '../link/messages.js';
import { diagnosticsError } from './diagnostics.js';
import { Runtime, type RuntimeEvents } from './runtime.js';

/** What the kernel hears of its cells besides what the running code says. */
export interface CellEvents extends RuntimeEvents {
  /** A run begins; what it prints and shows, then or later, carries its number. */
  began(run: number): void;
}

/** Source map of code that no cell holds. */
const emptyMap = '{"version":3,"sources":[],"names":[],"mappings":""}';

/** How a cell ended. */
export interface Outcome {
  error: ErrorContent | null;
  result: Bundle | null;
}

/** Compiles and runs cells, one at a time. */
export class Cells {
  readonly #compiler: CompilerClient;
  readonly #folder: string;
  readonly #events: CellEvents;
  #runtime: Runtime;
  #runs = 0;
  #end = 'ended';
  #interrupted: (() => void) | null = null;

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
    const interrupted = new Promise<'interrupted'>((resolve) => {
      this.#interrupted = () => resolve('interrupted');
    });
    // The compiler cannot be stopped, but nobody has to wait for it.
    const converted = await Promise.race([
      this.#compiler.convert(source, options.check),
      interrupted,
    ]);
    this.#interrupted = null;
    if (converted === 'interrupted') {
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
    const parts = { run: this.#begin(), request, label, source: commandLine, code };
    const done = await this.#runtime.execute({
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
    const run = this.#begin();
    const done = await this.#runtime.execute({ type: 'comm', run, ...message });
    return done === null ? this.#death() : done.error;
  }

  /** Forgets every variable: the next cell runs in a new process. */
  async restart(): Promise<void> {
    this.#runtime.kill();
    this.#runtime = this.#start();
    await this.#compiler.reset();
  }

  /** Ends the cell in progress, if there is one. */
  interrupt(): void {
    if (this.#interrupted !== null) this.#interrupted();
    else this.#runtime.interrupt();
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
    const run = this.#begin();
    const parts = { run, request, label, source, code, map, names, modules };
    const done = await this.#runtime.execute({ type: 'execute', ...parts });
    if (done === null) return { error: this.#death(), result: null };
    if (commit && declares) this.#compiler.commit(cell, done.defined);
    return { error: done.error, result: done.result };
  }

  #begin(): number {
    this.#runs += 1;
    this.#events.began(this.#runs);
    return this.#runs;
  }

  #death(): ErrorContent {
    const evalue =
      `The process that runs the cells ${this.#end}. Its variables are lost; ` +
      'a new one has started.';
    return { ename: 'RuntimeDied', evalue, traceback: [`RuntimeDied: ${evalue}`] };
  }

  #start(): Runtime {
    return new Runtime(this.#folder, {
      ...this.#events,
      died: (how) => {
        this.#end = how;
        this.#runtime = this.#start();
        this.#compiler.reset().catch((error: Error) => this.#events.died(error.message));
        this.#events.died(how);
      },
    });
  }
}
