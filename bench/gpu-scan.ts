/** The scans of state-space layers on a GPU, forward and with their gradients. */
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '../lib/layers/index.js';
import { type Gpu, normal, openGpu, replayMs } from './gpu/device.js';
import { print } from './gpu/line.js';
import { type PeerTimes, torchGpu } from './gpu/peer.js';
import { program } from './shared/program.js';

const HELP = `Usage: mambalab bench gpu-scan [options]

Times the selective scan and the SSD on a GPU in float32, forward and forward with gradients of every input,
beside the time that moving inputs and outputs once takes (with gradients: three times that). The peer is the
SSD of state-spaces/mamba in bfloat16, where MAMBA_SRC names a checkout and --python a Python with Triton.

  --python PATH  the peer's Python (none: no peer)`;

interface Case {
  readonly name: string;
  readonly batch: number;
  readonly length: number;
  /** What one forward run reads and writes. */
  readonly bytes: number;
  inputs(): Record<string, tf.Tensor>;
  forward(inputs: Record<string, tf.Tensor>): tf.Tensor;
}

const SEQUENCES = [
  [4, 2048],
  [1, 8192],
  [8, 512],
] as const;

const negative = (...shape: number[]) => tf.randomUniform(shape, -1.1, -0.1, 'float32', 7);

function scan(batch: number, length: number, d: number, n: number, groups: number): Case {
  return {
    name: `selective scan D ${d}, N ${n}, ${groups} groups`,
    batch,
    length,
    bytes: 4 * batch * length * (4 * d + 2 * groups * n),
    inputs: () => ({
      u: normal(batch, length, d),
      delta: tf.sub(normal(batch, length, d), 4),
      A: negative(d, n),
      B: normal(batch, length, groups, n),
      C: normal(batch, length, groups, n),
      D: normal(d),
      z: normal(batch, length, d),
    }),
    forward: (t) => layers.selectiveScan({ ...t, deltaSoftplus: true } as never).y,
  };
}

function ssd(batch: number, length: number, h: number, p: number, n: number): Case {
  return {
    name: `SSD H ${h}, P ${p}, N ${n}`,
    batch,
    length,
    bytes: 4 * batch * length * h * (2 * p + 2 * n + 1),
    inputs: () => ({
      x: normal(batch, length, h, p),
      dt: tf.sub(normal(batch, length, h), 4),
      A: negative(h),
      B: normal(batch, length, h, n),
      C: normal(batch, length, h, n),
    }),
    forward: (t) => layers.ssd({ ...t, dtSoftplus: true } as never).y,
  };
}

function measure(c: Case, gpu: Gpu, peer: PeerTimes | undefined): void {
  const inputs = tf.tidy(() => c.inputs());
  const names = Object.keys(inputs);
  const floorMs = (1e3 * c.bytes) / gpu.bytesPerSecond;
  const say = (bench: string, ms: number, times: number) => {
    const peerMs = peer?.ms.get(`${bench} ${c.name} ${c.batch} ${c.length}`);
    print({
      bench,
      model: c.name,
      precision: 'float32',
      batch: c.batch,
      context: c.length,
      ms,
      floorMs: times * floorMs,
      ...(peer && peerMs !== undefined && { peer: peer.about, peerMs }),
      device: gpu.name,
    });
  };
  try {
    say(
      'scan forward',
      replayMs(() => [c.forward(inputs)]),
      1,
    );
    const dy = tf.tidy(() => normal(...c.forward(inputs).shape));
    const gradients = tf.grads((...some: tf.Tensor[]) =>
      c.forward(Object.fromEntries(names.map((name, i) => [name, some[i] as tf.Tensor]))),
    );
    say(
      'scan forward and backward',
      replayMs(() => gradients(Object.values(inputs), dy)),
      3,
    );
    dy.dispose();
  } finally {
    tf.dispose(inputs);
  }
}

function main(args: string[]): void {
  const { values } = parseArgs({ args, options: { python: { type: 'string' } } });
  // Before the device's memory is taken.
  const peer = values.python === undefined ? undefined : torchGpu(values.python, ['scan']);
  const gpu = openGpu();
  for (const [b, l] of SEQUENCES) {
    for (const d of [2048, 3072]) {
      measure(scan(b, l, d, 16, 1), gpu, undefined);
    }
    measure(scan(b, l, 2048, 16, 128), gpu, undefined);
    measure(ssd(b, l, 32, 64, 64), gpu, peer);
    measure(ssd(b, l, 24, 128, 128), gpu, peer);
  }
}

await program('gpu-scan', HELP, main);
