import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import { CompilerClient } from '../compiler/client.js';
import type { ErrorContent } from '../link/messages.js';
import { Codec } from '../wire/codec.js';
import type { Connection } from '../wire/connection.js';
import type { Fields, Header, Message } from '../wire/message.js';
import { Sockets } from '../wire/sockets.js';
import { Cells } from './cells.js';
import { History } from './history.js';
import { kernelInfo, protocolVersion } from './info.js';
import { completeReply, inspectionBundle, inspectReply, isCompleteReply } from './replies.js';
import { StreamBuffer } from './streams.js';

type Channel = 'shell' | 'control';

/** A cell such as `Math.max?` asks what a name is, as in IPython. */
const question = /^\s*([\p{ID_Start}$_][\p{ID_Continue}$_.]*)\?\s*$/u;

/**
 * One kernel on one set of sockets. Requests on the shell channel are served one after the other;
 * those on the control channel at once, also while a cell runs.
 */
export class Kernel {
  readonly #sockets: Sockets;
  readonly #connection: Connection;
  readonly #log: (text: string) => void;
  readonly #compiler: CompilerClient;
  readonly #cells: Cells;
  readonly #history = new History();
  readonly #streams: StreamBuffer;
  readonly #session = randomUUID();
  readonly #user = userName();
  readonly #queue: Message[] = [];
  /** Request whose outputs are arriving: the running cell, or the last one. */
  #parent: Message | null = null;
  #silent = false;
  #count = 0;
  #working = false;
  #welcomed = false;
  #closing: Promise<void> | null = null;

