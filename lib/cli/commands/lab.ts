import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import type { Command } from 'commander';
import { childEnvironment, venvProgram } from '#setup/places.mjs';
import { CliError, type Io } from '../command.js';

/** `lab [args...]`: JupyterLab of the project's environment, which has the kernel. */
export function registerLab(program: Command, _io: Io): void {
  program
    .command('lab')
    .description('open JupyterLab with the TypeScript kernel')
    .argument('[args...]', 'a folder or a notebook, and options of `jupyter lab`')
    .allowUnknownOption()
    .addHelpText(
      'after',
      '\nExamples:\n  mambalab lab\n  mambalab lab notebooks/00-tour.ipynb\n  mambalab lab --no-browser --port 8890',
    )
    .action(async (args: string[]) => {
      const jupyter = venvProgram('jupyter-lab');
      if (!existsSync(jupyter)) {
        throw new CliError(`${jupyter} is not there; run \`npm run setup\``);
      }
      const env = childEnvironment();
      if (env.TMPDIR) mkdirSync(env.TMPDIR, { recursive: true });
      const code = await new Promise<number>((done, fail) => {
        const child = spawn(jupyter, args, { stdio: 'inherit', env });
        // A terminal's Ctrl-C reaches JupyterLab as well, which asks whether it is meant.
        const ignore = () => {};
        const passOn = (signal: NodeJS.Signals) => child.kill(signal);
        process.on('SIGINT', ignore).on('SIGTERM', passOn).on('SIGHUP', passOn);
        child.on('error', fail);
        child.on('close', (exit) => {
          process.off('SIGINT', ignore).off('SIGTERM', passOn).off('SIGHUP', passOn);
          done(exit ?? 1);
        });
      });
      if (code !== 0) throw new CliError(`JupyterLab ended with exit code ${code}`);
    });
}
