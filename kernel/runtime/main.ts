// Process that runs the cells. It has a real main thread, so native addons, child processes and
// signals work as in any program; the protocol is spoken by the process that started it.
import { Worker } from 'node:worker_threads';
import type { Command } from '../link/messages.js';
import * as helpers from '../show/helpers.js';
import { makeInteract } from '../widgets/interact.js';
import { Widgets } from '../widgets/widget.js';
import { broadcast } from './broadcast.js';
import { openChannel, send, watchDescriptors } from './channel.js';
import { Comms } from './comms.js';
import { bindTimers, inRun, originOf } from './context.js';
import { Displays } from './displays.js';
import { describeError, runOf } from './errors.js';
import { Imports } from './imports.js';
import { Input } from './input.js';
import { KeyboardInterrupt } from './interrupts.js';
import { Runner } from './run.js';
import { Stacks } from './stacks.js';
import { replaceStreams } from './streams.js';

replaceStreams();
watchDescriptors();
bindTimers();
const folder = process.cwd();
const secret = process.argv[2] ?? '';
process.argv.splice(2);
const exit = process.exit.bind(process);

const stacks = new Stacks(folder);
stacks.install();
const displays = new Displays();
const input = new Input();
const comms = new Comms();
const runner = new Runner(folder, {
  imports: new Imports(folder),
  displays,
  stacks,
  comms,
  ended: (run) => input.abandon(run),
});
openChannel(runner.interrupts.shared, secret);

const printError = (prefix: string, error: unknown): void => {
  process.stderr.write(`${prefix}${describeError(error, stacks).traceback.join('\n')}\n`);
};
const { Shown: _, ...shows } = helpers;
const widgets = new Widgets(comms);

for (const [name, value] of Object.entries({
  display: displays.display,
  clearOutput: displays.clearOutput,
  prompt: input.prompt,
  comms,
  interact: makeInteract(widgets, displays, (error) => printError('', error)),
  ...shows,
})) {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
}
Object.defineProperty(globalThis, Symbol.for('Jupyter.broadcast'), { value: broadcast });
Object.defineProperty(globalThis, Symbol.for('Jupyter.interrupt'), {
  get: () => runner.interrupts.signal,
});

process.exit = (code) => {
  throw new Error(
    `process.exit(${code ?? ''}) in a cell would end the kernel and lose every variable; ` +
      'to end it, shut the kernel down',
  );
};

const report = (error: unknown): void => {
  // What an interrupt left behind in the background has been reported by its cell.
  if (error instanceof KeyboardInterrupt) return;
  const run = runOf(error, stacks) ?? 0;
  const origin = originOf(error) ?? { run, request: '' };
  inRun(origin, () => printError('Uncaught in the background:\n', error));
};
process.on('uncaughtException', report);
process.on('unhandledRejection', report);
// A terminal sends it to every process of its group; the protocol process decides what it means.
process.on('SIGINT', () => {});

const watchdog = new Worker(new URL('./watchdog.js', import.meta.url), {
  workerData: runner.interrupts.shared,
});
runner.interrupts.listen(watchdog);
watchdog.on('message', (command: Command | { type: 'interrupted' }) => {
  if (command.type === 'execute') runner.execute(command);
  else if (command.type === 'comm') runner.deliver(command);
  else if (command.type === 'input') input.answer(command.value);
  else if (command.type === 'exit') exit(0);
});
send({ type: 'ready' });
