/** Opening a model by name, folder or file. */

import * as tf from '@tensorflow/tfjs-core';
import { BACKEND, init } from '../backend/init.js';
import type { Activations } from '../backend/native-backend.js';
import { readCheckpoint } from './files/checkpoint.js';
import { CheckpointError } from './files/errors.js';
import type { HuggingFaceFolder } from './files/huggingface.js';
import { llamaConfigFromGguf } from './files/llama-gguf.js';
import { llamaConfigFromHf } from './files/llama-hf.js';
import { llamaTensors } from './files/llama-tensors.js';
import type { TensorFile } from './files/tensor-file.js';
import { Llama } from './llama.js';
import type { LlamaConfig } from './llama-config.js';
import { resolveModel } from './resolve.js';
import { checkActivations, checkPrecision, type Precision, WeightReader } from './weights.js';

/** Options of {@link load}. */
export interface LoadOptions {
  /** How weights are kept in memory; default `stored`, as the file has them. */
  precision?: Precision;
  /**
   * How activations are multiplied with quantised weights. Default `float32`, exact arithmetic on the
   * decoded weights. `int8` rounds them in blocks of 32 to eight bits, as llama.cpp does: about twice as
   * fast, and the logits move (by how much: docs/performance.md).
   */
  activations?: Activations;
}

const PARTS: Readonly<Record<string, string>> = {
  attentionNorm: 'input_layernorm',
  'attention.q': 'self_attn.q_proj',
  'attention.k': 'self_attn.k_proj',
  'attention.v': 'self_attn.v_proj',
  'attention.o': 'self_attn.o_proj',
  mlpNorm: 'post_attention_layernorm',
  'mlp.gate': 'mlp.gate_proj',
  'mlp.up': 'mlp.up_proj',
  'mlp.down': 'mlp.down_proj',
};

/** The Hugging Face name of a parameter's path in a {@link Llama}. */
function checkpointName(path: string): string {
  const block = /^layers\.(\d+)\.(.+?)(\.weight)?$/.exec(path);
  if (block) return `model.layers.${block[1]}.${PARTS[block[2] as string]}.weight`;
  if (path.startsWith('embedding.')) return 'model.embed_tokens.weight';
  return path.startsWith('norm.') ? 'model.norm.weight' : 'lm_head.weight';
}

function configOf(file: TensorFile | HuggingFaceFolder): LlamaConfig {
  if (file.format === 'gguf') return llamaConfigFromGguf(file);
  if (file.format === 'huggingface') {
    const { config, generationConfig, path } = file as HuggingFaceFolder;
    return llamaConfigFromHf(config, `${path}/config.json`, generationConfig);
  }
  const expected = 'a Hugging Face folder, whose config.json says the sizes';
  throw new CheckpointError(file.path, 'file', expected, 'a safetensors file alone');
}

/**
 * Loads a model. Weights stay in the file's own form and are memory-mapped, unless a precision is
 * asked for. The header is read and checked in full before anything is allocated.
 *
 * @param ref a name in the cache (`smollm2-135m-instruct`), a GGUF file or a Hugging Face folder.
 * @throws CheckpointError naming the file, the tensor or field, what was expected and what was found.
 */
export function load(ref: string, options: LoadOptions = {}): Llama {
  const precision = checkPrecision(options.precision ?? 'stored');
  const path = resolveModel(ref);
  const file = readCheckpoint(path);
  const config = configOf(file);
  const tensors = llamaTensors(file, config);
  if (tf.getBackend() !== BACKEND && !tf.engine().registry[BACKEND]) init();
  const activations = checkActivations(options.activations ?? 'float32');
  const reader = new WeightReader(precision, activations);
  const take = (parameter: string) => {
    const tensor = tensors.get(checkpointName(parameter));
    if (!tensor)
      throw new CheckpointError(path, `parameter ${parameter}`, 'a tensor for it', 'none');
    return reader.read(tensor.entry);
  };
  try {
    const rotated = [...tensors.values()].find((t) => t.ropeLayout);
    return new Llama(config, take, {
      interleavedRope: rotated?.ropeLayout === 'interleaved',
      bytes: [...tensors.values()].reduce((sum, t) => sum + t.entry.byteLength, 0),
      ref,
    });
  } finally {
    reader.close();
  }
}
