import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import { CompilerClient } from '../compiler/client.js';
import type { CommCommand, ErrorContent, InputEvent, PublishEvent } from '../link/messages.js';
import { Codec } from '../wire/codec.js';
import type { Connection } from '../wire/connection.js';
import type { Fields, Header, Message } from '../wire/message.js';
import { Sockets } from '../wire/sockets.js';
import { Cells, type Outcome } from './cells.js';
import { History, historyFolder } from './history.js';
import { kernelInfo, type NotebookLanguage, protocolVersion } from './info.js';
import { type Magic, magicHelp, magicOf, questionOf } from './magics.js';
import { type Output, Outputs } from './outputs.js';
import { completeReply, inspectionBundle, inspectReply, isCompleteReply } from './replies.js';
import { type Shell, Shells } from './shells.js';
import { StreamBuffer } from './streams.js';

type Channel = 'shell' | 'control';

const commTypes = new Set(['comm_open', 'comm_msg', 'comm_close']);

/** Requests that run code. */
const runTypes = new Set(['execute_request', ...commTypes]);

/**
 * One kernel on one set of sockets. Requests to a shell are served one after the other; those on
 * the control channel at once, also while a cell runs.
 */
export class Kernel {
  readonly #sockets: Sockets;
  readonly #connection: Connection;
  readonly #log: (text: string) => void;
  readonly #compiler: CompilerClient;
  readonly #cells: Cells;
  readonly #language: NotebookLanguage;
  readonly #history: History;
  readonly #streams: StreamBuffer;
  readonly #session = randomUUID();
  readonly #user = userName();
  readonly #shells = new Shells((shell, message) => this.#serve('shell', message, shell));
  readonly #outputs = new Outputs();
  /** Open comms: the target of each. */
  readonly #comms = new Map<string, string>();
  /** The question that a front end has not answered yet: its id, and that of the cell's request. */
  #asked: { id: string; request: string } | null = null;
  /** Whether types have to be right for a cell to run. */
  #checks: boolean;
  #count = 0;
  #welcomed = false;
  #closing: Promise<void> | null = null;

