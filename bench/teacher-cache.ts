/**
 * A student of the shipped mini teacher, trained on its logits as they are and on caches of their k likeliest:
 * what the cut costs in loss, accuracy and bytes. Not a race: nothing is timed but the whole of a line.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { root } from '#setup/places.mjs';
import { init } from '../lib/backend/index.js';
import { type Batch, BatchRoom } from '../lib/distill/batch.js';
import * as distill from '../lib/distill/index.js';
import { headOf } from '../lib/distill/objectives.js';
import * as models from '../lib/models/index.js';
import { World } from './distillation/world.js';
import { ArgumentError, program, whole } from './shared/program.js';

const HELP = `Usage: mambalab bench teacher-cache [options]

Distils data/mini/teacher into a hybrid that keeps two of six attention layers, on the answers to word
problems of one to three calculations: once with the teacher in each step, and once for each k on a cache of
its k likeliest tokens. A line for each: the training loss (over k + 1 outcomes on a cache), the divergence
over the whole vocabulary on held-out problems, greedy accuracy, the cache's bytes and what it loses.

  --k LIST       tokens that are kept, with commas (8,64)
  --steps N      (400)
  --batch N      rows of 256 tokens in a step (8)
  --problems N   training problems of each level (20000)
  --tests N      test problems of each level (100)
  --divergence forward | reverse  (forward)
  --seed N       (1)`;

/** Batches of test problems on which divergences are measured. */
const HELD = 8;

const round = (x: number, digits = 4) => Number(x.toPrecision(digits));

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      k: { type: 'string', default: '8,64' },
      steps: { type: 'string', default: '400' },
      batch: { type: 'string', default: '8' },
      problems: { type: 'string', default: '20000' },
      tests: { type: 'string', default: '100' },
      divergence: { type: 'string', default: 'forward' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean' },
    },
  });
  const { divergence } = values;
  if (divergence !== 'forward' && divergence !== 'reverse') {
    throw new ArgumentError(`--divergence: expected forward or reverse, got '${divergence}'`);
  }
  const ks = values.k.split(',').map((k) => whole('--k', k));
  const steps = whole('--steps', values.steps, 20);
  const seed = whole('--seed', values.seed, 0);
  init();
  const world = new World({
    problems: whole('--problems', values.problems),
    tests: whole('--tests', values.tests),
    batch: whole('--batch', values.batch),
    seed,
  });
  const teacher = models.load(join(root, 'data', 'mini', 'teacher')) as models.Llama;
  const held = await heldOut(world);
  const folder = mkdtempSync(join(tmpdir(), 'mambalab-teacher-cache-'));
  const data = () => world.data('answer', 1);
  const { wsd } = distill.schedules;

  async function line(name: string, teacherLogits: distill.TeacherLogits, more: object) {
    const started = performance.now();
    const log = () => {};
    const spec = { family: 'mamba-in-llama', attentionLayers: [1, 4], seed, log } as const;
    const student = models.convert(teacher, spec);
    const [result] = await distill.mambaInLlama(teacher, student, {
      steps,
      data: data(),
      learningRate: wsd({ peak: 2e-3, steps, warmup: 0.1, decay: 0.2 }),
      divergence: divergence as 'forward',
      teacherLogits,
    });
    const metrics = (result as distill.TrainingResult).metrics;
    const last = metrics.slice(-20).map(({ loss }) => loss);
    const said = {
      name,
      seconds: round((performance.now() - started) / 1e3, 3),
      loss: [round(metrics[0]?.loss as number), round(last.reduce((a, b) => a + b) / last.length)],
      heldOut: round(apart(student, teacher, held)),
      accuracy: await world.accuracy(student),
      ...more,
    };
    process.stdout.write(`${JSON.stringify(said)}\n`);
    student.dispose();
  }

  try {
    await line('live', 'live', {});
    for (const k of ks) {
      const cache = join(folder, `top-${k}`);
      const started = performance.now();
      const manifest = await distill.cacheTeacherLogits(teacher, data(), {
        k,
        folder: cache,
        steps,
      });
      const { bytes, positions, lost } = manifest;
      const cachingSeconds = round((performance.now() - started) / 1e3, 3);
      await line(`top ${k}`, { cache }, { cachingSeconds, bytes, positions, lost });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
    teacher.dispose();
  }
}

/** Batches of solved test problems. */
async function heldOut(world: World): Promise<Batch[]> {
  const source = world.testData('answer');
  const batches: Batch[] = [];
  while (batches.length < HELD) batches.push(await source.next());
  return batches;
}

/** The mean forward divergence over the whole vocabulary, in nats. */
function apart(student: models.Model, teacher: models.Model, batches: readonly Batch[]): number {
  const values = batches.map((batch) => {
    const room = new BatchRoom(batch.batch, batch.length);
    try {
      room.write(batch, 0);
      const { tensors } = room;
      return tf.tidy(() => {
        const heads = { student: headOf(student, tensors), teacher: headOf(teacher, tensors) };
        return distill.losses.forwardKL({ ...heads, mask: tensors.mask }).dataSync()[0] as number;
      });
    } finally {
      room.dispose();
    }
  });
  return values.reduce((a, b) => a + b) / values.length;
}

await program('teacher-cache', HELP, main);
