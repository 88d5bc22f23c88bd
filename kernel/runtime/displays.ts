import { randomUUID } from 'node:crypto';
import type { Bundle } from '../link/messages.js';
import { bundleOf } from '../show/bundle.js';
import { broadcast } from './broadcast.js';

/** The displays of a process; those still being prepared keep their cell from ending. */
export class Displays {
  readonly #pending = new Set<Promise<void>>();

  /** The global `display`: see the declarations that cells are checked against. */
  readonly display = (value: unknown, options: { id?: string } = {}) => {
    const id = options.id ?? randomUUID();
    void this.#track(this.#publish('display_data', value, id));
    return {
      id,
      update: (next: unknown): Promise<void> =>
        this.#track(this.#publish('update_display_data', next, id)),
    };
  };

  /** The global `clearOutput`. */
  readonly clearOutput = (options: { wait?: boolean } = {}): void => {
    broadcast('clear_output', { wait: options.wait ?? false });
  };

  /** Shows a value; resolves when it is out, and the cell that runs does not wait for it. */
  show(value: unknown): Promise<void> {
    return this.#publish('display_data', value, randomUUID());
  }

  /** Keeps the cell that runs from ending before something is on screen. */
  await(shown: Promise<void>): void {
    void this.#track(shown);
  }

  /** Waits until every display that has been asked for is out; rejects with the first error. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  /** Forgets displays of a cell that has ended otherwise. */
  abandon(): void {
    this.#pending.clear();
  }

  #publish(
    messageType: 'display_data' | 'update_display_data',
    value: unknown,
    id: string,
  ): Promise<void> {
    const publish = (data: Bundle): void =>
      broadcast(messageType, { data, metadata: {}, transient: { display_id: id } });
    const bundle = bundleOf(value);
    if (bundle instanceof Promise) return bundle.then(publish);
    publish(bundle);
    return Promise.resolve();
  }

  #track(shown: Promise<void>): Promise<void> {
    this.#pending.add(shown);
    shown.then(
      () => this.#pending.delete(shown),
      // Left in the set: the cell reports it when it waits for its displays.
      () => {},
    );
    return shown;
  }
}
