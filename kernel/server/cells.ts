import type { CompilerClient } from '../compiler/client.js';
import type { ConvertedCell } from '../compiler/converter.js';
import type { Bundle, ErrorContent } from '../link/messages.js';
import { diagnosticsError } from './diagnostics.js';
import { Runtime, type RuntimeEvents } from './runtime.js';

/** How a cell ended. */
export interface Outcome {
  error: ErrorContent | null;
  result: Bundle | null;
}

/** Compiles and runs cells, one at a time. */
export class Cells {
  readonly #compiler: CompilerClient;
  readonly #folder: string;
  readonly #events: RuntimeEvents;
  #runtime: Runtime;
  #runs = 0;
  #interrupted: (() => void) | null = null;

  constructor(compiler: CompilerClient, folder: string, events: RuntimeEvents) {
    this.#compiler = compiler;
    this.#folder = folder;
    this.#events = events;
    this.#runtime = this.#start();
  }

  /**
   * Runs a cell.
   *
   * @param label How stacks call it.
   * @param commit Whether later cells see what it declares.
   */
  async run(source: string, label: string, commit: boolean): Promise<Outcome> {
    const interrupted = new Promise<'interrupted'>((resolve) => {
      this.#interrupted = () => resolve('interrupted');
    });
    // The compiler cannot be stopped, but nobody has to wait for it.
    const converted = await Promise.race([this.#compiler.convert(source), interrupted]);
    this.#interrupted = null;
    if (converted === 'interrupted') {
      const evalue = 'The cell was interrupted before it ran.';
      const traceback = [`KeyboardInterrupt: ${evalue}`];
      return { error: { ename: 'KeyboardInterrupt', evalue, traceback }, result: null };
    }
    if (!converted.ok) {
      return { error: diagnosticsError(converted.diagnostics, label), result: null };
    }
    return this.#execute(converted, source, label, commit);
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
    { cell, code, map, names, modules }: ConvertedCell,
    source: string,
    label: string,
    commit: boolean,
  ): Promise<Outcome> {
    this.#runs += 1;
    const run = this.#runs;
    const command = { type: 'execute', run, label, source, code, map, names, modules } as const;
    const done = await this.#runtime.execute(command);
    if (done === null) {
      const evalue =
        'The process that runs the cells ended. Its variables are lost; a new one has started.';
      const traceback = [`RuntimeDied: ${evalue}`];
      return { error: { ename: 'RuntimeDied', evalue, traceback }, result: null };
    }
    if (commit) this.#compiler.commit(cell, done.defined);
    return { error: done.error, result: done.result };
  }

  #start(): Runtime {
    this.#runs = 0;
    return new Runtime(this.#folder, {
      ...this.#events,
      died: (how) => {
        this.#runtime = this.#start();
        this.#compiler.reset().catch((error: Error) => this.#events.died(error.message));
        this.#events.died(how);
      },
    });
  }
}
