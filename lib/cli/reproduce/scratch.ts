/** `--from-scratch`: the mini world's models, trained in processes of their own, whose memory ends with them. */
import type { Io } from '../command.js';
import { interruptible } from '../interrupt.js';
import { describeManifest } from '../world/describe.js';
import { defaultWorldJobs, trainSideBySide } from '../world/side-by-side.js';

/** What is passed on. */
export interface ScratchOptions {
  readonly seed?: number;
  readonly device?: string;
  readonly jobs?: number;
  readonly json?: boolean;
}

/**
 * Trains the world into a folder, or what is missing of it.
 * @throws CliError where the training was stopped or failed; the same command goes on
 */
export async function trainFromScratch(
  io: Io,
  folder: string,
  { seed = 1, device, jobs = defaultWorldJobs(device), json = false }: ScratchOptions,
): Promise<void> {
  await interruptible(`saved in ${folder}; the same command goes on from here`, (signal) =>
    trainSideBySide({
      out: folder,
      seed,
      share: 1,
      jobs,
      ...(device !== undefined && { device }),
      err: io.out,
      quiet: json,
      signal,
      onModel: (manifest, made, status) => status.say(describeManifest(manifest, made)),
    }),
  );
}
