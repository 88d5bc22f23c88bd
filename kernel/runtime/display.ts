import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import type { Bundle } from '../link/messages.js';
import { broadcast } from './broadcast.js';

/** Method by which any object says how it looks in a notebook. */
export const displaySymbol = Symbol.for('Jupyter.display');

const mimeType = /^[\w.+-]+\/[\w.+-]+(;.*)?$/;

/**
 * A value as a MIME bundle: what its `Symbol.for('Jupyter.display')` method returns or resolves
 * to, else its text.
 *
 * @throws TypeError when the method returns something that is no MIME bundle.
 */
export function bundleOf(value: unknown): Bundle | Promise<Bundle> {
  const show = showMethod(value);
  if (show === undefined) return { 'text/plain': textOf(value) };
  const shown = show.call(value);
  return shown instanceof Promise
    ? shown.then((bundle) => checked(bundle, value))
    : checked(shown, value);
}

/** A value as a person would want it printed. */
export function textOf(value: unknown): string {
  try {
    return inspect(value, {
      depth: 4,
      maxArrayLength: 100,
      maxStringLength: 100_000,
      breakLength: 100,
      compact: 3,
    });
  } catch (error) {
    return `[a value that cannot be printed: ${messageOf(error)}]`;
  }
}

function messageOf(error: unknown): string {
  try {
    return String((error as Error).message);
  } catch {
    return 'unknown error';
  }
}

function showMethod(value: unknown): (() => unknown) | undefined {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) {
    return undefined;
  }
  const method = (value as Record<symbol, unknown>)[displaySymbol];
  return typeof method === 'function' ? (method as () => unknown) : undefined;
}

function checked(shown: unknown, value: unknown): Bundle {
  const say = (got: string): TypeError =>
    new TypeError(`[Symbol.for('Jupyter.display')]: expected a MIME bundle, got ${got}`);
  if (typeof shown !== 'object' || shown === null || Array.isArray(shown)) {
    throw say(textOf(shown).slice(0, 200));
  }
  const bundle: Bundle = {};
  for (const [type, data] of Object.entries(shown)) {
    if (!mimeType.test(type)) throw say(`the key ${JSON.stringify(type)}`);
    if (data === undefined) continue;
    bundle[type] = data instanceof Uint8Array ? Buffer.from(data).toString('base64') : data;
  }
  try {
    JSON.stringify(bundle);
  } catch (error) {
    throw say(`data that is not JSON: ${messageOf(error)}`);
  }
  if (!('text/plain' in bundle)) bundle['text/plain'] = textOf(value).slice(0, 1000);
  return bundle;
}

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
