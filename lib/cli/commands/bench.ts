import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { root } from '#setup/places.mjs';
import { CliError, type GlobalOptions, type Io, printJson } from '../command.js';

const folder = join(root, 'dist', 'bench');

function benchNames(): string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.js'))
    .map((entry) => entry.name.slice(0, -'.js'.length));
  return names.sort();
}

function runBench(name: string, args: readonly string[]): Promise<number> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [join(folder, `${name}.js`), ...args], {
      stdio: 'inherit',
    });
    child.on('error', fail);
    child.on('close', (code) => done(code ?? 1));
  });
}

const EXAMPLES = `
Examples:
  mambalab bench                   what there is
  mambalab bench decode --help     a benchmark's options
  mambalab bench decode --batch 1  one of them, with an option`;

/** `bench [name]`: runs one of bench/'s programs, or lists them. */
export function registerBench(program: Command, io: Io): void {
  program
    .command('bench')
    .description(
      "run a benchmark beside its peers and this machine's limits; without a name, list them",
    )
    .argument('[name]', 'which benchmark')
    .argument('[args...]', 'passed on to it')
    .allowUnknownOption()
    // `--help` behind a name is the benchmark's own.
    .helpOption(false)
    .addHelpText('after', EXAMPLES)
    .action(async (name: string | undefined, args: string[], _options, command: Command) => {
      const { json } = command.optsWithGlobals<GlobalOptions>();
      if (name === '--help') {
        command.outputHelp();
        return;
      }
      const names = benchNames();
      if (name === undefined) {
        if (json) printJson(io, names);
        else io.out.write(names.length > 0 ? `${names.join('\n')}\n` : 'no benchmark is built\n');
        return;
      }
      if (!names.includes(name)) {
        const known = names.length > 0 ? names.join(', ') : 'none is built; run `npm run setup`';
        throw new CliError(`there is no benchmark '${name}' (${known})`, 2);
      }
      const code = await runBench(name, [...args, ...(json ? ['--json'] : [])]);
      if (code !== 0) throw new CliError(`benchmark '${name}' ended with exit code ${code}`);
    });
}
