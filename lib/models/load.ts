/** Opening a model by name, folder or file. */

import * as tf from '@tensorflow/tfjs-core';
import { BACKEND, init } from '../backend/init.js';
import type { Activations } from '../backend/native-backend.js';
import { build, type Model } from './build.js';
import { readCheckpoint } from './files/checkpoint.js';
import { CheckpointError } from './files/errors.js';
import type { HuggingFaceFolder } from './files/huggingface.js';
import { sizeOf } from './files/layout.js';
import { llamaConfigFromGguf } from './files/llama-gguf.js';
import { llamaConfigFromHf } from './files/llama-hf.js';
import { llambaConfigFromHf } from './files/llamba-hf.js';
import { layoutOfTensors, mambaInLlamaConfigFromHf } from './files/mamba-in-llama-hf.js';
import { modelTensors } from './files/model-tensors.js';
import { layoutOf as storageLayout } from './files/storage.js';
import type { TensorEntry, TensorFile } from './files/tensor-file.js';
import { layoutOf } from './layouts.js';
import { familyOf, type ModelConfig } from './model-config.js';
import { resolveModel } from './resolve.js';
import { checkActivations, checkPrecision, type Precision, WeightReader } from './weights.js';

/** Options of {@link load}. */
export interface LoadOptions {
  /**
   * How weights are kept in memory; default `stored`, as the file has them. Matrices whose rows are
   * not whole blocks of a quantised precision are float32, and so is what is not the matrix of a
   * product.
   */
  precision?: Precision;
  /**
   * How activations are multiplied with quantised weights. Default `float32`, exact arithmetic on the
   * decoded weights. `int8` rounds them in blocks of 32 to eight bits, as llama.cpp does: about twice as
   * fast, and the logits move (by how much: docs/performance.md).
   */
  activations?: Activations;
}

function configOf(file: TensorFile | HuggingFaceFolder): ModelConfig {
  if (file.format === 'gguf') return llamaConfigFromGguf(file);
  if (file.format !== 'huggingface') {
    const expected = 'a Hugging Face folder, whose config.json says the sizes';
    throw new CheckpointError(file.path, 'file', expected, 'a safetensors file alone');
  }
  const { config, generationConfig, mambaConfig, path, tensors } = file as HuggingFaceFolder;
  if (mambaConfig) {
    const layout = layoutOfTensors(tensors.keys());
    return mambaInLlamaConfigFromHf(config, mambaConfig, layout, path, generationConfig);
  }
  const read = config.model_type === 'llamba' ? llambaConfigFromHf : llamaConfigFromHf;
  return read(config, `${path}/config.json`, generationConfig);
}

const KINDS = { llama: 'a Llama', llamba: 'a Llamba', 'mamba-in-llama': 'a MambaInLlama' } as const;

/** A parameter's place in a file: the tensor it is part of, cut to its rows. */
interface Place {
  entry: TensorEntry;
  dense: boolean;
}

function placesOf(file: TensorFile, config: ModelConfig): Map<string, Place> {
  const layout = layoutOf(config);
  const entries = modelTensors(file, layout, KINDS[familyOf(config)]);
  const places = new Map<string, Place>();
  for (const { name, parts } of layout) {
    const whole = entries.get(name) as TensorEntry;
    const { block, bytes } = storageLayout(whole.storage);
    let { byteOffset } = whole;
    for (const { path, shape, dense } of parts) {
      const byteLength = (sizeOf(shape) / block) * bytes;
      places.set(path, { entry: { ...whole, shape, byteOffset, byteLength }, dense });
      byteOffset += byteLength;
    }
  }
  return places;
}

/**
 * Loads a model of any family. Weights stay in the file's own form and are memory-mapped, unless a
 * precision is asked for. The header is read and checked in full before anything is allocated.
 *
 * The family is found in the folder: `mamba_config.json` beside `config.json` makes a MambaInLlama,
 * else `model_type` says.
 *
 * @param ref a name in the cache (`smollm2-135m-instruct`), a GGUF file or a Hugging Face folder.
 * @throws CheckpointError naming the file, the tensors or fields, what was expected and what was found.
 */
export function load(ref: string, options: LoadOptions = {}): Model {
  const precision = checkPrecision(options.precision ?? 'stored');
  const path = resolveModel(ref);
  const file = readCheckpoint(path);
  const config = configOf(file);
  const places = placesOf(file, config);
  // Nobody chose tfjs' own `cpu`: it is there by itself. Another backend is a choice, and stays.
  if (!tf.engine().registry[BACKEND] && [undefined, null, 'cpu'].includes(tf.getBackend())) init();
  const activations = checkActivations(options.activations ?? 'float32');
  const reader = new WeightReader(precision, activations);
  const take = (parameter: string) => {
    const place = places.get(parameter);
    if (!place)
      throw new CheckpointError(path, `parameter ${parameter}`, 'a tensor for it', 'none');
    return reader.read(place.entry, place.dense);
  };
  try {
    const bytes = [...places.values()].reduce((sum, { entry }) => sum + entry.byteLength, 0);
    return build(config, take, { bytes, ref, interleavedRope: file.format === 'gguf' });
  } finally {
    reader.close();
  }
}