  /**
   * @param folder The notebook's folder.
   * @param language What the cells are written in; JavaScript is not type-checked.
   * @param log Told about dropped messages and failures.
   */
  constructor(
    connection: Connection,
    folder: string,
    language: NotebookLanguage,
    log: (text: string) => void,
  ) {
    this.#connection = connection;
    this.#language = language;
    this.#checks = language === 'typescript';
    this.#log = log;
    this.#history = new History(historyFolder(), log);
    this.#streams = new StreamBuffer((output, name, text) => {
      if (!output?.silent) this.#publishNow(output?.parent ?? null, 'stream', { name, text });
    });
    this.#sockets = new Sockets(new Codec(connection.key, connection.hash), {
      message: (channel, message) => this.#receive(channel, message),
      subscribed: (topic) => this.#welcome(topic),
      warn: log,
    });
    this.#compiler = new CompilerClient(folder, log);
    this.#cells = new Cells(this.#compiler, folder, {
      began: (run, request) => this.#outputs.began(run, request),
      stream: ({ run, name, text }) => this.#streams.add(this.#outputs.of(run), name, text),
      publish: (event) => this.#forward(event, this.#outputs.of(event.run)),
      input: (question) => this.#ask(question),
      died: ({ how }) => {
        this.#comms.clear();
        log(`the process that runs the cells ${how}`);
      },
      warn: log,
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
      if (message.header.msg_type === 'input_reply') this.#answered(message);
    } else if (channel === 'control') {
      void this.#serve('control', message);
    } else {
      const shell = this.#shells.of(message);
      if (shell !== undefined) shell.receive(message);
      else void this.#serve('shell', message);
    }
  }

  /**
   * Answers one request between `busy` and `idle`.
   *
   * @param shell The shell that serves it; without one, a request on the shell channel fails.
   */
  async #serve(channel: Channel, message: Message, shell?: Shell): Promise<void> {
    const type = message.header.msg_type;
    this.#publish(message, 'status', { execution_state: 'busy' });
    const output = runTypes.has(type)
      ? this.#outputs.serve(message, message.content.silent === true)
      : null;
    let failed = false;
    try {
      if (channel === 'shell' && shell === undefined) throw unknownSubshell(message.header);
      const content =
        output === null ? await this.#answer(type, message) : await this.#runCode(type, output);
      if (content === null) {
        if (!commTypes.has(type)) this.#log(`${channel}: unknown message ${type}`);
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
    if (output !== null) this.#outputs.done(output);
    if (failed && shell !== undefined && message.content.stop_on_error !== false) {
      await this.#abortQueue(shell);
    }
    this.#publish(message, 'status', { execution_state: 'idle' });
    if (type === 'shutdown_request') {
      await this.close();
      process.exit(0);
    }
  }

  async #answer(type: string, message: Message): Promise<Fields | null> {
    const { content } = message;
    switch (type) {
      case 'kernel_info_request':
        return kernelInfo(this.#language);
      case 'complete_request':
        return completeReply(this.#compiler, content);
      case 'inspect_request':
        return inspectReply(this.#compiler, content);
      case 'is_complete_request':
        return { ...(await isCompleteReply(this.#compiler, content)) };
      case 'history_request':
        return { status: 'ok', history: this.#history.answer(content) };
      case 'comm_info_request':
        return { status: 'ok', comms: this.#commInfo(content.target_name) };
      case 'interrupt_request':
        this.interrupt();
        return { status: 'ok' };
      case 'create_subshell_request':
        return { status: 'ok', subshell_id: this.#shells.create() };
      case 'delete_subshell_request':
        if (this.#shells.delete(String(content.subshell_id))) return { status: 'ok' };
        throw unknownSubshell(content);
      case 'list_subshell_request':
        return { status: 'ok', subshell_id: this.#shells.ids };
      case 'shutdown_request':
        return { status: 'ok', restart: Boolean(content.restart) };
      default:
        return null;
    }
  }

  async #runCode(type: string, output: Output): Promise<Fields | null> {
    if (type === 'execute_request') return this.#execute(output);
    await this.#deliver(output, type as CommCommand['messageType']);
    return null;
  }

  /** Runs a cell; returns the content of its `execute_reply`. */
  async #execute(output: Output): Promise<Fields> {
    const { parent: message, silent } = output;
    const { content } = message;
    const code = String(content.code ?? '');
    const stored = !silent && content.store_history !== false;
    if (stored) {
      this.#count += 1;
      this.#history.add(this.#count, code);
    }
    const execution_count = this.#count;
    if (!silent) this.#publish(message, 'execute_input', { code, execution_count });
    const asked = questionOf(code);
    if (asked !== null) {
      const data = await inspectionBundle(this.#compiler, asked, asked.length);
      const payload = [
        { source: 'page', data: data ?? { 'text/plain': `${asked}: not found` }, start: 0 },
      ];
      return { status: 'ok', execution_count, user_expressions: {}, payload };
    }
    const magic = magicOf(code);
    const label = `In[${execution_count}]`;
    const { error, result } =
      magic === null
        ? await this.#run(message, code, label, true)
        : await this.#perform(magic, output, label);
    if (this.#asked?.request === message.header.msg_id) this.#asked = null;
    this.#streams.flush();
    if (error !== null) {
      if (!silent) this.#publish(message, 'error', { ...error });
      return { status: 'error', execution_count, ...error, user_expressions: {}, payload: [] };
    }
    if (result !== null && !silent) {
      this.#publish(message, 'execute_result', { execution_count, data: result, metadata: {} });
      if (stored) this.#history.output(execution_count, String(result['text/plain'] ?? ''));
    }
    const user_expressions = await this.#expressions(message);
    return { status: 'ok', execution_count, user_expressions, payload: [] };
  }

  #run(message: Message, code: string, label: string, commit: boolean): Promise<Outcome> {
    return this.#cells.run(code, label, message.header.msg_id, { commit, check: this.#checks });
  }

  /** Does what a magic asks for. */
  async #perform(magic: Magic, output: Output, label: string): Promise<Outcome> {
    const message = output.parent;
    const say = (text: string): Outcome => ({ error: null, result: { 'text/plain': text } });
    switch (magic.name) {
      case 'help':
        return say(magicHelp);
      case 'typecheck':
        if (magic.argument !== '') this.#checks = magic.argument === 'on';
        return say(`cells ${this.#checks ? 'are' : 'are not'} type-checked`);
      case 'reset':
        this.#comms.clear();
        await this.#cells.restart();
        return say('every variable is forgotten');
      case 'who': {
        const names = await this.#compiler.names();
        const lines = names.map(({ name, signature }) => signature || name);
        return say(lines.join('\n') || 'no cell has declared anything yet');
      }
      case 'time': {
        const began = performance.now();
        const outcome = await this.#run(message, magic.code, label, true);
        const seconds = ((performance.now() - began) / 1000).toPrecision(3);
        const text = `${seconds} s, compiling included\n`;
        this.#streams.add(output, 'stdout', text);
        return outcome;
      }
      case 'sh':
        return this.#cells.shell(magic.code, label, message.header.msg_id);
      case 'unknown':
        return { error: magic.error, result: null };
    }
  }

  /** Passes on what the code of a cell publishes. */
  #forward({ messageType, content, metadata, buffers }: PublishEvent, to: Output | null): void {
    const id = String(content.comm_id ?? '');
    if (messageType === 'comm_open') this.#comms.set(id, String(content.target_name ?? ''));
    else if (messageType === 'comm_close') this.#comms.delete(id);
    if (to?.silent && !commTypes.has(messageType)) return;
    this.#streams.flush();
    this.#publishNow(to?.parent ?? null, messageType, content, metadata, buffers);
  }

  /** Open comms by id, in the form of a `comm_info_reply`. */
  #commInfo(target: unknown): Fields {
    const wanted = [...this.#comms].filter(
      ([, name]) => typeof target !== 'string' || target === '' || name === target,
    );
    return Object.fromEntries(wanted.map(([id, target_name]) => [id, { target_name }]));
  }

  /** Runs what listens to a comm; its output belongs to the message that came. */
  async #deliver(output: Output, messageType: CommCommand['messageType']): Promise<void> {
    const { content, buffers, header } = output.parent;
    const id = String(content.comm_id ?? '');
    if (messageType === 'comm_open') this.#comms.set(id, String(content.target_name ?? ''));
    else if (messageType === 'comm_close') this.#comms.delete(id);
    const error = await this.#cells.deliver({
      request: header.msg_id,
      messageType,
      content,
      buffers: buffers.map((bytes) => bytes.toString('base64')),
    });
    if (error !== null) {
      const text = `${error.traceback.join('\n')}\n`;
      this.#streams.add(output, 'stderr', text);
    }
  }

  async #expressions(message: Message): Promise<Fields> {
    const wanted = message.content.user_expressions;
    const answers: Fields = {};
    if (typeof wanted !== 'object' || wanted === null) return answers;
    for (const [name, code] of Object.entries(wanted)) {
      const { error, result } = await this.#run(message, `(${String(code)})`, name, false);
      answers[name] =
        error === null
          ? { status: 'ok', data: result ?? { 'text/plain': 'undefined' }, metadata: {} }
          : ({ status: 'error', ...error } satisfies { status: string } & ErrorContent);
    }
    return answers;
  }

  /** Cells that were waiting when one failed are not run. */
  async #abortQueue(shell: Shell): Promise<void> {
    // Requests that were sent together may still be on their way from the socket.
    await new Promise((resolve) => setTimeout(resolve, 10));
    for (const message of shell.take('execute_request')) {
      this.#publish(message, 'status', { execution_state: 'busy' });
      this.#reply('shell', message, 'execute_reply', {
        status: 'aborted',
        execution_count: this.#count,
      });
      this.#publish(message, 'status', { execution_state: 'idle' });
    }
  }

  /** Passes a question of the running cell to the front end that sent the cell. */
  #ask({ run, prompt, password }: InputEvent): void {
    const to = this.#outputs.of(run)?.parent;
    if (to === undefined || to.content.allow_stdin !== true) {
      this.#cells.answer(null);
      return;
    }
    this.#streams.flush();
    const message = this.#message('input_request', to.header, { prompt, password });
    this.#asked = { id: message.header.msg_id, request: to.header.msg_id };
    this.#sockets.send('stdin', { ...message, identities: to.identities });
  }

  /** Gives an answer to the cell that asked, unless that has stopped waiting for it. */
  #answered({ parent, content }: Message): void {
    const isLate = this.#asked === null || (parent.msg_id ?? this.#asked.id) !== this.#asked.id;
    if (isLate) {
      this.#log('stdin: dropped an answer that nobody waits for');
      return;
    }
    this.#asked = null;
    this.#cells.answer(String(content.value ?? ''));
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

  #publishNow(
    parent: Message | null,
    type: string,
    content: Fields,
    metadata: Fields = {},
    buffers: string[] = [],
  ): void {
    const message = this.#message(type, parent?.header ?? {}, content, metadata);
    this.#sockets.send('iopub', {
      ...message,
      identities: [Buffer.from(type)],
      buffers: buffers.map((text) => Buffer.from(text, 'base64')),
    });
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

function unknownSubshell({ subshell_id }: { subshell_id?: unknown }): Error {
  const error = new Error(`there is no subshell ${JSON.stringify(subshell_id)}`);
  error.name = 'UnknownSubshell';
  return error;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'kernel';
  }
}
