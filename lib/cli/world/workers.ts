/** Processes that train models: each has an engine of its own, and ends with this one. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { WorldManifest } from '../../world/index.js';
import type { FromWorker, ToWorker } from './messages.js';

/** A model that a worker trained, or found. */
export interface Trained {
  readonly manifest: WorldManifest;
  readonly made: boolean;
}

/** Characters of a worker's errors that are kept. */
const LAST_WORDS = 2000;

/** Milliseconds that a worker has to save before it is ended. */
const PATIENCE = 15_000;

interface Worker {
  readonly child: ChildProcess;
  said: string;
}

/** Starts workers as they are needed and gives them one model after another. */
export class Workers {
  private readonly all = new Set<Worker>();
  private readonly idle: Worker[] = [];

  /**
   * @param command program and arguments of a worker, for Node.
   * @param environment added to this process's.
   */
  constructor(
    private readonly command: readonly string[],
    private readonly environment: Readonly<Record<string, string>>,
  ) {}

  /**
   * Trains a model in a worker that has nothing to do.
   *
   * @throws Error with the worker's error, or how it ended.
   */
  async train(name: string, onStep: (step: number, loss: number) => void): Promise<Trained> {
    const worker = this.idle.pop() ?? this.start();
    const { child } = worker;
    const trained = await new Promise<Trained>((done, fail) => {
      const settle = () => {
        child.off('message', hear).off('close', closed).off('error', fail);
      };
      const hear = (message: FromWorker) => {
        if ('step' in message) {
          onStep(message.step, message.loss);
          return;
        }
        settle();
        if ('failed' in message) {
          // What a failure leaves in its engine is nothing for the next model.
          child.disconnect();
          fail(new Error(message.failed));
        } else done(message);
      };
      const closed = (code: number | null, signal: NodeJS.Signals | null) => {
        settle();
        const how = signal ? `by ${signal}` : `with exit code ${code}`;
        const words = worker.said.trim();
        fail(new Error(`its process ended ${how}${words === '' ? '' : `: ${words}`}`));
      };
      child.on('message', hear).on('close', closed).on('error', fail);
      const message: ToWorker = { train: name };
      // A worker that is gone already is heard of by its end.
      child.send(message, () => undefined);
    });
    this.idle.push(worker);
    return trained;
  }

  /** Asks all of them to save what they are at and to end; one that does not hear is ended. */
  stop(): void {
    const message: ToWorker = { stop: true };
    for (const { child } of this.all) {
      if (child.connected) child.send(message, () => undefined);
      const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
      child.once('exit', () => clearTimeout(timer));
    }
  }

  /** Ends them and waits until they are gone. */
  async close(): Promise<void> {
    const ends = [...this.all].map(
      ({ child }) =>
        new Promise<void>((done) => {
          // Not 'close': it does not come where this side closed the channel.
          child.once('exit', () => done());
          if (child.connected) child.disconnect();
        }),
    );
    await Promise.all(ends);
  }

  private start(): Worker {
    const child = spawn(process.execPath, [...this.command], {
      env: { ...process.env, ...this.environment },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      windowsHide: true,
    });
    const worker: Worker = { child, said: '' };
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      worker.said = (worker.said + text).slice(-LAST_WORDS);
    });
    this.all.add(worker);
    child.on('exit', () => {
      this.all.delete(worker);
      const at = this.idle.indexOf(worker);
      if (at >= 0) this.idle.splice(at, 1);
    });
    return worker;
  }
}
