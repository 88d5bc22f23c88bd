import { spawn } from 'node:child_process';

/**
 * Runs a command line in the shell; what it prints is the cell's output.
 *
 * @param signal Ends the command when the cell is interrupted.
 * @throws Error when the command fails.
 */
export function shell(commandLine: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(commandLine, {
      shell: true,
      stdio: ['ignore', 'inherit', 'inherit'],
      signal,
    });
    child.on('error', reject);
    child.on('close', (code, ended) => {
      if (code === 0) resolve();
      else reject(new Error(`the command ended with ${ended ?? `exit code ${code}`}`));
    });
  });
}
