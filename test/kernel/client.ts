import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { Dealer, Subscriber } from 'zeromq';
import { Codec } from '../../kernel/wire/codec.js';
import type { Fields, Message } from '../../kernel/wire/message.js';

/** The built kernel's program. */
export const main = fileURLToPath(new URL('../../dist/kernel/main.js', import.meta.url));
// A kernel and its compiler may take minutes to start on a machine that is busy with other things.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const channels = ['shell', 'iopub', 'stdin', 'control', 'hb'] as const;

/** How a kernel is started. */
export interface StartOptions {
  transport?: 'tcp' | 'ipc';
  /** Arguments after the connection file. */
  flags?: string[];
  env?: NodeJS.ProcessEnv;
  /** Permissions of the connection file. */
  mode?: number;
}

/** What a request led to: its reply and, in order, what was published for it. */
export interface Exchange {
  reply: Message;
  published: Message[];
}

/** A front end of the tests' own, speaking raw ZeroMQ to a kernel it started. */
export class Client {
  readonly folder: string;
  readonly process: ChildProcess;
  /** What the kernel wrote to its log. */
  log = '';
  readonly #codec: Codec;
  readonly #sockets: { shell: Dealer; control: Dealer; stdin: Dealer; iopub: Subscriber };
  readonly #received: { channel: string; message: Message }[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #session = randomUUID();

  private constructor(
    folder: string,
    process: ChildProcess,
    codec: Codec,
    addressOf: (channel: string) => string,
  ) {
    this.folder = folder;
    this.process = process;
    this.#codec = codec;
    const identity = randomUUID();
    this.#sockets = {
      shell: new Dealer({ routingId: identity, linger: 0 }),
      control: new Dealer({ routingId: identity, linger: 0 }),
      stdin: new Dealer({ routingId: identity, linger: 0 }),
      iopub: new Subscriber({ linger: 0, receiveHighWaterMark: 0 }),
    };
    this.#sockets.iopub.subscribe();
    for (const [channel, socket] of Object.entries(this.#sockets)) {
      socket.connect(addressOf(channel));
      void this.#listen(channel, socket);
    }
    process.stderr?.on('data', (text) => {
      this.log += String(text);
    });
  }

