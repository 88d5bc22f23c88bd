/** Where the models of the mini world lie. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { root } from '#setup/places.mjs';
import { worldModels } from './plan.js';

/** The folder of the tokenizer that all its models share, for `data.loadTokenizer`. */
export const tokenizerFolder = join(root, 'data', 'mini', 'tokenizer');

/** The folder of the world: `MAMBALAB_WORLD`, or the one that ships. */
export function worldFolder(): string {
  const { MAMBALAB_WORLD: chosen } = process.env;
  return chosen ? resolve(chosen) : join(root, 'data', 'mini', 'models');
}

/**
 * The folder of a model of the mini world, for `models.load`.
 *
 * @throws RangeError for a name that the world does not have; Error naming the folder where it is missing.
 */
export function worldModel(name: string): string {
  if (worldModels.every((model) => model.name !== name)) {
    const known = worldModels.map((model) => model.name).join(', ');
    throw new RangeError(`there is no model '${name}' in the mini world; there are ${known}`);
  }
  const folder = join(worldFolder(), name);
  if (existsSync(join(folder, 'model.safetensors'))) return folder;
  throw new Error(
    `${folder}: expected the model ${name}; it is not there. \`mambalab world --out FOLDER\` ` +
      'trains the whole; MAMBALAB_WORLD names its folder',
  );
}
