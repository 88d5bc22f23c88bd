import { Script } from 'node:vm';
import type { Bundle, CommCommand, ErrorContent, ExecuteCommand } from '../link/messages.js';
import { bundleOf } from '../show/bundle.js';
import { send } from './channel.js';
import type { Comms } from './comms.js';
import { beginRun, endRun, inRun, type RunContext } from './context.js';
import type { Displays } from './displays.js';
import { describeError } from './errors.js';
import type { Imports } from './imports.js';
import { Interrupts, KeyboardInterrupt } from './interrupts.js';
import { createScope, ScopeSnapshot } from './scope.js';
import { shell } from './shell.js';
import type { Stacks } from './stacks.js';

type CellFunction = (...context: unknown[]) => Promise<void>;

interface Run {
  command: ExecuteCommand | CommCommand;
  context: RunContext;
  /** Names that a cell declares, and what they held before. */
  names: string[];
  before: ScopeSnapshot;
}

/** What a cell's code reaches as `__cell`. */
interface CellContext {
  value: unknown;
}

/**
 * Runs cells and what listens to comms in the process's main thread. Each shell of the kernel has
 * one run at a time; while one waits, those of other shells go on.
 *
 * An interrupt may end this thread's code at any point and drop what is waiting, so nothing here
 * relies on an await of its own: a run is over when {@link Runner.finish} says so.
 */
export class Runner {
  readonly interrupts = new Interrupts((newest) => this.#interruptNow(newest));
  readonly #scope = createScope();
  readonly #folder: string;
  readonly #imports: Imports;
  readonly #displays: Displays;
  readonly #stacks: Stacks;
  readonly #comms: Comms;
  readonly #ended: (run: number) => void;
  readonly #module = { exports: {} };
  /** Runs in progress by their numbers. */
  readonly #runs = new Map<number, Run>();
  /** Runs that came while others were being interrupted. */
  #waiting: (() => void)[] = [];

  /**
   * @param folder The notebook's folder.
   * @param parts `ended` is called with every run that has ended with an error.
   */
  constructor(
    folder: string,
    parts: {
      imports: Imports;
      displays: Displays;
      stacks: Stacks;
      comms: Comms;
      ended: (run: number) => void;
    },
  ) {
    this.#folder = folder;
    this.#imports = parts.imports;
    this.#displays = parts.displays;
    this.#stacks = parts.stacks;
    this.#comms = parts.comms;
    this.#ended = parts.ended;
  }

  /** Starts a run; its end is told by a `done` event. */
  execute(command: ExecuteCommand): void {
    if (this.#postponed(() => this.execute(command))) return;
    const run = this.#begin(command, command.names);
    if (run === null) return;
    this.#stacks.addModules(command.modules);
    const ready = command.modules.length > 0 ? this.#imports.update(command.modules) : null;
    if (ready === null) this.#start(run, command);
    else this.#follow(run, ready, () => this.#start(run, command));
  }

  /** Passes on a front end's message as a run of its own. */
  deliver(command: CommCommand): void {
    if (this.#postponed(() => this.deliver(command))) return;
    const run = this.#begin(command, []);
    if (run === null) return;
    this.#follow(run, this.#comms.deliver(command), () => {
      this.#follow(run, this.#displays.settled(command.run), () => this.#finish(run, null));
    });
  }

  /** Code that began while other runs are being interrupted would be interrupted with them. */
  #postponed(begin: () => void): boolean {
    if (this.interrupts.active) this.#waiting.push(begin);
    return this.interrupts.active;
  }

