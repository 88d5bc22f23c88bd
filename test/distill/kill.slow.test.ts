import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readMetrics } from '../../lib/distill/index.js';
import { folderWith } from '../data/temporary.js';
import { randomInts } from '../models/files/random.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const program = join(root, 'dist/lib/cli/main.js');
const KILLS = 10;
const STEPS = 300;

function config(folder: string): string {
  const path = join(folder, 'config.json');
  const made = {
    recipe: 'llama',
    tokenizer: join(root, 'data/mini/tokenizer'),
    seed: 3,
    model: { dModel: 64, nLayers: 3, nHeads: 4, nKvHeads: 2, dMlp: 160 },
    steps: STEPS,
    learningRate: { kind: 'wsd', peak: 3e-3, warmup: 0.1, decay: 0.2 },
    data: { sources: [{ task: 'stories', problems: 400 }], length: 192, batch: 4, seed: 5 },
    run: { folder: join(folder, 'run'), saveEvery: 20 },
  };
  writeFileSync(path, JSON.stringify(made));
  return path;
}

interface Ended {
  code: number | null;
  said: string;
}

function start(path: string) {
  const child = spawn(process.execPath, [program, 'train', path, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: Buffer[] = [];
  child.stderr.on('data', (data: Buffer) => said.push(data));
  child.stdout.resume();
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code) => resolve({ code, said: Buffer.concat(said).toString() }));
  });
  return { child, ended };
}

const steps = (folder: string) =>
  readMetrics(join(folder, 'run', 'metrics.jsonl')).at(-1)?.step ?? 0;

/** Ends the run with a signal once it has made so many steps; whether it was still going on. */
async function endAt(path: string, folder: string, step: number, signal: NodeJS.Signals) {
  const { child, ended } = start(path);
  let over: Ended | undefined;
  void ended.then((end) => {
    over = end;
  });
  while (!over && steps(folder) < step) await sleep(2);
  child.kill(signal);
  return await ended;
}

const weights = (folder: string) =>
  createHash('sha256')
    .update(readFileSync(join(folder, 'run', 'model', 'model.safetensors')))
    .digest('hex');

const losses = (folder: string) =>
  readMetrics(join(folder, 'run', 'metrics.jsonl')).map(({ step, loss }) => [step, loss]);

describe('a training that is killed', () => {
  it(`${KILLS} times ends with the weights of one that is not, bit for bit`, async () => {
    const plain = folderWith();
    expect(await start(config(plain)).ended).toEqual({ code: 0, said: expect.any(String) });
    const folder = folderWith();
    const path = config(folder);
    const random = randomInts(11);
    const part = STEPS / KILLS;
    for (let i = 0; i < KILLS; i++) {
      // Steps since the last checkpoint are lost, so the next kill may come before the last one's step.
      await endAt(path, folder, Math.max(1, Math.floor(i * part) + random(part)), 'SIGKILL');
      expect(existsSync(join(folder, 'run', 'model'))).toBe(false);
    }
    expect((await start(path).ended).code).toBe(0);
    expect(losses(folder)).toEqual(losses(plain));
    expect(weights(folder)).toBe(weights(plain));
  });

  it('politely saves, says how to go on, and goes on', async () => {
    const folder = folderWith();
    const path = config(folder);
    const { code, said } = await endAt(path, folder, 33, 'SIGINT');
    expect(code).toBe(130);
    expect(said).toMatch(/interrupted; saved in .*run; the same command goes on from here/);
    const made = steps(folder);
    expect(
      existsSync(join(folder, 'run', 'checkpoints', `step-${String(made).padStart(8, '0')}`)),
    ).toBe(true);
    expect((await start(path).ended).code).toBe(0);
    expect(steps(folder)).toBe(STEPS);
  });
});
