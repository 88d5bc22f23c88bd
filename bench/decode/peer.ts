/** A peer: a program that answers requests, one JSON line each (see `bench/peers`). */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { localFolder, root, venvIn } from '#setup/places.mjs';
import { howToInstall } from '../shared/peers.js';
import { type Contender, type Sampled, TEMPERATURE, type Work } from './contender.js';

/** A peer that has not answered by then is ended. */
const PATIENCE_MS = 15 * 60_000;

interface Answer {
  ready?: boolean;
  seconds?: number;
  error?: string;
}

interface Program {
  name: string;
  /** Is there where the peer is installed. */
  witness: string;
  command: string;
  script: string;
}

const peers = join(localFolder, 'peers');
const scripts = join(root, 'bench', 'peers');

/** The peers that `bench/peers/install.mjs` installs. */
export const PROGRAMS: readonly Program[] = [
  {
    name: 'transformers',
    witness: join(peers, 'stamps', 'transformers.json'),
    command: venvIn(peers)('python'),
    script: join(scripts, 'transformers_decode.py'),
  },
  {
    name: 'llama.cpp',
    witness: join(peers, 'stamps', 'llama.cpp.json'),
    command: process.execPath,
    script: join(scripts, 'llama_decode.mjs'),
  },
];

/** A running peer. */
export class Peer implements Contender {
  private readonly waiting: ((answer: Answer) => void)[] = [];
  private readonly answers: Answer[] = [];
  private readonly child: ChildProcess;
  private lastWords = '';

  private constructor(
    readonly name: string,
    { command, script }: Program,
    file: string,
    threads: number,
  ) {
    this.child = spawn(command, [script, file, String(threads)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const { stdin, stdout, stderr } = this.child;
    if (!stdin || !stdout || !stderr) throw new Error(`${name}: it has no standard streams`);
    createInterface({ input: stdout }).on('line', (line) => this.take(line));
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.lastWords = (this.lastWords + text).slice(-2000);
    });
    // A peer that ended already is reported by `close`.
    stdin.on('error', () => undefined);
    this.child.on('error', (error) => this.deliver({ error: error.message }));
    this.child.on('close', (code, signal) => {
      const last = this.lastWords.trim().split('\n').at(-1) ?? '';
      this.deliver({ error: `it ended with ${signal ?? `exit code ${code}`}. ${last}`.trim() });
    });
  }

  /**
   * Starts a peer and waits until it has loaded the model.
   *
   * @throws Error saying why it does not run.
   */
  static async start(program: Program, file: string, threads: number): Promise<Peer> {
    if (!existsSync(program.witness)) {
      throw new Error(`not installed; ${howToInstall(program.name)}`);
    }
    const peer = new Peer(program.name, program, file, threads);
    await peer.answer();
    return peer;
  }

  /** The difference of two samplings, the shorter one of two tokens, leaves the steps. */
  async sample(work: Work): Promise<Sampled> {
    const two = await this.request(work, 2);
    const whole = await this.request(work, work.newTokens);
    return { whole: { seconds: whole }, steps: { seconds: whole - two } };
  }

  private async request({ prompt, batch, newTokens }: Work, count: number): Promise<number> {
    // Room for the longer sampling, so that both run in the same context.
    const request = { prompt, batch, new: count, room: newTokens, temperature: TEMPERATURE };
    this.child.stdin?.write(`${JSON.stringify(request)}\n`);
    const { seconds } = await this.answer();
    if (seconds === undefined) throw new Error('its answer has no seconds');
    return seconds;
  }

  stop(): void {
    this.child.kill();
  }

  private async answer(): Promise<Answer> {
    let timer: NodeJS.Timeout | undefined;
    const answer = await new Promise<Answer>((resolve) => {
      const ready = this.answers.shift();
      if (ready) {
        resolve(ready);
        return;
      }
      this.waiting.push(resolve);
      timer = setTimeout(() => {
        this.child.kill();
      }, PATIENCE_MS);
    });
    clearTimeout(timer);
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  private take(line: string): void {
    try {
      this.deliver(JSON.parse(line));
    } catch {
      this.deliver({ error: `it said '${line.slice(0, 200)}' where JSON was expected` });
    }
  }

  private deliver(answer: Answer): void {
    const next = this.waiting.shift();
    if (next) next(answer);
    else this.answers.push(answer);
  }
}
