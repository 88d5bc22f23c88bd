import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { root } from '#setup/places.mjs';
import { installKernelSpec, javascriptName } from '../../../kernel/install.js';
import { CliError, type GlobalOptions, type Io, printJson, table } from '../command.js';
import {
  environmentPrefix,
  listSpecs,
  prefixDataFolder,
  readSpec,
  userDataFolder,
} from '../kernelspecs.js';

interface PlaceOptions extends GlobalOptions {
  readonly user?: boolean;
  readonly sysPrefix?: boolean;
  readonly prefix?: string;
  readonly name: string;
}

/** The Jupyter data folder that the options name; without any, that of the Python environment in use. */
function dataFolderOf({ user, sysPrefix, prefix }: PlaceOptions): string {
  if ([user, sysPrefix, prefix].filter(Boolean).length > 1) {
    throw new CliError('--user, --sys-prefix and --prefix exclude each other', 2);
  }
  if (user) return userDataFolder();
  return prefixDataFolder(prefix ?? environmentPrefix());
}

async function install(io: Io, options: PlaceOptions): Promise<void> {
  const { path, javascriptPath } = await installKernelSpec({
    dataFolder: dataFolderOf(options),
    packageRoot: root,
    nodePath: process.execPath,
    name: options.name,
  });
  if (options.json) printJson(io, { path, javascriptPath });
  else io.out.write(`installed ${path}\ninstalled ${javascriptPath}\n`);
}

function list(io: Io, { json }: GlobalOptions): void {
  const specs = listSpecs();
  if (json) {
    printJson(io, specs);
  } else if (specs.length === 0) {
    io.out.write('no kernelspec of mambalab is installed (mambalab kernel install)\n');
  } else {
    const rows = specs.map(({ name, displayName, works, path }) => [
      name,
      displayName,
      works ? 'works' : 'its checkout or its Node.js is gone',
      path,
    ]);
    io.out.write(table(rows));
  }
}

function uninstall(io: Io, options: PlaceOptions): void {
  const kernels = join(dataFolderOf(options), 'kernels');
  const path = join(kernels, options.name);
  if (!readSpec(path, options.name)) {
    throw new CliError(`${path} is not a kernelspec of mambalab (mambalab kernel list shows them)`);
  }
  const beside = javascriptName(options.name);
  const removed = [path];
  if (readSpec(join(kernels, beside), beside)) removed.push(join(kernels, beside));
  for (const folder of removed) rmSync(folder, { recursive: true });
  if (options.json) printJson(io, { path, removed });
  else io.out.write(removed.map((folder) => `removed ${folder}\n`).join(''));
}

function withPlace(command: Command): Command {
  return command
    .option('--user', "in the user's Jupyter folder, for every Jupyter of this user")
    .option('--sys-prefix', "in the active Python environment, else the project's own (default)")
    .option('--prefix <folder>', 'in share/jupyter of this folder')
    .option('--name <name>', 'name of the kernelspec', 'mambalab');
}

/** `kernel install`, `kernel list` and `kernel uninstall`: the Jupyter kernel's specs. */
export function registerKernel(program: Command, io: Io): void {
  const kernel = program
    .command('kernel')
    .description('install the TypeScript kernel for Jupyter, list where it is, remove it')
    .addHelpText('after', '\nExamples:\n  mambalab kernel install --user\n  mambalab kernel list');
  withPlace(
    kernel
      .command('install')
      .description('write the kernelspecs, for TypeScript and for JavaScript'),
  ).action((_options, command: Command) => install(io, command.optsWithGlobals<PlaceOptions>()));
  kernel
    .command('list')
    .description('every kernelspec of mambalab that Jupyter finds')
    .action((_options, command: Command) => list(io, command.optsWithGlobals<GlobalOptions>()));
  withPlace(kernel.command('uninstall').description('remove them')).action(
    (_options, command: Command) => uninstall(io, command.optsWithGlobals<PlaceOptions>()),
  );
}
