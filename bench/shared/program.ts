/** How the benchmarks take arguments and say what is wrong with them. */
import { type StatePrecision, statePrecisions } from '../../lib/layers/index.js';

/** A wrong argument. */
export class ArgumentError extends Error {}

/**
 * A whole number from the command line.
 *
 * @throws ArgumentError naming the option, the least number and the text.
 */
export function whole(option: string, text: string, least = 1): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < least) {
    throw new ArgumentError(`${option} takes whole numbers of at least ${least}, got '${text}'`);
  }
  return value;
}

/** As {@link whole}; undefined, the default, where nothing was given. */
export function wholeOrDefault(option: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : whole(option, text);
}

/**
 * How caches and states are kept, from `--state-precision`.
 *
 * @throws ArgumentError naming what is allowed and the text.
 */
export function statePrecision(text: string): StatePrecision {
  const precision = statePrecisions.find((known) => known === text);
  if (precision) return precision;
  throw new ArgumentError(`--state-precision takes ${statePrecisions.join(', ')}, got '${text}'`);
}

/**
 * Runs a benchmark with the process' arguments. A wrong one is a message above the help and exit code 2.
 */
export async function program(
  name: string,
  help: string,
  main: (args: string[]) => Promise<void> | void,
): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    process.stdout.write(`${help}\n`);
    return;
  }
  try {
    await main(args);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!(error instanceof ArgumentError) && !code?.startsWith('ERR_PARSE_ARGS')) throw error;
    process.stderr.write(`bench ${name}: ${message}\n\n${help}\n`);
    process.exitCode = 2;
  }
}
