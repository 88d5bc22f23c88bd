/** A decode step on a GPU, by model and batch. */
import { parseArgs } from 'node:util';
import { inferenceTime } from '../lib/generate/index.js';
import { modelOf } from './decode/inference.js';
import { openGpu, ratesOf } from './gpu/device.js';
import { print, printOutOfMemory } from './gpu/line.js';
import { torchGpu } from './gpu/peer.js';
import { program, statePrecision, whole, wholeOrDefault } from './shared/program.js';

const HELP = `Usage: mambalab bench gpu-decode [options]

Times a decode step, drawing tokens included, of models with random bfloat16 weights, beside the longer of two
limits: the step's bytes at the rate of a copy, its operations at the rate of a product of 8192^3. The peer is
PyTorch's compiled step as one CUDA graph, bfloat16 throughout; it has the Llamas.

  --models A,B   names and files as of bench decode (smollm2-135m and its students)
  --batch N,M    (64,256,1024)
  --context N    tokens that every row has seen (512)
  --new N        steps (16)
  --state-precision P  caches and states in f32 or bf16 (f32)
  --room N       tokens that every row has room for (context and steps)
  --python PATH  the peer's Python (none: no peer)`;

const NAMES = { f32: 'float32', bf16: 'bfloat16' };

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      models: { type: 'string', default: 'smollm2-135m,smollm2-135m:hybrid,smollm2-135m:llamba' },
      batch: { type: 'string', default: '64,256,1024' },
      context: { type: 'string', default: '512' },
      new: { type: 'string', default: '16' },
      'state-precision': { type: 'string', default: 'f32' },
      room: { type: 'string' },
      python: { type: 'string' },
    },
  });
  const models = values.models.split(',');
  const batches = values.batch.split(',').map((n) => whole('--batch', n));
  const states = statePrecision(values['state-precision']);
  const context = whole('--context', values.context);
  const newTokens = whole('--new', values.new, 3);
  const room = wholeOrDefault('--room', values.room) ?? context + newTokens;
  const peers = models.filter((name) => /^(smollm2-135m|llama-3.2-[13]b)$/.test(name));
  const peer =
    values.python === undefined || peers.length === 0
      ? undefined
      : torchGpu(values.python, ['decode', String(context), batches.join(), peers.join()]);
  const gpu = openGpu();
  const rates = ratesOf(gpu, 'bf16');
  for (const name of models) {
    const model = modelOf(name, 'bf16', room);
    try {
      for await (const point of inferenceTime(model, {
        context,
        newTokens,
        room,
        batches,
        rates,
        statePrecision: states,
      })) {
        const about = {
          bench: 'decode step',
          model: name,
          precision: `bfloat16 weights, ${NAMES[states]} caches and states`,
          batch: point.batch,
          context,
          device: gpu.name,
        };
        if (point.outOfMemory) {
          printOutOfMemory({ ...about, outOfMemory: point.reason });
          continue;
        }
        const { batch, stepMs, floor } = point;
        const peerMs = peer?.ms.get(`${name} ${batch}`);
        print({
          ...about,
          ms: stepMs,
          floorMs: Math.max(floor.arithmeticMs, floor.memoryMs),
          ...(peer && peerMs !== undefined && { peer: peer.about, peerMs }),
        });
      }
    } finally {
      model.dispose();
    }
  }
}

await program('gpu-decode', HELP, main);
