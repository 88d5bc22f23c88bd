/** Ctrl-C and a polite kill: a command ends at a whole record, and says how to go on. */
import { CliError } from './command.js';

/**
 * Runs work that can be interrupted: SIGINT and SIGTERM abort its signal, a second one ends the
 * process at once.
 *
 * @param goOn what is said of going on later.
 * @throws CliError with exit code 130 or 143 where it was interrupted.
 */
export async function interruptible<T>(
  goOn: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let code = 0;
  const stop = (signal: NodeJS.Signals) => {
    if (code !== 0) process.exit(code);
    code = signal === 'SIGINT' ? 130 : 143;
    controller.abort(new Error(signal));
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (code !== 0 && controller.signal.aborted) throw new CliError(`interrupted; ${goOn}`, code);
    throw error;
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}