  /** Starts a kernel in a folder (a new one by default) and waits until it publishes. */
  static async start(
    files: Record<string, string | Uint8Array> = {},
    options: StartOptions = {},
  ): Promise<Client> {
    const folder = mkdtempSync(join(tmpdir(), 'mambalab-kernel-'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const key = randomUUID();
    const ports: Fields = {};
    const { transport = 'tcp', flags = [], env = {}, mode = 0o600 } = options;
    for (const [i, channel] of channels.entries()) {
      ports[`${channel}_port`] = transport === 'ipc' ? i + 1 : await freePort();
    }
    const ip = transport === 'ipc' ? join(folder, 'kernel') : '127.0.0.1';
    const connection = join(folder, 'connection.json');
    writeFileSync(
      connection,
      JSON.stringify({
        ...ports,
        key,
        ip,
        transport,
        signature_scheme: 'hmac-sha256',
      }),
      { mode },
    );
    const child = spawn(process.execPath, [main, connection, ...flags], {
      cwd: folder,
      stdio: ['ignore', 'inherit', 'pipe'],
      env: { ...process.env, MAMBALAB_CACHE: join(folder, 'cache'), ...env },
    });
    const client = new Client(folder, child, new Codec(key, 'sha256'), (channel) => {
      const port = ports[`${channel}_port`];
      return transport === 'ipc' ? `ipc://${ip}-${port}` : `tcp://${ip}:${port}`;
    });
    await client.next('iopub', ({ header }) => header.msg_type === 'iopub_welcome');
    return client;
  }

  /** Sends a request and returns its id. */
  async send(
    channel: 'shell' | 'control' | 'stdin',
    type: string,
    content: Fields = {},
    more: { buffers?: Buffer[]; subshell?: string } = {},
  ): Promise<string> {
    const id = randomUUID();
    const message = this.#message(id, type, content);
    message.buffers = more.buffers ?? [];
    if (more.subshell !== undefined) message.header.subshell_id = more.subshell;
    await this.sendFrames(channel, this.#codec.encode(message));
    return id;
  }

  async sendFrames(channel: 'shell' | 'control' | 'stdin', frames: Buffer[]): Promise<void> {
    await this.#sockets[channel].send(frames);
  }

  /** Frames of a correctly signed request. */
  frames(type: string, content: Fields): Buffer[] {
    return this.#codec.encode(this.#message(randomUUID(), type, content));
  }

  /** Sends a request and waits for its reply and its `idle`. */
  async request(
    channel: 'shell' | 'control',
    type: string,
    content: Fields = {},
  ): Promise<Exchange> {
    return this.finished(channel, await this.send(channel, type, content));
  }

  /** Runs a cell to its end. */
  execute(code: string, more: Fields = {}): Promise<Exchange> {
    return this.request('shell', 'execute_request', cell(code, more));
  }

  /** Interrupts as a terminal does. */
  interrupt(): void {
    this.process.kill('SIGINT');
  }

  /** Sends a message that has no reply and waits until the kernel has dealt with it. */
  async notify(type: string, content: Fields, buffers: Buffer[] = []): Promise<Message[]> {
    const id = await this.send('shell', type, content, { buffers });
    return this.publishedFor(id);
  }

  /** What is published for a request, up to its `idle`. */
  async publishedFor(id: string): Promise<Message[]> {
    const published: Message[] = [];
    for (;;) {
      const message = await this.next('iopub', ({ parent }) => parent.msg_id === id);
      published.push(message);
      if (message.content.execution_state === 'idle') return published;
    }
  }

  /** Waits until a request has been answered and its `idle` published. */
  async finished(channel: 'shell' | 'control', id: string): Promise<Exchange> {
    const reply = await this.next(channel, ({ parent }) => parent.msg_id === id);
    return { reply, published: await this.publishedFor(id) };
  }

  /** The first message of a channel that fits, now or later; it is taken out. */
  async next(channel: string, fits: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const at = this.#received.findIndex((r) => r.channel === channel && fits(r.message));
      if (at >= 0) return this.#received.splice(at, 1)[0]!.message;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    if (this.process.exitCode === null && this.process.signalCode === null) {
      await this.send('control', 'shutdown_request', { restart: false });
      const patience = setTimeout(() => this.process.kill('SIGKILL'), 60_000);
      await ended;
      clearTimeout(patience);
    }
    for (const socket of Object.values(this.#sockets)) socket.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #listen(channel: string, socket: Dealer | Subscriber): Promise<void> {
    for await (const frames of socket) {
      this.#received.push({ channel, message: this.#codec.decode(frames) });
      for (const wake of this.#waiting) wake();
      this.#waiting.clear();
    }
  }

  #message(id: string, type: string, content: Fields): Message {
    return {
      identities: [],
      header: {
        msg_id: id,
        msg_type: type,
        session: this.#session,
        username: 'test',
        date: new Date().toISOString(),
        version: '5.4',
      },
      parent: {},
      metadata: {},
      content,
      buffers: [],
    };
  }
}

/** Content of an `execute_request`. */
export function cell(code: string, more: Fields = {}): Fields {
  return {
    code,
    silent: false,
    store_history: true,
    user_expressions: {},
    allow_stdin: false,
    stop_on_error: true,
    ...more,
  };
}

/** Types of the messages, in order. */
export function types(messages: Message[]): string[] {
  return messages.map(({ header }) => header.msg_type);
}

/** Everything printed to a stream. */
export function printed(messages: Message[], name = 'stdout'): string {
  return messages
    .filter(({ header, content }) => header.msg_type === 'stream' && content.name === name)
    .map(({ content }) => content.text)
    .join('');
}

/** The text of a cell's value. */
export function result({ published }: Exchange): unknown {
  const found = published.find(({ header }) => header.msg_type === 'execute_result');
  return (found?.content.data as Fields | undefined)?.['text/plain'];
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
