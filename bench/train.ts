/** A training step at SmolLM2's shape, beside this machine's rate of products and PyTorch. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { root } from '#setup/places.mjs';
import { PROGRAMS } from './decode/peer.js';
import { howToInstall } from './shared/peers.js';
import { ArgumentError, program, whole, wholeOrDefault } from './shared/program.js';
import { CASES } from './train/cases.js';
import type { StepLine } from './train/step.js';

const HELP = `Usage: mambalab bench train [options]

Times steps of training at SmolLM2-135M's shape: forward of the frozen teacher, forward and backward of the
student, loss over the vocabulary, clipping, AdamW; float32, no activations computed again. Each case runs in
a process of its own, which also measures a product of 1024^3; the share is that of the model's operations (2
a weight and token forward, 4 backward) at its rate. The peer is eager PyTorch on the same threads, with the
recurrences in its own operations (node bench/peers/install.mjs transformers); memory is resident at most.

  --only LIST    cases by name, with commas: ${Object.keys(CASES).join(', ')} (all)
  --batch N      rows (1)
  --length N     tokens of a row (512)
  --steps N      timed after the first two (3)
  --threads N    threads (the engine's own choice)
  --no-peer      without PyTorch
  --json         a JSON line a case`;

interface PeerLine {
  readonly ms: number;
  readonly peakBytes: number;
  readonly about: string;
}

const call = promisify(execFile);
const QUIET = { maxBuffer: 1 << 24 };

async function lastLine<T>(command: string, args: readonly string[]): Promise<T> {
  const { stdout } = await call(command, args, QUIET);
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) as string) as T;
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string', default: Object.keys(CASES).join() },
      batch: { type: 'string', default: '1' },
      length: { type: 'string', default: '512' },
      steps: { type: 'string', default: '3' },
      threads: { type: 'string' },
      'no-peer': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const names = values.only.split(',');
  for (const name of names) {
    if (!Object.hasOwn(CASES, name)) {
      throw new ArgumentError(`--only takes ${Object.keys(CASES).join(', ')}, got '${name}'`);
    }
  }
  const sizes = [
    whole('--batch', values.batch),
    whole('--length', values.length),
    whole('--steps', values.steps),
    wholeOrDefault('--threads', values.threads) ?? 0,
  ].map(String);
  const step = fileURLToPath(new URL('./train/step.js', import.meta.url));
  const torch = PROGRAMS.find(({ name }) => name === 'transformers') as (typeof PROGRAMS)[number];
  const withPeer = !values['no-peer'] && existsSync(torch.witness);
  if (!withPeer && !values['no-peer']) {
    process.stderr.write(`no peer: not installed; ${howToInstall('transformers')}\n`);
  }
  if (!values.json) console.log(`${cpus()[0]?.model}, ${values.batch} x ${values.length} tokens`);
  for (const name of names) {
    const { about, peer: hasPeer } = CASES[name] as (typeof CASES)[string];
    const own = await lastLine<StepLine>(process.execPath, [step, name, ...sizes]);
    const share = own.flops / (own.ms / 1e3) / own.flopsPerSecond;
    const peer =
      withPeer && hasPeer
        ? await lastLine<PeerLine>(torch.command, [
            join(root, 'bench', 'peers', 'torch_train.py'),
            name,
            ...sizes,
          ])
        : undefined;
    if (values.json) {
      console.log(JSON.stringify({ bench: 'train', case: name, ...own, share, peer }));
      continue;
    }
    const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
    console.log(
      `${about}: ${(own.ms / 1e3).toFixed(2)} s, ${(own.flops / own.ms / 1e6).toFixed(0)} of ` +
        `${(own.flopsPerSecond / 1e9).toFixed(0)} GFLOP/s (${(100 * share).toFixed(0)} %), ${gb(own.peakBytes)}` +
        (peer
          ? `; ${peer.about} ${(peer.ms / 1e3).toFixed(2)} s (${(peer.ms / own.ms).toFixed(2)}x ours), ${gb(peer.peakBytes)}`
          : ''),
    );
  }
}

await program('train', HELP, main);
