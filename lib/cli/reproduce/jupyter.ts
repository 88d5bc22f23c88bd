/** Calls nbconvert of the project's Python environment. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { childEnvironment, localFolder, venvProgram } from '#setup/places.mjs';
import { CliError } from '../command.js';

/**
 * nbconvert, ended as by SIGTERM when its standard input ends: that it does also where this program was
 * killed without a word, and then nbconvert and its kernel would go on alone.
 */
const PROGRAM = `
import os, runpy, signal, sys, threading
def watch():
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=watch, daemon=True).start()
runpy.run_module('nbconvert', run_name='__main__', alter_sys=True)
`;

const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A cell that failed, or nbconvert itself. */
export class NotebookFailure extends Error {}

/**
 * What went wrong, out of nbconvert's standard error: the failing cell and its error where a cell failed,
 * else the last lines.
 */
export function failureOf(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: tracebacks come coloured
  const plain = text.replace(/\x1b\[[0-9;]*m/g, '').trimEnd();
  const at = plain.lastIndexOf('An error occurred while executing the following cell');
  if (at >= 0) return plain.slice(at);
  return plain.split('\n').slice(-12).join('\n');
}

/**
 * Runs `jupyter nbconvert` with arguments.
 * @param env added to the environment, such as MAMBALAB_SCALE
 * @throws NotebookFailure with the failing cell's source and error, or nbconvert's last lines
 */
export async function nbconvert(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<void> {
  const python = venvProgram('python');
  if (!existsSync(python)) {
    throw new CliError(`${python} is not there: run \`npm run setup\` first`);
  }
  mkdirSync(join(localFolder, 'tmp'), { recursive: true });
  const base = childEnvironment();
  const path = `${dirname(python)}${delimiter}${base.PATH ?? ''}`;
  await new Promise<void>((done, fail) => {
    const child = spawn(python, ['-c', PROGRAM, ...args], {
      env: { ...base, ...env, PATH: path },
      stdio: ['pipe', 'ignore', 'pipe'],
      windowsHide: true,
    });
    let stoppedBy: NodeJS.Signals | undefined;
    // nbconvert ends its kernel when it is told to stop; left alone, both would outlive this program.
    const stop = (signal: NodeJS.Signals) => {
      stoppedBy = signal;
      child.kill('SIGTERM');
    };
    for (const signal of stopSignals) process.on(signal, stop);
    let said = '';
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => {
      said += text;
    });
    child.on('error', fail);
    child.on('close', (code, signal) => {
      for (const each of stopSignals) process.off(each, stop);
      if (stoppedBy) fail(new CliError(`stopped by ${stoppedBy}`, 130));
      else if (code === 0) done();
      else if (signal) fail(new NotebookFailure(`nbconvert was ended by ${signal}`));
      else fail(new NotebookFailure(failureOf(said)));
    });
  });
}
