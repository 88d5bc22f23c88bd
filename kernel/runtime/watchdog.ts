// Thread beside the runtime's main thread: it hears commands while a cell keeps that one busy.
import { Session } from 'node:inspector';
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { FrameReader } from '../link/frames.js';
import { type Command, pipes } from '../link/messages.js';
import { type InterruptNotice, slot } from './interrupts.js';

/** How long the main thread may take to notice an interrupt before it is stopped. */
const patienceMs = 80;

if (parentPort !== null) {
  const port = parentPort;
  const shared = workerData as Int32Array;
  let attempt = 0;
  /** Newest run that was passed on. */
  let newest = 0;

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
      if (busy && runs(run)) stopMainThread();
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
 * Ends whatever JavaScript the main thread is in, down to the event loop. The inspector is only
 * connected for this moment: while it is, everything printed by `console` is kept in memory.
 */
function stopMainThread(): void {
  const session = new Session();
  session.connectToMainThread();
  session.post('Runtime.terminateExecution', () => session.disconnect());
}
