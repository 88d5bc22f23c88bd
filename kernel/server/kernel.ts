/**
 * The kernel's protocol side: takes requests off the sockets, runs cells one at a time in the
 * runtime, and turns what happens there into messages.
 */
import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import type { Converter } from '../compiler/converter.js';
import type { FromRuntime, ShownError } from '../runtime/protocol.js';
import { Codec } from '../wire/codec.js';
import type { Connection } from '../wire/connection.js';
import type { Fields, Header, Message } from '../wire/message.js';
import { Sockets } from '../wire/sockets.js';
import { diagnosticsError } from './diagnostics.js';
import { History } from './history.js';
import { kernelInfo, protocolVersion } from './info.js';
import { Runtime } from './runtime.js';

type Channel = 'shell' | 'control';
type Done = Extract<FromRuntime, { type: 'done' }>;

interface Queued {
  channel: Channel;
  message: Message;
}

/** Headers kept of cells that ended: a timer's output still finds its cell. */
const rememberedCells = 1000;

/** One kernel on one set of sockets. */
export class Kernel {
  readonly #sockets: Sockets;
  readonly #folder: string;
  readonly #session = randomUUID();
  readonly #user = userName();
  readonly #history = new History();
  readonly #queue: Queued[] = [];
  readonly #parents = new Map<string, Message>();
  readonly #questions = new Map<string, (value: string | null) => void>();
  readonly #log: (text: string) => void;
  #runtime: Runtime;
  #converter: Promise<Converter> | undefined;
  #typescript = '';
  #finish: ((done: Done) => void) | undefined;
  #running = false;
  #count = 0;
  #cells = 0;
  #interrupted = false;
  #closing = false;

