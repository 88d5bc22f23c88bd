/** The `mambalab` program: global options, the commands, and what an error looks like. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { isBundle, root } from '#setup/places.mjs';
import { CliError, type Io, type Register } from './command.js';
import { registerBench } from './commands/bench.js';
import { registerCacheLogits } from './commands/cache-logits.js';
import { registerContamination } from './commands/contamination.js';
import { registerData } from './commands/data.js';
import { registerDoctor } from './commands/doctor.js';
import { registerGrade } from './commands/grade.js';
import { registerKernel } from './commands/kernel.js';
import { registerLab } from './commands/lab.js';
import { registerReproduce } from './commands/reproduce.js';
import { registerResults } from './commands/results.js';
import { registerSample } from './commands/sample.js';
import { registerScore } from './commands/score.js';
import { registerSynthesize } from './commands/synthesize.js';
import { registerTraining } from './commands/training.js';
import { registerWorld } from './commands/world.js';

const commands: readonly Register[] = [
  registerDoctor,
  registerData,
  registerKernel,
  registerLab,
  registerReproduce,
  registerSample,
  registerGrade,
  registerScore,
  registerResults,
  registerContamination,
  registerSynthesize,
  registerTraining,
  registerWorld,
  registerCacheLogits,
  registerBench,
];

const examples = `
Examples:
  mambalab doctor                     what this machine has, and what is missing
  mambalab reproduce --only 00-tour   run a notebook without a browser, write out/index.html
  mambalab data fetch gsm8k           fetch a dataset into the cache
  mambalab sample smollm2-135m-instruct --task gsm8k   sample completions into runs/
  mambalab lab notebooks              open JupyterLab with the TypeScript kernel
  mambalab kernel install --user      let every Jupyter of this user run TypeScript cells

In a checkout: npx mambalab, or node dist/lib/cli/main.js`;

/** What a bundle lacks of that which a command needs. */
const checkoutOnly: Readonly<Record<string, string>> = {
  kernel: 'the Jupyter kernel',
  lab: 'JupyterLab and the notebooks',
  reproduce: 'the notebooks and the Python environment that runs them',
};

function refuseInBundle(program: Command, action: Command): void {
  let command = action;
  while (command.parent && command.parent !== program) command = command.parent;
  const lacks = checkoutOnly[command.name()];
  if (lacks === undefined) return;
  throw new CliError(
    `${command.name()} needs a checkout of mambalab: this bundle (${root}) comes without ${lacks}`,
  );
}

function version(): string {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
}

function build(io: Io): Command {
  const program = new Command('mambalab')
    .description('A laboratory for distilled Mamba reasoners, in TypeScript.')
    .version(version(), '--version', 'print the version')
    .option('--json', 'print JSON instead of text')
    .option('--stack', 'on an error, print its stack too')
    .helpOption('--help', 'print this')
    .helpCommand(false)
    .addHelpText('after', examples)
    .showHelpAfterError('(--help lists what there is)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out.write(text),
      writeErr: (text) => io.err.write(text),
    });
  for (const register of commands) register(program, io);
  if (isBundle) program.hook('preAction', (_program, action) => refuseInBundle(program, action));
  return program;
}

/**
 * Runs the program on arguments.
 * @returns the exit code: 0, 1 when the command failed, 2 when it was called wrongly
 */
export async function run(
  args: readonly string[],
  io: Io = { out: process.stdout, err: process.stderr },
): Promise<number> {
  const program = build(io);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof CliError && error.silent) return error.exitCode;
    const { message, stack } = error as Error;
    io.err.write(`mambalab: ${program.opts().stack ? stack : message}\n`);
    return error instanceof CliError ? error.exitCode : 1;
  }
}
