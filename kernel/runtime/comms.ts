import { randomUUID } from 'node:crypto';
import type { Bundle, CommCommand } from '../link/messages.js';
import { broadcast } from './broadcast.js';

/** What arrives on a comm. */
export interface CommMessage {
  data: Bundle;
  buffers: Uint8Array[];
}

type Listener = (message: CommMessage) => unknown;

/** One end of a channel between the code of cells and a front end. */
export class Comm {
  readonly id: string;
  readonly target: string;
  /** Called with what the front end sends; what it returns is waited for. */
  onMessage: Listener | null = null;
  /** Called when the front end closes the comm. */
  onClose: Listener | null = null;
  readonly #forget: () => void;

  /** @param forget Takes the comm out of the list of open ones. */
  constructor(id: string, target: string, forget: () => void) {
    this.id = id;
    this.target = target;
    this.#forget = forget;
  }

  /**
   * Sends data to the front end.
   *
   * @param data A JSON object.
   * @param buffers Binary parts.
   */
  send(data: Bundle, buffers: readonly Uint8Array[] = []): void {
    broadcast('comm_msg', { comm_id: this.id, data }, { buffers });
  }

  /** Closes the comm on both sides. */
  close(data: Bundle = {}): void {
    this.#forget();
    broadcast('comm_close', { comm_id: this.id, data });
  }
}

/** The open comms of a kernel and the targets that front ends may open some to. */
export class Comms {
  readonly #open = new Map<string, Comm>();
  readonly #targets = new Map<string, (comm: Comm, message: CommMessage) => unknown>();

  /**
   * Opens a comm to a target of the front end.
   *
   * @param data A JSON object for the target's handler.
   */
  open(target: string, data: Bundle = {}, options: { id?: string; metadata?: Bundle } = {}): Comm {
    const comm = this.#add(options.id ?? randomUUID(), target);
    broadcast(
      'comm_open',
      { comm_id: comm.id, target_name: target, data },
      { metadata: options.metadata ?? {} },
    );
    return comm;
  }

  /** Lets front ends open comms to a target of this name. */
  register(target: string, opened: (comm: Comm, message: CommMessage) => unknown): void {
    this.#targets.set(target, opened);
  }

  /** Passes on what a front end sent; resolves when whoever listens is done with it. */
  async deliver({ messageType, content, buffers }: CommCommand): Promise<void> {
    const id = String(content.comm_id ?? '');
    const message: CommMessage = {
      data: (content.data ?? {}) as Bundle,
      buffers: buffers.map((text) => Buffer.from(text, 'base64')),
    };
    if (messageType === 'comm_open') {
      const target = String(content.target_name ?? '');
      const opened = this.#targets.get(target);
      // Jupyter's answer to a target that nobody knows.
      if (opened === undefined) broadcast('comm_close', { comm_id: id, data: {} });
      else await opened(this.#add(id, target), message);
      return;
    }
    const comm = this.#open.get(id);
    if (comm === undefined) return;
    if (messageType === 'comm_msg') {
      await comm.onMessage?.(message);
    } else {
      this.#open.delete(id);
      await comm.onClose?.(message);
    }
  }

  #add(id: string, target: string): Comm {
    const comm = new Comm(id, target, () => this.#open.delete(id));
    this.#open.set(id, comm);
    return comm;
  }
}
