import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError } from './errors.js';
import { type JsonObject, readJsonObject } from './json.js';
import { readSafetensors, readShardedSafetensors } from './safetensors.js';
import { reason } from './source.js';
import type { TensorFile } from './tensor-file.js';

/** A folder as the Hugging Face Hub lays models out. */
export interface HuggingFaceFolder extends TensorFile {
  readonly format: 'huggingface';
  /** `config.json`. */
  readonly config: JsonObject;
  /** `generation_config.json`, where there is one: it may name more end-of-text tokens. */
  readonly generationConfig: JsonObject | undefined;
  /** `mamba_config.json`, where there is one: what replaced attention, in a hybrid. */
  readonly mambaConfig: JsonObject | undefined;
}

/**
 * Reads `config.json`, the optional files beside it and the headers of the weights in a folder:
 * `model.safetensors.index.json` with its shards, or `model.safetensors`, or the only safetensors file
 * there is.
 *
 * @throws CheckpointError naming what is missing or wrong.
 */
export function readHuggingFaceFolder(folder: string): HuggingFaceFolder {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    throw new CheckpointError(folder, 'folder', 'a readable folder', reason(error));
  }
  if (!names.includes('config.json')) {
    throw new CheckpointError(folder, 'folder', 'a config.json in it', listing(names));
  }
  const config = readJsonObject(join(folder, 'config.json'));
  const optional = (name: string) =>
    names.includes(name) ? readJsonObject(join(folder, name)) : undefined;
  return {
    ...readWeights(folder, names),
    path: folder,
    format: 'huggingface',
    config,
    generationConfig: optional('generation_config.json'),
    mambaConfig: optional('mamba_config.json'),
  };
}

function readWeights(folder: string, names: readonly string[]): TensorFile {
  const index = 'model.safetensors.index.json';
  if (names.includes(index)) return readShardedSafetensors(join(folder, index));
  const files = names.filter((name) => name.endsWith('.safetensors'));
  const only = files.includes('model.safetensors') ? 'model.safetensors' : files[0];
  if (only === undefined || (files.length > 1 && only !== 'model.safetensors')) {
    const expected = `${index}, model.safetensors or one safetensors file`;
    throw new CheckpointError(folder, 'folder', expected, listing(names));
  }
  return readSafetensors(join(folder, only));
}

function listing(names: readonly string[]): string {
  if (names.length === 0) return 'an empty folder';
  const rest = names.length > 6 ? ` and ${names.length - 6} more` : '';
  return `${names.slice(0, 6).join(', ')}${rest}`;
}
