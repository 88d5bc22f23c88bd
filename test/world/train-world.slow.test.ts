/** A hundredth of the mini world, trained from nothing: every recipe runs, and a stopped training goes on. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { init } from '../../lib/backend/index.js';
import { trainWorld, type WorldManifest, worldModels } from '../../lib/world/index.js';

let folder: string;
beforeEach(() => {
  init();
  folder = mkdtempSync(join(tmpdir(), 'world-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const SHARE = 0.0015;
const SMALL = worldModels.filter(({ size }) => size === 'small').map(({ name }) => name);

it('trains every small model, and takes what is there', async () => {
  const made: string[] = [];
  const train = () =>
    trainWorld({
      folder,
      seed: 4,
      share: SHARE,
      only: SMALL,
      onModel: ({ name }, isNew) => isNew && made.push(name),
    });
  const first = await train();
  expect(made).toEqual(SMALL);
  for (const { name, steps, loss, parents } of first) {
    expect(steps).toBe(
      Math.max(4, Math.round((worldModels.find((m) => m.name === name)?.steps ?? 0) * SHARE)),
    );
    expect(loss.every(Number.isFinite)).toBe(true);
    for (const [parent, sha256] of Object.entries(parents)) {
      expect(first.find((m) => m.name === parent)?.sha256).toBe(sha256);
    }
  }
  const second = await train();
  expect(made).toEqual(SMALL);
  expect(second).toEqual(first);
});

it('goes on where it was stopped, to the same weights', async () => {
  const only = ['small-teacher'];
  const options = { seed: 5, share: 0.004, only };
  const whole = (await trainWorld({ ...options, folder: join(folder, 'a') }))[0] as WorldManifest;
  const stop = new AbortController();
  const stopped = trainWorld({
    ...options,
    folder: join(folder, 'b'),
    signal: stop.signal,
    onStep: (_, { step }) => step === 3 && stop.abort(new Error('stopped')),
  });
  await expect(stopped).rejects.toThrow('stopped');
  const [resumed] = await trainWorld({ ...options, folder: join(folder, 'b') });
  expect(resumed?.sha256).toBe(whole.sha256);
  const weights = (name: string) =>
    readFileSync(join(folder, name, 'small-teacher', 'model.safetensors'));
  expect(weights('a').equals(weights('b'))).toBe(true);
});

it('says which model is missing, or unknown', async () => {
  await expect(trainWorld({ folder, seed: 1, only: ['small-llamba'] })).rejects.toThrow(
    /expected the model small-llamba-2, which is made before/,
  );
  await expect(trainWorld({ folder, seed: 1, only: ['tiny'] })).rejects.toThrow(/no model tiny/);
  await expect(trainWorld({ folder, seed: 1, share: 2 })).rejects.toThrow(/share: expected/);
});
