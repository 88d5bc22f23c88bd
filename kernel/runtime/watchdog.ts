// Thread beside the runtime's main thread: it hears commands while a cell keeps that one busy.
import { Session } from 'node:inspector';
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { FrameReader } from '../link/frames.js';
import { type Command, pipes } from '../link/messages.js';
import type { InterruptNotice } from './interrupts.js';
import { slot } from './shared.js';

/** How long the main thread may take to notice an interrupt before it is stopped. */
const patienceMs = 80;

if (parentPort !== null) {
  const port = parentPort;
  const shared = workerData as Int32Array;
  let attempt = 0;
  /** Newest run that was passed on. */
  let newest = 0;
  let stopping: Promise<void> | null = null;

  /** Whether a run up to this one is in progress or about to begin. */
  const runs = (run: number): boolean => {
    const oldest = Atomics.load(shared, slot.oldest);
    return (oldest !== 0 && oldest <= run) || Atomics.load(shared, slot.begun) < run;
  };

  const interrupt = async (): Promise<void> => {
    const run = newest;
    while (runs(run)) {
      attempt += 1;
      Atomics.store(shared, slot.interrupted, run);
      port.postMessage({ type: 'interrupted', run, attempt } satisfies InterruptNotice);
      await sleep(patienceMs);
      const busy = Atomics.load(shared, slot.seen) < attempt;
      if (!busy || !runs(run)) continue;
      stopping ??= stopMainThread(shared, () => runs(run)).finally(() => {
        stopping = null;
      });
      await stopping;
    }
  };

  const reader = new FrameReader<Command>((command) => {
    if (command.type === 'interrupt') {
      void interrupt();
      return;
    }
    if (command.type === 'execute' || command.type === 'comm') newest = command.run;
    port.postMessage(command);
  });
  const commands = new Socket({ fd: pipes.commands, readable: true, writable: false });
  commands.on('data', (piece) => reader.push(piece));
  // Without the protocol process there is nobody to run cells for, however busy they are.
  const orphaned = (): void => {
    process.kill(process.pid, 'SIGKILL');
  };
  commands.on('end', orphaned);
  commands.on('error', orphaned);
}

/**
 * Ends whatever JavaScript the main thread is in, down to the event loop, unless that is writing
 * to the protocol process. The inspector is only connected for this moment: while it is,
 * everything printed by `console` is kept in memory.
 *
 * @param wanted Whether there is still something to end.
 */
async function stopMainThread(shared: Int32Array, wanted: () => boolean): Promise<void> {
  Atomics.store(shared, slot.stopping, 1);
  while (Atomics.load(shared, slot.writing) === 1) await sleep(1);
  if (wanted()) {
    const session = new Session();
    session.connectToMainThread();
    await new Promise((resolve) => session.post('Runtime.terminateExecution', resolve));
    session.disconnect();
  }
  // The main thread may have been stopped while it was about to wait.
  Atomics.store(shared, slot.writing, 0);
  Atomics.store(shared, slot.stopping, 0);
  Atomics.notify(shared, slot.stopping);
}
