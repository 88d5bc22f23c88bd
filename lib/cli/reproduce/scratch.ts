/** `--from-scratch`: the mini world's models trained in a process of their own, whose memory ends with it. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from '#setup/places.mjs';
import { CliError } from '../command.js';

/** What is passed on. */
export interface ScratchOptions {
  readonly seed?: number;
  readonly device?: string;
  readonly json?: boolean;
}

/**
 * Trains the world into a folder, or what is missing of it.
 * @throws CliError where the training was stopped or failed; the same command goes on
 */
export async function trainFromScratch(
  folder: string,
  { seed, device, json = false }: ScratchOptions,
): Promise<void> {
  const program = join(root, 'dist', 'lib', 'cli', 'main.js');
  const args = ['world', '--out', folder, ...(seed === undefined ? [] : ['--seed', `${seed}`])];
  const env = { ...process.env, ...(device !== undefined && { MAMBALAB_DEVICE: device }) };
  await new Promise<void>((done, fail) => {
    const child = spawn(process.execPath, [program, ...args], {
      env,
      stdio: ['ignore', json ? 'ignore' : 'inherit', 'inherit'],
    });
    child.on('error', fail);
    child.on('close', (code) => {
      if (code === 0) done();
      else fail(new CliError('--from-scratch: the models were not all trained', code ?? 1));
    });
  });
}
