import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import type { Batch } from '../../lib/distill/batch.js';
import * as distill from '../../lib/distill/index.js';
import * as objectives from '../../lib/distill/objectives.js';
import { adamW } from '../../lib/distill/optimizers.js';
import { readManifest } from '../../lib/distill/teacher-cache/manifest.js';
import { cachedBatches } from '../../lib/distill/teacher-cache/read.js';
import { TrainStep } from '../../lib/distill/train-step.js';
import * as models from '../../lib/models/index.js';
import { tinyConfig } from '../models/tiny.js';
import { batchOf, source, VOCAB } from './source.js';

beforeAll(() => void backend.init({ threads: 2 }));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mambalab-cache-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const teacherOf = (seed = 5) =>
  new models.Llama(
    tinyConfig,
    Object.assign(() => undefined, { seed }),
  );
const llambaOf = (teacher: models.Llama) =>
  models.convert(teacher, { family: 'llamba', log: () => {} });
const hybridOf = (teacher: models.Llama) =>
  models.convert(teacher, { family: 'mamba-in-llama', attentionLayers: [1], log: () => {} });

const learningRate = distill.schedules.constant(2e-3);
const at = (name: string) => join(folder, name);

function hashOf(model: models.Model): string {
  const hash = createHash('sha256');
  for (const t of model.parameters().values()) hash.update(t.dataSync() as Float32Array);
  return hash.digest('hex');
}

type Options = Partial<distill.TeacherCacheOptions>;
const cache = (teacher: models.Model, options: Options = {}, data = source()) =>
  distill.cacheTeacherLogits(teacher, data, { k: 8, folder: at('cache'), steps: 10, ...options });

const contents = (path: string) =>
  Object.fromEntries(
    readdirSync(path)
      .sort()
      .map((name) => [name, readFileSync(join(path, name)).toString('hex')]),
  );

describe('a cache', () => {
  it('says what it is and what it loses', async () => {
    const teacher = teacherOf();
    const seen: number[] = [];
    const manifest = await cache(teacher, {
      saveEvery: 4,
      temperature: 2,
      identity: { data: 'made' },
      onBatch: (done) => seen.push(done),
    });
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(readManifest(at('cache'))).toEqual(manifest);
    expect(manifest).toMatchObject({ k: 8, temperature: 2, vocabSize: VOCAB, batches: 10 });
    expect(manifest.data).toEqual({ identity: { data: 'made' }, start: { index: 0 } });
    expect(manifest.teacher.fingerprint).toBe(teacher.fingerprint());
    expect(manifest.shards.map(({ batches }) => batches)).toEqual([4, 4, 2]);
    expect(manifest.bytes).toBe(4 * (2 * 8 + 1) * manifest.positions);

    let [positions, mass, truncation, rest] = [0, 0, 0, 0];
    for (let i = 0; i < 10; i++) {
      const batch = batchOf(i % 8);
      const { tokens, resets } = {
        tokens: tf.tensor2d(batch.tokens, [4, 12], 'int32'),
        resets: tf.tensor2d(batch.resets, [4, 12], 'int32'),
      };
      const hidden = tf.reshape(teacher.read(tokens, { resets }), [48, tinyConfig.dModel]);
      const logits = tf.matMul(hidden, teacher.headWeight, false, true).arraySync() as number[][];
      for (const [j, row] of logits.entries()) {
        if (batch.mask[j] === 0) continue;
        const p = row.map((x) => Math.exp(x / 2));
        const sum = p.reduce((a, b) => a + b);
        const others = p
          .map((x) => x / sum)
          .sort((a, b) => b - a)
          .slice(8);
        const left = others.reduce((a, b) => a + b);
        positions++;
        mass += left;
        truncation -= Math.log(1 - left);
        rest += others.reduce((s, x) => s + x * Math.log((x * (VOCAB - 8)) / left), 0);
      }
    }
    expect(manifest.positions).toBe(positions);
    expect(manifest.lost.mass / (mass / positions)).toBeCloseTo(1, 5);
    expect(manifest.lost.truncationKL / (truncation / positions)).toBeCloseTo(1, 5);
    expect(manifest.lost.restKL / (rest / positions)).toBeCloseTo(1, 3);
  });

  it('that was stopped goes on, and has the bytes of one that was not', async () => {
    const teacher = teacherOf();
    await cache(teacher, { folder: at('plain'), saveEvery: 3 });
    const controller = new AbortController();
    const onBatch = (done: number) => {
      if (done === 3) controller.abort(new Error('stopped here'));
    };
    const { signal } = controller;
    const first = cache(teacher, { saveEvery: 3, signal, onBatch });
    await expect(first).rejects.toThrow('stopped here');
    // What a kill leaves: a part of a file, and a shard that the manifest does not name.
    writeFileSync(at('cache/shard-00001.bin.new-1'), 'abc');
    writeFileSync(at('cache/shard-00001.bin'), 'abc');
    const data = source();
    await cache(teacher, { saveEvery: 3 }, data);
    expect(data.given).toEqual([3, 4, 5, 6, 7, 8, 9]);
    expect(contents(at('cache'))).toEqual(contents(at('plain')));
    const again = source();
    await cache(teacher, {}, again);
    expect(again.given).toEqual([]);
    expect((await cache(teacher, { steps: 12 })).batches).toBe(12);
  });

  it('of something else, or in use, is left alone', async () => {
    const teacher = teacherOf();
    await cache(teacher, { steps: 2 });
    await expect(cache(teacher, { k: 4 })).rejects.toThrow(
      /cache holds another cache.*k: 8 there, 4 asked for/,
    );
    await expect(cache(teacherOf(6))).rejects.toThrow(/teacher\.fingerprint: .* asked for/);
    const running = cache(teacher);
    await expect(cache(teacher)).rejects.toThrow(/process \d+ is writing it/);
    await running;
  });

  it.each([
    [{ k: 0 }, 'k must be a positive integer, got 0'],
    [{ k: 98 }, 'k is 98, the vocabulary has 97 tokens'],
    [{ steps: 1.5 }, 'steps must be a positive integer, got 1.5'],
    [{ temperature: 0 }, 'temperature must be a positive number, got 0'],
  ])('is not made of %j', async (options, message) => {
    await expect(cache(teacherOf(), options)).rejects.toThrow(message);
  });

  it('is not made of logits that are not finite', async () => {
    const teacher = teacherOf();
    teacher.ownParameters();
    const weight = teacher.parameters().get('norm.weight') as tf.Tensor;
    backend.assign(weight, new Float32Array(weight.size).fill(Number.NaN));
    await expect(cache(teacher)).rejects.toThrow(
      "batch 1 (batch 0): the teacher's logits are not finite",
    );
  });
});

