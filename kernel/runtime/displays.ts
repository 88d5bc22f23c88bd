import { randomUUID } from 'node:crypto';
import type { Bundle } from '../link/messages.js';
import { bundleOf } from '../show/bundle.js';
import { broadcast, publish } from './broadcast.js';
import { currentRun } from './context.js';

/** The displays of a process; those still being prepared keep the run that asked from ending. */
export class Displays {
  /** Of each run in progress, what is not out yet. */
  readonly #pending = new Map<number, Set<Promise<void>>>();

  /** The global `display`: see the declarations that cells are checked against. */
  readonly display = (value: unknown, options: { id?: string } = {}) => {
    const id = options.id ?? randomUUID();
    void this.await(this.#publish('display_data', value, id));
    return {
      id,
      update: (next: unknown): Promise<void> =>
        this.await(this.#publish('update_display_data', next, id)),
    };
  };

  /** The global `clearOutput`. */
  readonly clearOutput = (options: { wait?: boolean } = {}): void => {
    broadcast('clear_output', { wait: options.wait ?? false });
  };

  /** Shows a value; resolves when it is out, and the run does not wait for it. */
  show(value: unknown): Promise<void> {
    return this.#publish('display_data', value, randomUUID());
  }

  /** Keeps the run that calls, if it has not ended, from ending before something is on screen. */
  await(shown: Promise<void>): Promise<void> {
    const pending = this.#pending.get(currentRun().run);
    pending?.add(shown);
    // One that fails stays: the run reports it when it waits for its displays.
    if (pending !== undefined) shown.then(() => pending.delete(shown)).catch(() => {});
    return shown;
  }

  begin(run: number): void {
    this.#pending.set(run, new Set());
  }

  /** Waits until every display that a run has asked for is out; rejects with the first error. */
  async settled(run: number): Promise<void> {
    const pending = this.#pending.get(run);
    while (pending !== undefined && pending.size > 0) await Promise.all(pending);
  }

  end(run: number): void {
    this.#pending.delete(run);
  }

  #publish(
    messageType: 'display_data' | 'update_display_data',
    value: unknown,
    id: string,
  ): Promise<void> {
    const { run } = currentRun();
    const out = (data: Bundle): void =>
      publish(run, messageType, { data, metadata: {}, transient: { display_id: id } });
    const bundle = bundleOf(value);
    if (bundle instanceof Promise) return bundle.then(out);
    out(bundle);
    return Promise.resolve();
  }
}