  /** Notes a run; null when it was interrupted before it began. */
  #begin(command: ExecuteCommand | CommCommand, names: string[]): Run | null {
    const context = { run: command.run, request: command.request };
    const run: Run = { command, context, names, before: new ScopeSnapshot(this.#scope, names) };
    this.#runs.set(command.run, run);
    beginRun(context);
    this.#displays.begin(command.run);
    this.interrupts.begin(command.run);
    if (!this.interrupts.active) return run;
    this.#finish(run, null, new KeyboardInterrupt());
    return null;
  }

  #context(): CellContext & Record<string, unknown> {
    const { interrupts } = this;
    return {
      value: undefined,
      guard: interrupts.guard,
      guardEach: interrupts.guardEach,
      shell: (commandLine: string) => interrupts.guard(shell(commandLine, interrupts.signal)),
      import: this.#imports.import,
      meta: this.#meta(),
      vars: (names: string[]) => {
        for (const name of names) if (!(name in this.#scope)) this.#scope[name] = undefined;
      },
      bind: (namespace: Record<string, unknown>, pairs: [string, string][], specifier: string) =>
        this.#imports.bind(this.#scope, namespace, pairs, specifier),
    };
  }

  #start(run: Run, command: ExecuteCommand): void {
    const cell = this.#context();
    const path = this.#stacks.add(command.run, command.label, command.source, command.map);
    const filename = `${this.#folder}/${command.label}`;
    try {
      const text =
        '(async function (__scope, __cell, __tick, require, module, exports, __filename, __dirname)' +
        ` {"use strict";\n${command.code}\n})`;
      const body = new Script(text, { filename: path }).runInThisContext() as CellFunction;
      const ended = inRun(run.context, () =>
        body(
          this.#scope,
          cell,
          this.interrupts.tick,
          this.#imports.require,
          this.#module,
          this.#module.exports,
          filename,
          this.#folder,
        ),
      );
      this.#follow(run, ended, () => this.#show(run, cell));
    } catch (error) {
      this.#finish(run, null, error);
    }
  }

  /** Waits for the cell's displays, then for its value's. */
  #show(run: Run, cell: CellContext): void {
    this.#follow(run, this.#displays.settled(run.command.run), () => {
      const { value } = cell;
      if (value === undefined) {
        this.#finish(run, null);
        return;
      }
      const bundle = inRun(run.context, () => bundleOf(value));
      if (bundle instanceof Promise) {
        this.#follow(run, bundle, (shown) => this.#finish(run, shown));
      } else {
        this.#finish(run, bundle);
      }
    });
  }

  #follow<T>(run: Run, promise: Promise<T>, next: (value: T) => void): void {
    const failed = (error: unknown): void => this.#finish(run, null, error);
    promise.then((value) => {
      if (!this.#isInProgress(run)) return;
      try {
        next(value);
      } catch (error) {
        failed(error);
      }
    }, failed);
  }

  #isInProgress(run: Run): boolean {
    return this.#runs.get(run.command.run) === run;
  }

  #interruptNow(newest: number): void {
    for (const [number, run] of [...this.#runs]) {
      if (number <= newest) this.#finish(run, null, new KeyboardInterrupt());
    }
  }

  /** Ends a run, with an error when one is given as the third argument. */
  #finish(run: Run, result: Bundle | null, ...thrown: [] | [unknown]): void {
    if (!this.#isInProgress(run)) return;
    const { command } = run;
    let error: ErrorContent | null = null;
    let defined = run.names;
    if (thrown.length > 0) {
      error = describeError(thrown[0], this.#stacks);
      defined = run.before.changed();
      this.#ended(command.run);
    }
    this.#runs.delete(command.run);
    this.#displays.end(command.run);
    endRun(run.context);
    this.interrupts.end(command.run);
    send({ type: 'done', run: command.run, error, result, defined });
    if (this.interrupts.active) return;
    // Not from here: a run that begins is no part of the one that ends.
    for (const begin of this.#waiting.splice(0)) queueMicrotask(begin);
  }

  /** `import.meta` of the cells. */
  #meta(): Record<string, unknown> {
    const parent = this.#imports.url;
    return {
      url: parent,
      dirname: this.#folder,
      filename: this.#imports.path,
      resolve: (specifier: string) => this.#imports.resolve(specifier),
    };
  }
}
