import { Reply, Router, XPublisher } from 'zeromq';
import type { Codec } from './codec.js';
import { WireError } from './codec.js';
import { address, type Channel, type Connection } from './connection.js';
import type { Message } from './message.js';

/** What the sockets tell the kernel. */
export interface SocketEvents {
  /** A well-formed, correctly signed message arrived on a ROUTER socket. */
  message(channel: 'shell' | 'control' | 'stdin', message: Message): void;
  /** A front end subscribed to IOPub; the topic is usually empty. */
  subscribed(topic: string): void;
  /** Something was dropped or failed; for the log. */
  warn(text: string): void;
}

/** A socket's outgoing queue: ZeroMQ allows one send at a time. */
class Outbox {
  readonly #socket: Router | XPublisher;
  #last: Promise<void> = Promise.resolve();

  constructor(socket: Router | XPublisher) {
    this.#socket = socket;
  }

  send(frames: Buffer[], failed: (error: Error) => void): void {
    this.#last = this.#last.then(() => this.#socket.send(frames)).catch(failed);
  }

  drained(): Promise<void> {
    return this.#last;
  }
}

/** The kernel's five bound sockets. */
export class Sockets {
  readonly #routers: Record<'shell' | 'control' | 'stdin', Router>;
  readonly #iopub: XPublisher;
  readonly #heartbeat: Reply;
  readonly #outboxes: Record<'shell' | 'control' | 'stdin' | 'iopub', Outbox>;
  readonly #codec: Codec;
  readonly #events: SocketEvents;
  #closed = false;

  constructor(codec: Codec, events: SocketEvents) {
    // Without limits on the queues: a slow front end must not lose output.
    const options = { linger: 1000, sendHighWaterMark: 0, receiveHighWaterMark: 0 };
    this.#codec = codec;
    this.#events = events;
    this.#routers = {
      shell: new Router({ ...options, handover: true }),
      control: new Router({ ...options, handover: true }),
      stdin: new Router({ ...options, handover: true }),
    };
    this.#iopub = new XPublisher({ linger: 1000, sendHighWaterMark: 0, verbosity: 'allSubs' });
    this.#heartbeat = new Reply({ linger: 0 });
    this.#outboxes = {
      shell: new Outbox(this.#routers.shell),
      control: new Outbox(this.#routers.control),
      stdin: new Outbox(this.#routers.stdin),
      iopub: new Outbox(this.#iopub),
    };
  }

  /**
   * Binds every socket and starts to listen.
   *
   * @throws Error naming the socket and its address when the address cannot be bound.
   */
  async bind(connection: Connection): Promise<void> {
    const bindOne = async (
      channel: Channel,
      socket: Router | XPublisher | Reply,
    ): Promise<void> => {
      const at = address(connection, channel);
      try {
        await socket.bind(at);
      } catch (error) {
        throw new Error(`cannot bind the ${channel} socket to ${at}: ${(error as Error).message}`);
      }
    };
    await Promise.all([
      bindOne('shell', this.#routers.shell),
      bindOne('control', this.#routers.control),
      bindOne('stdin', this.#routers.stdin),
      bindOne('iopub', this.#iopub),
      bindOne('hb', this.#heartbeat),
    ]);
    for (const channel of ['shell', 'control', 'stdin'] as const) {
      this.#run(channel, () => this.#listen(channel));
    }
    this.#run('iopub', () => this.#watchSubscriptions());
    this.#run('hb', () => this.#echo());
  }

  /** Queues a message on a socket; returns at once. */
  send(channel: 'shell' | 'control' | 'stdin' | 'iopub', message: Message): void {
    if (this.#closed) return;
    this.#outboxes[channel].send(this.#codec.encode(message), (error) => {
      if (!this.#closed) this.#events.warn(`${channel}: cannot send: ${error.message}`);
    });
  }

  /** Waits until what was queued is sent, then closes every socket. */
  async close(): Promise<void> {
    await Promise.all(Object.values(this.#outboxes).map((outbox) => outbox.drained()));
    this.#closed = true;
    for (const socket of [...Object.values(this.#routers), this.#iopub, this.#heartbeat]) {
      socket.close();
    }
  }

  #run(channel: Channel, loop: () => Promise<void>): void {
    loop().catch((error: Error) => {
      if (!this.#closed) this.#events.warn(`${channel}: stopped listening: ${error.message}`);
    });
  }

  async #listen(channel: 'shell' | 'control' | 'stdin'): Promise<void> {
    for await (const frames of this.#routers[channel]) {
      try {
        this.#events.message(channel, this.#codec.decode(frames));
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        this.#events.warn(`${channel}: dropped a message: ${error.message}`);
      }
    }
  }

  async #watchSubscriptions(): Promise<void> {
    for await (const [frame] of this.#iopub) {
      if (frame?.[0] === 1) this.#events.subscribed(frame.subarray(1).toString('utf8'));
    }
  }

  async #echo(): Promise<void> {
    for await (const frames of this.#heartbeat) await this.#heartbeat.send(frames);
  }
}
