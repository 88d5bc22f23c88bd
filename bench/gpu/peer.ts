/** PyTorch on the same device, in a process of its own. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { isBundle, root } from '#setup/places.mjs';
import { howToInstall } from '../shared/peers.js';

/** Times by case; `about` says what ran. */
export interface PeerTimes {
  readonly about: string;
  readonly ms: ReadonlyMap<string, number>;
}

/** Runs `bench/peers/torch_gpu.py` as {@link peerTimes} does. */
export function torchGpu(python: string, args: readonly string[]): PeerTimes | undefined {
  return peerTimes('torch_gpu.py', python, args);
}

/**
 * Runs a script of `bench/peers` with `python`. A peer that fails is none, with its reason on the standard
 * error.
 */
export function peerTimes(
  name: string,
  python: string,
  args: readonly string[],
): PeerTimes | undefined {
  if (isBundle) {
    process.stderr.write(`no peer: ${howToInstall('transformers')}\n`);
    return undefined;
  }
  const script = join(root, 'bench', 'peers', name);
  const { status, stdout, stderr, error } = spawnSync(python, [script, ...args], {
    encoding: 'utf8',
    timeout: 10 * 60_000,
  });
  if (status !== 0) {
    process.stderr.write(`no peer: ${error?.message ?? stderr.slice(-1000)}\n`);
    return undefined;
  }
  const lines = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map(
      (line) => JSON.parse(line) as { case: string; ms?: number; error?: string; about: string },
    );
  for (const line of lines.filter((l) => l.error)) {
    process.stderr.write(`no peer for ${line.case}: ${line.error}\n`);
  }
  const ms = new Map(lines.flatMap((l) => (l.ms === undefined ? [] : [[l.case, l.ms] as const])));
  return { about: lines[0]?.about ?? 'PyTorch', ms };
}
