import { randomUUID } from 'node:crypto';
import { bundleOf } from './display.js';
import type { Interrupts } from './interrupt.js';
import type { Outputs } from './outputs.js';

type Write = typeof process.stdout.write;

/**
 * Gives cells their globals (declared in compiler/globals.ts) and leads the standard streams to the
 * notebook.
 *
 * @returns Takes the answers to `prompt`.
 */
export function installGlobals(
  outputs: Outputs,
  interrupts: Interrupts,
): (id: number, value: string | null) => void {
  redirect('stdout', outputs);
  redirect('stderr', outputs);
  forbidExit();

  const publish = async (type: string, value: unknown, id: string): Promise<void> => {
    const data = await bundleOf(value);
    outputs.publish(type, { data, metadata: {}, transient: { display_id: id } });
  };
  const display = (value: unknown, { id = randomUUID() }: { id?: string } = {}) => {
    // In order, however long a bundle takes.
    let last = publish('display_data', value, id);
    last.catch(() => {});
    return {
      id,
      update(next: unknown): Promise<void> {
        last = last.then(() => publish('update_display_data', next, id));
        return last;
      },
    };
  };
  const clearOutput = ({ wait = false }: { wait?: boolean } = {}): void => {
    outputs.publish('clear_output', { wait });
  };

  const waiting = new Map<number, (value: string | null) => void>();
  let questions = 0;
  const prompt = (question = '', { password = false }: { password?: boolean } = {}) => {
    const id = ++questions;
    const answered = new Promise<string>((resolve, reject) => {
      waiting.set(id, (value) => {
        if (value !== null) resolve(value);
        else reject(new Error('prompt: this front end does not take input'));
      });
    });
    outputs.ask(id, question, password);
    return interrupts.guard(answered);
  };

  Object.assign(globalThis, { display, clearOutput, prompt });
  // The same protocol as in Deno's kernel: any library can publish without importing this one.
  Object.assign(globalThis, {
    [Symbol.for('Jupyter.broadcast')]: (
      type: string,
      content: object,
      extra: { metadata?: object } = {},
    ): Promise<void> => {
      outputs.publish(type, content, extra.metadata);
      return Promise.resolve();
    },
  });

  return (id, value) => {
    waiting.get(id)?.(value);
    waiting.delete(id);
  };
}

function redirect(name: 'stdout' | 'stderr', outputs: Outputs): void {
  const decoder = new TextDecoder();
  const write = (
    chunk: string | Uint8Array,
    encoding?: BufferEncoding | ((error?: Error) => void),
    done?: (error?: Error) => void,
  ): boolean => {
    const text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    outputs.stream(name, text);
    const callback = typeof encoding === 'function' ? encoding : done;
    if (callback) process.nextTick(callback);
    return true;
  };
  process[name].write = write as Write;
}

function forbidExit(): void {
  process.exit = ((code?: number) => {
    throw new Error(
      `process.exit(${code ?? ''}) would end the kernel; use the notebook's own menu`,
    );
  }) as typeof process.exit;
}
