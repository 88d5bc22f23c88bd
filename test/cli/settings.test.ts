import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { settingsOf, worldIn } from '../../lib/cli/reproduce/settings.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'settings-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** A world of one model with these weights' hash. */
function world(name: string, sha256: string): string {
  const model = join(folder, name, 'small-teacher');
  mkdirSync(model, { recursive: true });
  writeFileSync(join(model, 'model.safetensors'), '');
  writeFileSync(join(model, 'manifest.json'), JSON.stringify({ sha256 }));
  return join(folder, name);
}

it('settings are part of what results depend on, and reach the notebooks', () => {
  const plain = settingsOf({ scale: 'mini', out: folder });
  const seeded = settingsOf({ scale: 'mini', out: folder, seed: 2, samples: 8 });
  expect(plain.key).toBe('mini');
  expect(seeded.key).not.toBe(plain.key);
  expect(seeded.environment).toMatchObject({ MAMBALAB_SEED: '2', MAMBALAB_SAMPLES: '8' });
  expect(plain.environment).toEqual({
    MAMBALAB_SCALE: 'mini',
    MAMBALAB_RUNS: join(folder, 'runs'),
  });
});

it('results depend on the models of another world, not on where it lies', () => {
  vi.stubEnv('MAMBALAB_WORLD', world('a', 'one'));
  const a = settingsOf({ scale: 'mini', out: folder });
  expect(a.environment.MAMBALAB_WORLD).toBe(join(folder, 'a'));
  vi.stubEnv('MAMBALAB_WORLD', world('b', 'one'));
  expect(settingsOf({ scale: 'mini', out: folder }).key).toBe(a.key);
  vi.stubEnv('MAMBALAB_WORLD', world('b', 'two'));
  expect(settingsOf({ scale: 'mini', out: folder }).key).not.toBe(a.key);
  const own = settingsOf({ scale: 'mini', out: folder, fromScratch: true });
  expect(own.environment.MAMBALAB_WORLD).toBe(worldIn(folder));
});
