import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, isBundle } from '#setup/places.mjs';

export { cacheFolder };

/**
 * Finds the file or folder that a model's reference means.
 *
 * @param ref a name such as `smollm2-135m-instruct`, looked up in the cache; or the path of a GGUF
 *   file, a safetensors file or a Hugging Face folder.
 * @returns the path of a `.gguf` or `.safetensors` file, or of a folder with a `config.json`.
 * @throws Error naming what was looked for, where, and what to do.
 */
export function resolveModel(ref: string): string {
  if (typeof ref !== 'string' || ref === '') {
    throw new TypeError(`model: expected a name or a path, got ${String(ref)}`);
  }
  const models = join(cacheFolder(), 'models');
  const isName = /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(ref);
  if (isName && existsSync(join(models, ref))) return modelIn(join(models, ref));
  if (existsSync(ref)) return statSync(ref).isDirectory() ? modelIn(ref) : ref;
  if (!isName || /\.(gguf|safetensors)$/.test(ref)) {
    throw new Error(`model ${ref}: expected a model's name, file or folder, found no such path`);
  }
  const names = existsSync(models) ? readdirSync(models).sort() : [];
  const known = names.length > 0 ? `it has ${names.join(', ')}` : 'it has no models yet';
  const fetches = isBundle ? 'mambalab data fetch' : 'npm run setup';
  throw new Error(
    `model ${ref}: not in the cache ${models} (${known}); \`${fetches}\` fetches the models ` +
      'that mambalab uses, and a path to a .gguf file or a Hugging Face folder works too',
  );
}

function modelIn(folder: string): string {
  const names = readdirSync(folder);
  if (names.includes('config.json')) return folder;
  const files = names.filter((name) => name.endsWith('.gguf'));
  if (files.length === 1) return join(folder, files[0] as string);
  const found = files.length === 0 ? 'neither' : `${files.length} GGUF files: ${files.join(', ')}`;
  throw new Error(
    `model folder ${folder}: expected a config.json or one .gguf file, found ${found}`,
  );
}
