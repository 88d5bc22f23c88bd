/** The options of an example: `--steps 20`, with the defaults that are given. */
import { basename } from 'node:path';
import { parseArgs } from 'node:util';

type Defaults = Readonly<Record<string, number | string>>;
type Options<D extends Defaults> = {
  readonly [Name in keyof D]: D[Name] extends number ? number : string;
};

/**
 * Reads the command line. What has a number as its default must be a positive integer, everything else is
 * text. `--help` says what there is, as does a mistake, which ends the process with exit code 2.
 */
export function options<D extends Defaults>(defaults: D): Options<D> {
  const args = process.argv.slice(2);
  const known = Object.entries(defaults).map(([name, value]) => `[--${name} ${value}]`);
  const usage = `usage: ${program()} ${known.join(' ')}`;
  if (args.includes('--help')) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return read(defaults, args);
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    process.exit(2);
  }
}

function program(): string {
  return `node dist/examples/${basename(process.argv[1] ?? '')}`;
}

function read<D extends Defaults>(defaults: D, args: string[]): Options<D> {
  const known = Object.keys(defaults).map((name) => [name, { type: 'string' as const }]);
  const { values } = parseArgs({ args, options: Object.fromEntries(known) });
  const given = Object.entries(values as Record<string, string>).map(([name, text]) => {
    if (typeof defaults[name] === 'string') return [name, text];
    const number = Number(text);
    if (Number.isSafeInteger(number) && number > 0) return [name, number];
    throw new RangeError(`--${name}: expected a positive integer, got '${text}'`);
  });
  return { ...defaults, ...Object.fromEntries(given) } as Options<D>;
}
