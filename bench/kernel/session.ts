import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dealer, Subscriber } from 'zeromq';
import { Codec } from '../../kernel/wire/codec.js';
import type { Fields, Message } from '../../kernel/wire/message.js';

/** How long a kernel may take for anything before it counts as failed. */
const patienceMs = 60_000;

/** A front end that starts a kernel and waits for what it answers, over raw ZeroMQ. */
export class Session {
  readonly process: ChildProcess;
  readonly #folder: string;
  readonly #codec: Codec;
  readonly #shell: Dealer;
  readonly #control: Dealer;
  readonly #iopub: Subscriber;
  readonly #session = randomUUID();
  readonly #received: { channel: string; message: Message }[] = [];
  #wake: (() => void) | null = null;

  private constructor(folder: string, process: ChildProcess, codec: Codec, ports: Fields) {
    this.#folder = folder;
    this.process = process;
    this.#codec = codec;
    const options = { linger: 0, receiveHighWaterMark: 0 };
    this.#shell = new Dealer(options);
    this.#control = new Dealer(options);
    this.#iopub = new Subscriber(options);
    this.#iopub.subscribe();
    for (const [channel, socket] of [
      ['shell', this.#shell],
      ['control', this.#control],
      ['iopub', this.#iopub],
    ] as const) {
      socket.connect(`tcp://127.0.0.1:${ports[`${channel}_port`]}`);
      void this.#listen(channel, socket);
    }
  }

  /**
   * Starts a kernel in a new folder and waits for its first reply.
   *
   * @param command Program and arguments, given the connection file.
   */
  static async start(command: (connectionFile: string) => readonly string[]): Promise<Session> {
    const folder = mkdtempSync(join(tmpdir(), 'mambalab-bench-'));
    const key = randomUUID();
    const ports: Fields = {};
    for (const channel of ['shell', 'iopub', 'stdin', 'control', 'hb']) {
      ports[`${channel}_port`] = await freePort();
    }
    const file = join(folder, 'connection.json');
    const more = { ip: '127.0.0.1', transport: 'tcp', signature_scheme: 'hmac-sha256' };
    writeFileSync(file, JSON.stringify({ ...ports, ...more, key, kernel_name: 'bench' }), {
      mode: 0o600,
    });
    const [program = '', ...args] = command(file);
    const env = { ...process.env, MAMBALAB_HISTORY: 'off', IPYTHONDIR: folder, DENO_DIR: folder };
    const child = spawn(program, args, { cwd: folder, stdio: 'ignore', env });
    const session = new Session(folder, child, new Codec(key, 'sha256'), ports);
    await session.request('kernel_info_request', {});
    return session;
  }

  /** Sends a request and waits for its reply; returns the reply's content. */
  async request(type: string, content: Fields): Promise<Fields> {
    const id = await this.#send(this.#shell, type, content);
    const { message } = await this.#next((r) => r.channel === 'shell' && isFor(r.message, id));
    return message.content;
  }

  /**
   * Runs a cell and waits for its reply and for all of its output.
   *
   * @throws Error with the cell's own, when it fails.
   */
  async execute(code: string): Promise<{ printed: number }> {
    const id = await this.#send(this.#shell, 'execute_request', cellContent(code));
    const { message } = await this.#next((r) => r.channel === 'shell' && isFor(r.message, id));
    let printed = 0;
    for (;;) {
      const { message: out } = await this.#next(
        (r) => r.channel === 'iopub' && isFor(r.message, id),
      );
      if (out.header.msg_type === 'stream') printed += String(out.content.text).length;
      if (out.content.execution_state === 'idle') break;
    }
    if (message.content.status !== 'ok') throw new Error(String(message.content.evalue));
    return { printed };
  }

  /** Starts a cell that prints a word and then never ends; resolves to its end by an interrupt. */
  async interrupt(code: string): Promise<{ milliseconds: number; error: string }> {
    const id = await this.#send(this.#shell, 'execute_request', cellContent(code));
    await this.#next((r) => isFor(r.message, id) && r.message.header.msg_type === 'stream');
    const began = performance.now();
    await this.#send(this.#control, 'interrupt_request', {});
    const { message } = await this.#next((r) => r.channel === 'shell' && isFor(r.message, id));
    const milliseconds = performance.now() - began;
    // Until then, cells that arrive count as waiting behind the failed one.
    await this.#next((r) => isFor(r.message, id) && r.message.content.execution_state === 'idle');
    return { milliseconds, error: String(message.content.ename) };
  }

  /** Megabytes of memory of the kernel's processes, shared pages divided (Linux only). */
  memory(): number | null {
    try {
      return processTree(this.process.pid!).reduce((sum, pid) => {
        const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
        return sum + Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1024;
      }, 0);
    } catch {
      return null;
    }
  }

  close(): void {
    for (const socket of [this.#shell, this.#control, this.#iopub]) socket.close();
    this.process.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #send(socket: Dealer, type: string, content: Fields): Promise<string> {
    const id = randomUUID();
    const header = {
      msg_id: id,
      msg_type: type,
      session: this.#session,
      username: 'bench',
      date: new Date().toISOString(),
      version: '5.4',
    };
    const empty = { identities: [], parent: {}, metadata: {}, buffers: [] };
    await socket.send(this.#codec.encode({ ...empty, header, content }));
    return id;
  }

  async #listen(channel: string, socket: Dealer | Subscriber): Promise<void> {
    for await (const frames of socket) {
      this.#received.push({ channel, message: this.#codec.decode(frames) });
      this.#wake?.();
    }
  }

  async #next(
    fits: (received: { channel: string; message: Message }) => boolean,
  ): Promise<{ channel: string; message: Message }> {
    const end = performance.now() + patienceMs;
    for (;;) {
      const at = this.#received.findIndex(fits);
      if (at >= 0) return this.#received.splice(at, 1)[0]!;
      const left = end - performance.now();
      if (left <= 0 || this.process.exitCode !== null) throw new Error('no answer');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 1000));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

const isFor = (message: Message, id: string): boolean => message.parent.msg_id === id;

function cellContent(code: string): Fields {
  return {
    code,
    silent: false,
    store_history: true,
    user_expressions: {},
    allow_stdin: false,
    stop_on_error: true,
  };
}

function processTree(root: number): number[] {
  const children = readFileSync(`/proc/${root}/task/${root}/children`, 'utf8');
  const pids = children.trim().split(/\s+/).filter(Boolean).map(Number);
  return [root, ...pids.flatMap(processTree)];
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
