/**
 * The process that runs cells. It talks to the server over Node's IPC; one message after the other,
 * so outputs arrive in the order in which the cell made them.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { writeSync } from 'node:fs';
import { runCell } from './cell.js';
import { shownError } from './errors.js';
import { installGlobals } from './globals.js';
import { Interrupts } from './interrupt.js';
import { Loader } from './loader.js';
import { Outputs } from './outputs.js';
import {
  type FromRuntime,
  markerEnd,
  markerStart,
  type RunRequest,
  type ToRuntime,
} from './protocol.js';

/** The pipe on which interrupts arrive, beside stdin, stdout and stderr. */
const interruptPipe = 3;

const current = new AsyncLocalStorage<{ id: string; silent: boolean }>();
let last = { id: '', silent: false };
const sent = process.send?.bind(process);
if (!sent) throw new Error('the runtime is started by the kernel');
const send = (message: FromRuntime): void => {
  sent(message);
};
const outputs = new Outputs(send, () => current.getStore() ?? last);
const interrupts = new Interrupts(interruptPipe);
const loader = new Loader(process.cwd());
const scope: Record<string, unknown> = Object.create(null);
const answer = installGlobals(outputs, interrupts);
let cells = 0;

async function run(request: RunRequest): Promise<void> {
  const { id, silent } = request;
  last = { id, silent };
  loader.provide(request.modules);
  const outcome = await current.run(last, () => runCell(request, scope, loader, interrupts));
  outputs.flush();
  cells++;
  // What native code and child processes wrote ends here too.
  for (const fd of [1, 2]) {
    try {
      writeSync(fd, `${markerStart}${cells}${markerEnd}`);
    } catch {
      // The server went away or the pipe is full: it does not wait for long.
    }
  }
  send({ type: 'done', id, ...outcome });
}

process.on('message', (message: ToRuntime) => {
  if (message.type === 'run') void run(message);
  else if (message.type === 'interrupt') interrupts.arrived();
  else answer(message.id, message.value);
});
// The signal itself stops synchronous code inside vm; the process must outlive it.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    const { traceback } = shownError(error);
    outputs.stream('stderr', `Uncaught ${traceback.join('\n')}\n`);
  });
}
send({ type: 'ready' });
