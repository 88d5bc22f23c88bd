/** The models that ship: there, whole, and what their manifests say. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '#setup/places.mjs';
import { init } from '../../lib/backend/index.js';
import { load } from '../../lib/models/index.js';
import { readWorldManifest, worldModel, worldModels } from '../../lib/world/index.js';

const folder = join(root, 'data', 'mini', 'models');
const onTheWay = ['large-llamba-1', 'large-llamba-2'];
const shipped = worldModels.filter(({ name }) => !onTheWay.includes(name));
const hashOf = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

describe('the mini world that ships', () => {
  it('has every model but those on the way, and no other', () => {
    expect(readdirSync(folder).sort()).toEqual(shipped.map(({ name }) => name).sort());
  });

  it.each(shipped.map((model) => [model.name, model] as const))(
    '%s is as its manifest says',
    (name, model) => {
      const manifest = readWorldManifest(join(folder, name));
      expect(manifest).toMatchObject({ name, recipe: model.recipe, steps: model.steps, seed: 1 });
      expect(manifest?.from).toBe(model.from ?? null);
      expect(hashOf(join(folder, name, 'model.safetensors'))).toBe(manifest?.sha256);
      for (const [parent, sha256] of Object.entries(manifest?.parents ?? {})) {
        const path = join(folder, parent, 'model.safetensors');
        if (existsSync(path)) expect(hashOf(path)).toBe(sha256);
        else expect(onTheWay).toContain(parent);
      }
    },
  );

  it('takes less than 60 MiB', () => {
    const bytes = shipped.reduce(
      (sum, { name }) => sum + statSync(join(folder, name, 'model.safetensors')).size,
      0,
    );
    expect(bytes).toBeLessThan(60 * 2 ** 20);
  });

  it.each(['small-teacher', 'small-llamba', 'small-hybrid', 'reward-model'])('%s loads', (name) => {
    init();
    const model = load(worldModel(name));
    expect(model.config.vocabSize).toBe(1024);
    model.dispose();
  });

  it('names what there is where a name is unknown', () => {
    expect(() => worldModel('medium-teacher')).toThrow(/no model 'medium-teacher'.*small-teacher/);
  });
});