describe('training on a cache', () => {
  const losses = (results: readonly distill.TrainingResult[]) =>
    results.flatMap(({ metrics }) => metrics.map(({ loss }) => loss));
  const cached = { teacherLogits: { cache: '' } };
  beforeEach(() => {
    cached.teacherLogits.cache = at('cache');
  });

  it.each(['forward', 'reverse'] as const)(
    'of the whole vocabulary is training on the teacher: %s KL',
    async (divergence) => {
      const teacher = teacherOf();
      await cache(teacher, { k: VOCAB });
      const run = (more: object) =>
        distill.mambaInLlama(teacher, hybridOf(teacher), {
          ...{ steps: 10, data: source(), learningRate, divergence },
          ...more,
        });
      const live = losses(await run({}));
      losses(await run(cached)).forEach((loss, i) => {
        expect(Math.abs(loss - (live[i] as number))).toBeLessThan(1e-5);
      });
      const stage = { steps: 10, data: source(), learningRate, divergence, temperature: 1 };
      const third = async (more: object) => {
        const stages = { logits: { ...stage, data: source(), ...more } };
        const { logits } = await distill.mohawk(teacher, llambaOf(teacher), { stages });
        return losses([logits as distill.TrainingResult]);
      };
      const want = await third({});
      (await third(cached)).forEach((loss, i) => {
        expect(Math.abs(loss - (want[i] as number))).toBeLessThan(1e-5);
      });
    },
  );

  it('of fewer tokens falls, in rounds too, with the cross-entropy of the data beside it', async () => {
    const teacher = teacherOf();
    await cache(teacher, { temperature: 2 }, source(1));
    const results = await distill.mambaInLlama(teacher, hybridOf(teacher), {
      ...{ steps: 10, data: source(1), learningRate, divergence: 'forward', temperature: 2 },
      ...{ rounds: 2, ceWeight: 0.1, ...cached },
    });
    const fell = losses(results);
    expect(fell).toHaveLength(10);
    expect(fell[4]).toBeLessThan(fell[0] as number);
    expect(fell[9]).toBeLessThan(fell[5] as number);
  });

  it('goes on bit for bit, and not on the teacher', async () => {
    const teacher = teacherOf();
    await cache(teacher, { saveEvery: 3 });
    const run = (name: string, more: object, student = hybridOf(teacher)) =>
      distill
        .mambaInLlama(teacher, student, {
          ...{ steps: 10, data: source(), learningRate, run: { folder: at(name) } },
          ...cached,
          ...more,
        })
        .then(() => hashOf(student));
    const controller = new AbortController();
    const onStep = ({ step }: distill.StepMetrics) => {
      if (step === 4) controller.abort(new Error('stopped here'));
    };
    const stopped = run('run', { signal: controller.signal, onStep });
    await expect(stopped).rejects.toThrow('stopped here');
    await expect(run('run', { teacherLogits: 'live' })).rejects.toThrow(
      /teacherLogits: \{"k":8.* there, nothing asked for/,
    );
    expect(await run('run', {})).toBe(await run('plain', {}));
  });

  it('captured steps are those from JavaScript; micro-batches make the steps of the batch', async () => {
    const teacher = teacherOf();
    const manifest = await cache(teacher);
    const train = async (options: { accumulate?: number; eager?: boolean }) => {
      const student = llambaOf(teacher);
      student.ownParameters();
      const objective = objectives.logits(student, 'cached', { divergence: 'reverse' });
      const optimizer = adamW(objective.parameters);
      const step = new TrainStep(objective, optimizer, options);
      const data = cachedBatches(source(), at('cache'), manifest);
      const results = [];
      for (let i = 0; i < 10; i++) results.push(step.run(await data.next(), 3e-3));
      const hash = hashOf(student);
      step.dispose();
      optimizer.dispose();
      return { results, hash };
    };
    const captured = await train({});
    expect(await train({ eager: true })).toEqual(captured);
    const parts = await train({ accumulate: 2 });
    captured.results.forEach(({ loss }, i) => {
      expect(parts.results[i]?.loss).toBeCloseTo(loss, 4);
    });
  });

  it('leaves no tensor behind', async () => {
    const teacher = teacherOf();
    const manifest = await cache(teacher);
    const { numTensors } = tf.memory();
    await cache(teacher, { steps: 12 });
    expect(tf.memory().numTensors).toBe(numTensors);
    const student = llambaOf(teacher);
    student.ownParameters();
    const objective = objectives.logits(student, 'cached', { divergence: 'forward' });
    const optimizer = adamW(objective.parameters);
    const before = tf.memory().numTensors;
    const step = new TrainStep(objective, optimizer);
    const data = cachedBatches(source(), at('cache'), manifest);
    for (let i = 0; i < 3; i++) step.run(await data.next(), 1e-3);
    step.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  describe('refuses', () => {
    const run = (teacher: models.Llama, more: object = {}, data = source()) =>
      distill.mambaInLlama(teacher, hybridOf(teacher), {
        ...{ steps: 10, data, learningRate },
        ...cached,
        ...more,
      });

    it('another teacher, temperature, or more steps, all at once', async () => {
      await cache(teacherOf());
      await expect(run(teacherOf(6), { temperature: 2, steps: 11 })).rejects.toThrow(
        /cache: the cached teacher logits do not fit: teacher: .*; temperature: 1 there, 2 asked for; batches: 10 there, 11 steps asked for/,
      );
      const other = { teacherLogits: { cache: at('none') } };
      await expect(run(teacherOf(), other)).rejects.toThrow(/none\/manifest\.json: expected the/);
    });

    it('batches that are not the cached ones, naming what differs', async () => {
      const teacher = teacherOf();
      await cache(teacher);
      const changed = (change: (batch: Batch) => Batch) =>
        run(
          teacher,
          {},
          source(8, (batch, i) => (i === 1 ? change(batch) : batch)),
        );
      await expect(changed((b) => ({ ...b, mask: b.mask.map(() => 1) }))).rejects.toThrow(
        /batch 2 of the data is not the cached one: mask differ; of the documents batch 1$/,
      );
      await expect(changed(() => batchOf(5))).rejects.toThrow(
        /tokens, labels differ; documents batch 1 there, batch 5 here; it is batch 6 of the cache/,
      );
      await expect(changed(() => batchOf(1, 2))).rejects.toThrow(
        /4 rows of 12 tokens there, 2 rows of 12 tokens here/,
      );
    });

    it('files that are altered, cut short or gone', async () => {
      const teacher = teacherOf();
      await cache(teacher);
      const shard = at('cache/shard-00000.bin');
      const whole = readFileSync(shard);
      writeFileSync(shard, whole.subarray(4));
      await expect(run(teacher)).rejects.toThrow(/shard-00000\.bin: \d+ bytes expected, got \d+/);
      whole[100] = (whole[100] as number) ^ 1;
      writeFileSync(shard, whole);
      await expect(run(teacher)).rejects.toThrow(/shard-00000\.bin: expected SHA-256 .* found/);
      rmSync(shard);
      await expect(run(teacher)).rejects.toThrow(/shard-00000\.bin: the manifest names it/);
      await expect(cache(teacher)).rejects.toThrow(/shard-00000\.bin: the manifest names it/);
      writeFileSync(at('cache/manifest.json'), '{"k": -1}');
      await expect(run(teacher)).rejects.toThrow(/manifest\.json: format: .*; k: Too small/);
    });
  });
});