  /**
   * @param folder The notebook's folder.
   * @param log Told about dropped messages and failures.
   */
  constructor(connection: Connection, folder: string, log: (text: string) => void) {
    this.#connection = connection;
    this.#log = log;
    this.#streams = new StreamBuffer((name, text) => {
      if (!this.#silent) this.#publishNow(this.#parent, 'stream', { name, text });
    });
    this.#sockets = new Sockets(new Codec(connection.key, connection.hash), {
      message: (channel, message) => this.#receive(channel, message),
      subscribed: (topic) => this.#welcome(topic),
      warn: log,
    });
    this.#compiler = new CompilerClient(folder, log);
    this.#cells = new Cells(this.#compiler, folder, {
      stream: (name, text) => this.#streams.add(name, text),
      publish: (type, content, metadata) => {
        if (this.#silent) return;
        this.#publish(this.#parent, type, content as Fields, metadata as Fields);
      },
      input: (prompt, password) => this.#ask(prompt, password),
      died: (how) => log(`the process that runs the cells ${how}; started another`),
    });
  }

  /**
   * Binds the sockets; the compiler and the process for cells are starting meanwhile.
   *
   * @throws Error naming the address that cannot be bound.
   */
  async start(): Promise<void> {
    await this.#sockets.bind(this.#connection);
  }

  /** Interrupts the running cell. */
  interrupt(): void {
    this.#cells.interrupt();
  }

  /** Ends the process for cells, sends what is queued and closes the sockets. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#cells.stop();
      await this.#sockets.close();
      await this.#compiler.close();
    })();
    return this.#closing;
  }

  #receive(channel: Channel | 'stdin', message: Message): void {
    if (channel === 'stdin') {
      if (message.header.msg_type === 'input_reply') {
        this.#cells.answer(String(message.content.value ?? ''));
      }
    } else if (channel === 'control') {
      void this.#serve('control', message);
    } else {
      this.#queue.push(message);
      if (!this.#working) void this.#work();
    }
  }

  async #work(): Promise<void> {
    this.#working = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      await this.#serve('shell', next);
    }
    this.#working = false;
  }

  /** Answers one request between `busy` and `idle`. */
  async #serve(channel: Channel, message: Message): Promise<void> {
    const type = message.header.msg_type;
    this.#publish(message, 'status', { execution_state: 'busy' });
    let failed = false;
    try {
      const content =
        type === 'execute_request'
          ? await this.#execute(message)
          : await this.#answer(type, message.content);
      if (content === null) {
        if (!type.startsWith('comm_')) this.#log(`${channel}: unknown message ${type}`);
      } else {
        failed = type === 'execute_request' && content.status === 'error';
        this.#reply(channel, message, type.replace(/_request$/, '_reply'), content);
      }
    } catch (error) {
      const { name, message: evalue, stack } = error as Error;
      this.#log(`${type}: ${stack}`);
      const content = { status: 'error', ename: name, evalue, traceback: [`${name}: ${evalue}`] };
      this.#reply(channel, message, type.replace(/_request$/, '_reply'), content);
    }
    if (failed && message.content.stop_on_error !== false) await this.#abortQueue();
    this.#publish(message, 'status', { execution_state: 'idle' });
    if (type === 'shutdown_request') {
      await this.close();
      process.exit(0);
    }
  }

  async #answer(type: string, content: Fields): Promise<Fields | null> {
    switch (type) {
      case 'kernel_info_request':
        return kernelInfo();
      case 'complete_request':
        return completeReply(this.#compiler, content);
      case 'inspect_request':
        return inspectReply(this.#compiler, content);
      case 'is_complete_request':
        return { ...(await isCompleteReply(this.#compiler, content)) };
      case 'history_request':
        return { status: 'ok', history: this.#history.answer(content) };
      case 'comm_info_request':
        return { status: 'ok', comms: {} };
      case 'interrupt_request':
        this.interrupt();
        return { status: 'ok' };
      case 'shutdown_request':
        return { status: 'ok', restart: Boolean(content.restart) };
      default:
        return null;
    }
  }

  /** Runs a cell; returns the content of its `execute_reply`. */
  async #execute(message: Message): Promise<Fields> {
    const { content } = message;
    const code = String(content.code ?? '');
    const silent = content.silent === true;
    this.#parent = message;
    this.#silent = silent;
    if (!silent && content.store_history !== false) {
      this.#count += 1;
      this.#history.add(code);
    }
    const execution_count = this.#count;
    if (!silent) this.#publish(message, 'execute_input', { code, execution_count });
    const asked = question.exec(code)?.[1];
    if (asked !== undefined) {
      const data = await inspectionBundle(this.#compiler, asked, asked.length);
      const payload = [
        { source: 'page', data: data ?? { 'text/plain': `${asked}: not found` }, start: 0 },
      ];
      return { status: 'ok', execution_count, user_expressions: {}, payload };
    }
    const label = `In[${execution_count}]`;
    const { error, result } = await this.#cells.run(code, label, true);
    this.#streams.flush();
    if (error !== null) {
      if (!silent) this.#publish(message, 'error', { ...error });
      return { status: 'error', execution_count, ...error, user_expressions: {}, payload: [] };
    }
    if (result !== null && !silent) {
      this.#publish(message, 'execute_result', { execution_count, data: result, metadata: {} });
      this.#history.output(execution_count, String(result['text/plain'] ?? ''));
    }
    const user_expressions = await this.#expressions(content.user_expressions);
    return { status: 'ok', execution_count, user_expressions, payload: [] };
  }

  async #expressions(wanted: unknown): Promise<Fields> {
    const answers: Fields = {};
    if (typeof wanted !== 'object' || wanted === null) return answers;
    for (const [name, code] of Object.entries(wanted)) {
      const { error, result } = await this.#cells.run(`(${String(code)})`, name, false);
      answers[name] =
        error === null
          ? { status: 'ok', data: result ?? { 'text/plain': 'undefined' }, metadata: {} }
          : ({ status: 'error', ...error } satisfies { status: string } & ErrorContent);
    }
    return answers;
  }

  /** Cells that were waiting when one failed are not run. */
  async #abortQueue(): Promise<void> {
    // Requests that were sent together may still be on their way from the socket.
    await new Promise((resolve) => setTimeout(resolve, 10));
    const kept: Message[] = [];
    for (const message of this.#queue.splice(0)) {
      if (message.header.msg_type !== 'execute_request') {
        kept.push(message);
        continue;
      }
      this.#publish(message, 'status', { execution_state: 'busy' });
      this.#reply('shell', message, 'execute_reply', {
        status: 'aborted',
        execution_count: this.#count,
      });
      this.#publish(message, 'status', { execution_state: 'idle' });
    }
    this.#queue.unshift(...kept);
  }

  /** Passes a question of the running cell to the front end that sent the cell. */
  #ask(prompt: string, password: boolean): void {
    const to = this.#parent;
    if (to === null || to.content.allow_stdin !== true) {
      this.#cells.answer(null);
      return;
    }
    this.#streams.flush();
    const message = this.#message('input_request', to.header, { prompt, password });
    this.#sockets.send('stdin', { ...message, identities: to.identities });
  }

  #reply(channel: Channel, to: Message, type: string, content: Fields): void {
    this.#streams.flush();
    const message = this.#message(type, to.header, content);
    this.#sockets.send(channel, { ...message, identities: to.identities });
  }

  #publish(parent: Message | null, type: string, content: Fields, metadata: Fields = {}): void {
    this.#streams.flush();
    this.#publishNow(parent, type, content, metadata);
  }

  #publishNow(parent: Message | null, type: string, content: Fields, metadata: Fields = {}): void {
    const message = this.#message(type, parent?.header ?? {}, content, metadata);
    this.#sockets.send('iopub', { ...message, identities: [Buffer.from(type)] });
  }

  #welcome(subscription: string): void {
    const message = this.#message('iopub_welcome', {}, { subscription });
    this.#sockets.send('iopub', { ...message, identities: [Buffer.from(subscription)] });
    // Nobody could hear it before; a subscriber's first message is to be the welcome.
    if (!this.#welcomed) this.#publish(null, 'status', { execution_state: 'starting' });
    this.#welcomed = true;
  }

  #message(
    type: string,
    parent: Header | Record<string, never>,
    content: Fields,
    metadata: Fields = {},
  ): Message {
    const header = {
      msg_id: randomUUID(),
      msg_type: type,
      session: this.#session,
      username: this.#user,
      date: new Date().toISOString(),
      version: protocolVersion,
    };
    return { identities: [], header, parent, metadata, content, buffers: [] };
  }
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'kernel';
  }
}
