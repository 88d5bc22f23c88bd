/** The recurrences in PyTorch's plain operations, where `bench/peers/install.mjs` has installed it. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { localFolder, root, venvIn } from '#setup/places.mjs';

/** A peer's time. */
export interface TorchRow {
  name: string;
  ms: number;
}

/** Times of `bench/peers/torch_scan.py`; none where PyTorch is not installed. */
export function torchScans(threads: number): TorchRow[] {
  const python = venvIn(join(localFolder, 'peers'))('python');
  if (!existsSync(python)) return [];
  const script = join(root, 'bench', 'peers', 'torch_scan.py');
  const { status, stdout, stderr } = spawnSync(python, [script, String(threads)], {
    encoding: 'utf8',
    timeout: 10 * 60_000,
  });
  if (status !== 0) throw new Error(`torch_scan.py ended with ${status}: ${stderr.slice(-2000)}`);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as TorchRow);
}