  constructor(connection: Connection, folder: string, log: (text: string) => void) {
    this.#folder = folder;
    this.#log = log;
    this.#sockets = new Sockets(new Codec(connection.key, connection.hash), {
      message: (channel, message) => this.#receive(channel, message),
      subscribed: (topic) => this.#welcome(topic),
      warn: log,
    });
    this.#runtime = this.#startRuntime();
  }

  /** Binds the sockets and loads the compiler behind them. */
  async start(connection: Connection): Promise<void> {
    await this.#sockets.bind(connection);
    this.#publish(undefined, 'status', { execution_state: 'starting' });
    await this.#loadConverter();
  }

  /** Interrupts the running cell. */
  interrupt(): void {
    this.#interrupted = true;
    if (this.#running) this.#runtime.interrupt();
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#runtime.stop();
    await this.#sockets.close();
  }

  #startRuntime(): Runtime {
    this.#cells = 0;
    return new Runtime(this.#folder, {
      message: (message) => this.#fromRuntime(message),
      raw: (name, text) => this.#stream(this.#lastParent(), name, text),
      died: (how) => this.#died(how),
    });
  }

  #loadConverter(): Promise<Converter> {
    this.#converter ??= import('../compiler/cells.js').then(
      ({ CellConverter, compilerVersion }) => {
        this.#typescript = compilerVersion;
        const converter = new CellConverter(this.#folder);
        // The first check loads the library's types; better now than when a person waits.
        setImmediate(() => converter.convert('console.log(1);'));
        return converter;
      },
    );
    return this.#converter;
  }

  // Messages in ---------------------------------------------------------------------------------

  #receive(channel: 'shell' | 'control' | 'stdin', message: Message): void {
    if (channel === 'stdin') {
      const { msg_id: question } = message.parent as Header;
      // Some front ends leave the parent out: then the only open question is meant.
      const [id] = this.#questions.has(question) ? [question] : this.#questions.keys();
      this.#questions.get(id ?? '')?.(String(message.content.value ?? ''));
      return;
    }
    if (message.header.msg_type === 'execute_request') {
      this.#queue.push({ channel, message });
      if (!this.#running) void this.#work();
      return;
    }
    void this.#answer(channel, message);
  }

  async #work(): Promise<void> {
    this.#running = true;
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      this.#publish(next.message, 'status', { execution_state: 'busy' });
      try {
        await this.#execute(next);
      } catch (error) {
        this.#log(`execute_request: ${(error as Error).stack}`);
        const shown = { ename: 'KernelError', evalue: String(error), traceback: [String(error)] };
        this.#fail(next, shown, this.#count);
      }
      this.#publish(next.message, 'status', { execution_state: 'idle' });
    }
    this.#running = false;
  }

  async #answer(channel: Channel, message: Message): Promise<void> {
    const type = message.header.msg_type;
    this.#publish(message, 'status', { execution_state: 'busy' });
    try {
      const content = await this.#replyTo(type, message.content);
      if (content) this.#reply(channel, message, type.replace(/_request$/, '_reply'), content);
      else this.#log(`${channel}: a message of the unknown type ${type} was passed over`);
    } catch (error) {
      const { name, message: text, stack } = error as Error;
      const content = { status: 'error', ename: name, evalue: text, traceback: [stack ?? text] };
      this.#reply(channel, message, type.replace(/_request$/, '_reply'), content);
    }
    this.#publish(message, 'status', { execution_state: 'idle' });
    if (type === 'shutdown_request') {
      await this.close();
      process.exit(0);
    }
  }

  async #replyTo(type: string, content: Fields): Promise<object | undefined> {
    switch (type) {
      case 'kernel_info_request':
        await this.#loadConverter();
        return kernelInfo(this.#typescript);
      case 'complete_request':
        return this.#complete(content);
      case 'inspect_request':
        return this.#inspect(content);
      case 'is_complete_request':
        return (await this.#loadConverter()).isComplete(String(content.code ?? ''));
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
        return undefined;
    }
  }

  // Cells ---------------------------------------------------------------------------------------

  async #execute(queued: Queued): Promise<void> {
    const { channel, message } = queued;
    const { content } = message;
    const code = String(content.code ?? '');
    const silent = Boolean(content.silent);
    const stores = Boolean(content.store_history ?? true) && !silent;
    this.#interrupted = false;
    if (stores) {
      this.#count++;
      this.#history.add(code);
    }
    const count = this.#count;
    if (!silent) this.#publish(message, 'execute_input', { code, execution_count: count });
    this.#remember(message);
    const done = await this.#runCell(message, code, silent);
    if (done.error) {
      this.#fail(queued, done.error, count, silent);
      if (content.stop_on_error ?? true) this.#abortQueue();
      return;
    }
    if (done.result && !silent) {
      const data = done.result;
      this.#publish(message, 'execute_result', { execution_count: count, data, metadata: {} });
      this.#history.output(count, String(data['text/plain'] ?? ''));
    }
    const expressions = await this.#expressions(message, content.user_expressions);
    this.#reply(channel, message, 'execute_reply', {
      status: 'ok',
      execution_count: count,
      user_expressions: expressions,
      payload: [],
    });
  }

  async #runCell(message: Message, code: string, silent: boolean, keep = true): Promise<Done> {
    const id = message.header.msg_id;
    const label = `cell ${this.#count}`;
    const converter = await this.#loadConverter();
    const converted = converter.convert(code);
    if (!converted.ok) {
      const error = diagnosticsError(converted.diagnostics, label);
      return { type: 'done', id, defined: [], result: null, error };
    }
    if (this.#interrupted) {
      const evalue = 'the cell was interrupted';
      const error = {
        ename: 'KeyboardInterrupt',
        evalue,
        traceback: [`KeyboardInterrupt: ${evalue}`],
      };
      return { type: 'done', id, defined: [], result: null, error };
    }
    const done = await new Promise<Done>((resolve) => {
      this.#finish = resolve;
      const { code: js, map, modules } = converted;
      this.#runtime.send({ type: 'run', id, label, code: js, map, modules, silent });
    });
    this.#finish = undefined;
    this.#cells++;
    await this.#runtime.drained(this.#cells);
    if (keep) converter.commit(converted.cell, done.defined);
    return done;
  }

  async #expressions(message: Message, wanted: unknown): Promise<Fields> {
    const answers: Fields = {};
    for (const [name, code] of Object.entries((wanted ?? {}) as Fields)) {
      const { error, result } = await this.#runCell(message, String(code), true, false);
      answers[name] = error
        ? { status: 'error', ...error }
        : { status: 'ok', data: result ?? { 'text/plain': 'undefined' }, metadata: {} };
    }
    return answers;
  }

  #fail(queued: Queued, error: ShownError, count: number, silent = false): void {
    const { channel, message } = queued;
    if (!silent) this.#publish(message, 'error', { ...error });
    const content = {
      status: 'error',
      execution_count: count,
      ...error,
      user_expressions: {},
      payload: [],
    };
    this.#reply(channel, message, 'execute_reply', content);
  }

  /** Requests that were waiting when a cell failed are not run. */
  #abortQueue(): void {
    for (const { channel, message } of this.#queue.splice(0)) {
      this.#publish(message, 'status', { execution_state: 'busy' });
      this.#reply(channel, message, 'execute_reply', { status: 'aborted' });
      this.#publish(message, 'status', { execution_state: 'idle' });
    }
  }

  async #complete(content: Fields): Promise<object> {
    const code = String(content.code ?? '');
    const offset = toUnits(code, Number(content.cursor_pos ?? code.length));
    const { start, end, matches } = (await this.#loadConverter()).complete(code, offset);
    const from = toPoints(code, start);
    const to = toPoints(code, end);
    return {
      status: 'ok',
      cursor_start: from,
      cursor_end: to,
      matches: matches.map(({ text }) => text),
      metadata: {
        _jupyter_types_experimental: matches.map(({ text, kind }) => ({
          start: from,
          end: to,
          text,
          type: kind,
        })),
      },
    };
  }

  async #inspect(content: Fields): Promise<object> {
    const code = String(content.code ?? '');
    const offset = toUnits(code, Number(content.cursor_pos ?? code.length));
    const found = (await this.#loadConverter()).inspect(code, offset);
    if (!found) return { status: 'ok', found: false, data: {}, metadata: {} };
    const { signature, documentation } = found;
    const text = documentation ? `${signature}\n\n${documentation}` : signature;
    const markdown = `\`\`\`typescript\n${signature}\n\`\`\`\n\n${documentation}`;
    return {
      status: 'ok',
      found: true,
      data: { 'text/plain': text, 'text/markdown': markdown },
      metadata: {},
    };
  }

  // The runtime ---------------------------------------------------------------------------------

  #fromRuntime(message: FromRuntime): void {
    if (message.type === 'ready') return;
    if (message.type === 'done') {
      this.#finish?.(message);
      return;
    }
    const parent = this.#parents.get(message.parent) ?? this.#lastParent();
    if (message.type === 'stream') this.#stream(parent, message.name, message.text);
    else if (message.type === 'publish') {
      this.#publish(parent, message.message, message.content as Fields, message.metadata as Fields);
    } else this.#ask(parent, message.id, message.question, message.password);
  }

  #stream(parent: Message | undefined, name: string, text: string): void {
    this.#publish(parent, 'stream', { name, text });
  }

  #ask(parent: Message | undefined, id: number, question: string, password: boolean): void {
    const answer = (value: string | null) => this.#runtime.send({ type: 'input', id, value });
    if (!parent || parent.content.allow_stdin === false) {
      answer(null);
      return;
    }
    const request = this.#message('input_request', parent, { prompt: question, password });
    request.identities = parent.identities;
    this.#questions.set(request.header.msg_id, (value) => {
      this.#questions.delete(request.header.msg_id);
      answer(value);
    });
    this.#sockets.send('stdin', request);
  }

  /** The runtime is gone, with its variables: say so where it happened and start anew. */
  #died(how: string): void {
    if (this.#closing) return;
    this.#runtime = this.#startRuntime();
    void this.#loadConverter().then((converter) => converter.reset());
    const evalue = `the process that runs cells ended ${how}; its variables are lost, and a new one was started`;
    this.#log(evalue);
    this.#finish?.({
      type: 'done',
      id: '',
      defined: [],
      result: null,
      error: { ename: 'KernelDied', evalue, traceback: [`KernelDied: ${evalue}`] },
    });
  }

  #remember(message: Message): void {
    this.#parents.set(message.header.msg_id, message);
    if (this.#parents.size > rememberedCells) {
      this.#parents.delete(this.#parents.keys().next().value as string);
    }
  }

  #lastParent(): Message | undefined {
    return [...this.#parents.values()].at(-1);
  }

  // Messages out --------------------------------------------------------------------------------

  #message(
    type: string,
    parent: Message | undefined,
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
    return { identities: [], header, parent: parent?.header ?? {}, metadata, content, buffers: [] };
  }

  #publish(
    parent: Message | undefined,
    type: string,
    content: Fields,
    metadata: Fields = {},
  ): void {
    const message = this.#message(type, parent, content, metadata);
    message.identities = [Buffer.from(type)];
    this.#sockets.send('iopub', message);
  }

  #reply(channel: Channel, to: Message, type: string, content: object): void {
    const message = this.#message(type, to, content as Fields);
    message.identities = to.identities;
    this.#sockets.send(channel, message);
  }

  #welcome(topic: string): void {
    const message = this.#message('iopub_welcome', undefined, { subscription: topic });
    message.identities = [Buffer.from(topic)];
    this.#sockets.send('iopub', message);
  }
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'user';
  }
}

/** Jupyter counts code points, JavaScript UTF-16 units. */
function toUnits(text: string, points: number): number {
  return [...text].slice(0, points).join('').length;
}

function toPoints(text: string, units: number): number {
  return [...text.slice(0, units)].length;
}
