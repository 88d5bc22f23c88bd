/** A distillation step on a GPU: the teacher's forward, the student's forward and backward, AdamW. */
import { parseArgs } from 'node:util';
import { memory } from '../lib/backend/index.js';
import { objectives, optimizers } from '../lib/distill/index.js';
import { TrainStep } from '../lib/distill/train-step.js';
import { convert, Llama, type LlamaConfig, published } from '../lib/models/index.js';
import { openGpu } from './gpu/device.js';
import { print } from './gpu/line.js';
import { torchGpu } from './gpu/peer.js';
import { ArgumentError, program, whole } from './shared/program.js';
import { tokenBatch } from './shared/token-batch.js';

const HELP = `Usage: mambalab bench gpu-distil [options]

Times a captured step: a frozen Llama forward, its student forward and backward, reverse KL over the
vocabulary, AdamW. The limit is 8 operations a parameter and token at the rate of a float32 product. The peer
is PyTorch with compiled blocks, bfloat16 autocast over float32 weights and its fused AdamW; its Llamba needs
MAMBA_SRC, a checkout of state-spaces/mamba.

  --teacher NAME  a published Llama (smollm2-135m)
  --batch N       rows (4)
  --length N      tokens of a row (1024)
  --steps N       timed after the first two (5)
  --python PATH   the peer's Python (none: no peer)`;

function main(args: string[]): void {
  const { values } = parseArgs({
    args,
    options: {
      teacher: { type: 'string', default: 'smollm2-135m' },
      batch: { type: 'string', default: '4' },
      length: { type: 'string', default: '1024' },
      steps: { type: 'string', default: '5' },
      python: { type: 'string' },
    },
  });
  const config = (published as Record<string, { family?: string }>)[values.teacher];
  if (!config || (config.family !== undefined && config.family !== 'llama')) {
    throw new ArgumentError(`--teacher takes a published Llama, got '${values.teacher}'`);
  }
  const batch = whole('--batch', values.batch);
  const length = whole('--length', values.length);
  const steps = whole('--steps', values.steps);
  const peer =
    values.python === undefined
      ? undefined
      : torchGpu(values.python, ['distil', values.teacher, String(batch), String(length)]);
  const gpu = openGpu();
  const seeded = Object.assign(() => undefined, { seed: 5 });
  for (const kind of ['llamba', 'llama'] as const) {
    const teacher = new Llama(config as LlamaConfig, seeded);
    const student =
      kind === 'llama'
        ? new Llama(
            config as LlamaConfig,
            Object.assign(() => undefined, { seed: 6 }),
          )
        : convert(teacher, { family: 'llamba', log: () => {} });
    student.ownParameters();
    const objective = objectives.logits(student, teacher, { divergence: 'reverse' });
    const optimizer = optimizers.adamW(objective.parameters);
    const step = new TrainStep(objective, optimizer);
    const fallbacks = { ...memory().fallbacks };
    const one = () => {
      const start = performance.now();
      step.run(tokenBatch(batch, length, (config as LlamaConfig).vocabSize), 1e-5);
      return performance.now() - start;
    };
    one();
    one();
    const times = Array.from({ length: steps }, one).sort((a, b) => a - b);
    const fell = Object.entries(memory().fallbacks).filter(([op, n]) => n > (fallbacks[op] ?? 0));
    for (const [op, n] of fell)
      process.stderr.write(`${kind}: ${op} ran on the processor ${n} times\n`);
    const parameters = [...objective.parameters.values()].reduce((sum, t) => sum + t.size, 0);
    const peerMs = peer?.ms.get(kind);
    print({
      bench: 'distillation step',
      model: `${values.teacher} -> ${kind}`,
      precision: process.env.MAMBALAB_TF32 === '1' ? 'TF32 products' : 'float32',
      batch,
      context: length,
      ms: times[steps >> 1] as number,
      floorMs: (8e3 * parameters * batch * length) / gpu.f32FlopsPerSecond,
      ...(peer && peerMs !== undefined && { peer: peer.about, peerMs }),
      device: gpu.name,
    });
    step.dispose();
    optimizer.dispose();
    student.dispose();
    teacher.dispose();
  }
  process.stderr.write(`${(memory().peakBytes / 2 ** 30).toFixed(1)} GiB at most, of both\n`);
}

await program('gpu-distil', HELP, main);
