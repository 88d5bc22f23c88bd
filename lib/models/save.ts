/** Writing a model as a Hugging Face folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs-core';
import { isNative, nativeBackend } from '../backend/init.js';
import type { Model } from './build.js';
import type { JsonObject } from './files/json.js';
import { type LayoutTensor, sizeOf } from './files/layout.js';
import { llamaConfigToHf } from './files/llama-hf.js';
import { llambaConfigToHf } from './files/llamba-hf.js';
import { mambaInLlamaConfigToHf } from './files/mamba-in-llama-hf.js';
import { NewFiles } from './files/replace-files.js';
import {
  type TensorToWrite,
  type WrittenStorage,
  writeSafetensors,
  writtenBytes,
} from './files/safetensors-writer.js';
import { tokenizerFiles } from './files/tokenizer-files.js';
import { layoutOf } from './layouts.js';
import type { ModelConfig } from './model-config.js';
import { valuesOf } from './parameter-values.js';
import { resolveModel } from './resolve.js';

/** Options of {@link save}. */
export interface SaveOptions {
  /**
   * How weights are written. `stored` (default) loses nothing: bfloat16 where they are bfloat16 in
   * memory, else float32. `bf16` rounds to the nearest.
   */
  precision?: 'stored' | 'f32' | 'bf16';
  /** Largest file of weights in bytes, unless one tensor is larger; default 5 GB. */
  shardBytes?: number;
}

/** What {@link save} wrote. */
export interface Saved {
  /** The folder's new files. */
  readonly files: readonly string[];
  /** Bytes of the weights. */
  readonly bytes: number;
}

/**
 * Writes a model's weights as safetensors, in several files with an index where they are large, its
 * configuration in the published spelling, and its tokenizer where it came with one. Python's
 * safetensors reads the weights, transformers the configuration of a Llama.
 *
 * Files appear all at the end: until then, and after an error such as a full disk, the folder has
 * what it had. Other files in it are left alone.
 *
 * @throws Error naming the folder and what went wrong.
 */
export function save(model: Model, folder: string, options: SaveOptions = {}): Saved {
  const { precision = 'stored', shardBytes = 5e9 } = options;
  if (!['stored', 'f32', 'bf16'].includes(precision)) {
    throw new RangeError(`save: precision must be stored, f32 or bf16, got '${precision}'`);
  }
  if (!(shardBytes > 0)) {
    throw new RangeError(`save: shardBytes must be a positive number, got ${shardBytes}`);
  }
  const parameters = model.parameters();
  const tensors = layoutOf(model.config).map((t) => toWrite(model, parameters, t, precision));
  const shards = shardsOf(tensors, shardBytes);
  let files: NewFiles | undefined;
  try {
    files = new NewFiles(folder);
    writeShards(files, shards);
    for (const [name, content] of configFiles(model.config)) files.write(name, content);
    const source = model.ref === undefined ? undefined : tokenizerSource(model.ref);
    for (const [name, content] of source ? tokenizerFiles(source) : []) files.write(name, content);
    files.commit((name) => /^model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?$/.test(name));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`save: ${folder} stays as it was: ${reason}`, { cause });
  } finally {
    files?.close();
  }
  return { files: files.names, bytes: tensors.reduce((sum, t) => sum + writtenBytes(t), 0) };
}

/** Where a model's tokenizer is: a folder may hold a tokenizer and no model. */
function tokenizerSource(ref: string): string {
  return existsSync(join(ref, 'tokenizer.json')) ? ref : resolveModel(ref);
}

function toWrite(
  model: Model,
  parameters: ReadonlyMap<string, tf.Tensor>,
  { name, shape, parts }: LayoutTensor,
  precision: 'stored' | 'f32' | 'bf16',
): TensorToWrite {
  const held = parts.map((part) => parameters.get(part.path) as tf.Tensor);
  const isBf16 = precision === 'bf16' || (precision === 'stored' && held.every(storedAsBf16));
  const storage: WrittenStorage = isBf16 ? 'BF16' : 'F32';
  const read = () => {
    if (held.length === 1) return valuesOf(model, parts[0]?.path as string, held[0] as tf.Tensor);
    const values = new Float32Array(sizeOf(shape));
    let at = 0;
    for (const [i, part] of parts.entries()) {
      values.set(valuesOf(model, part.path, held[i] as tf.Tensor), at);
      at += sizeOf(part.shape);
    }
    return values;
  };
  return { name, shape, storage, read };
}

function storedAsBf16(tensor: tf.Tensor): boolean {
  return isNative() && nativeBackend().storageOf(tensor) === 'BF16';
}

function shardsOf(tensors: readonly TensorToWrite[], most: number): TensorToWrite[][] {
  const shards: TensorToWrite[][] = [];
  let room = 0;
  for (const tensor of tensors) {
    const bytes = writtenBytes(tensor);
    if (bytes > room || shards.length === 0) {
      shards.push([]);
      room = most;
    }
    (shards[shards.length - 1] as TensorToWrite[]).push(tensor);
    room -= bytes;
  }
  return shards;
}

function writeShards(files: NewFiles, shards: readonly TensorToWrite[][]): void {
  if (shards.length === 1) {
    writeSafetensors(files.path('model.safetensors'), shards[0] as TensorToWrite[]);
    return;
  }
  const map: Record<string, string> = {};
  let total = 0;
  const five = (n: number) => String(n).padStart(5, '0');
  shards.forEach((tensors, i) => {
    const name = `model-${five(i + 1)}-of-${five(shards.length)}.safetensors`;
    writeSafetensors(files.path(name), tensors);
    for (const tensor of tensors) {
      map[tensor.name] = name;
      total += writtenBytes(tensor);
    }
  });
  const index = { metadata: { total_size: total }, weight_map: map };
  files.write('model.safetensors.index.json', text(index));
}

function configFiles(config: ModelConfig): [name: string, content: string][] {
  switch (config.family) {
    case 'llamba':
      return [['config.json', text(llambaConfigToHf(config))]];
    case 'mamba-in-llama': {
      const files = mambaInLlamaConfigToHf(config);
      return [
        ['config.json', text(files.config)],
        ['mamba_config.json', text(files.mamba)],
      ];
    }
    default:
      return [['config.json', text(llamaConfigToHf(config))]];
  }
}

function text(json: JsonObject): string {
  return `${JSON.stringify(json, undefined, 2)}\n`;
}
