import type { RopeScaling } from '../../layers/index.js';
import type { LlamaConfig } from '../llama-config.js';
import { Fields } from './fields.js';
import { isObject, type JsonObject } from './json.js';
import { checkLlama, limits } from './llama-limits.js';

/**
 * The configuration of a Llama in a Hugging Face folder (`model_type` "llama"), from `config.json`
 * and, for the tokens that end a text, `generation_config.json`.
 *
 * Both spellings of the rotary settings are read: `rope_theta` with `rope_scaling`, and the later
 * `rope_parameters`.
 *
 * @param path the file to name in errors.
 * @throws CheckpointError listing every field that is missing or wrong.
 */
export function llamaConfigFromHf(
  json: JsonObject,
  path: string,
  generationConfig?: JsonObject,
): LlamaConfig {
  const fields = new Fields((key) => own(json, key));
  fields.oneOf('model_type', ['llama']);
  fields.oneOf('hidden_act', ['silu'], true);
  fields.oneOf('attention_bias', [false], true);
  fields.oneOf('mlp_bias', [false], true);
  if (fields.has('quantization_config')) {
    fields.problem('quantization_config', 'unquantised weights', own(json, 'quantization_config'));
  }
  const nHeads = fields.integer('num_attention_heads', limits.heads);
  const dModel = fields.integer('hidden_size', limits.width);
  const vocabSize = fields.integer('vocab_size', limits.vocabulary);
  const rope = ropeFields(json, fields);
  const generation = new Fields((key) => own(generationConfig ?? {}, key));
  const eosIds = [
    ...fields.tokens('eos_token_id', vocabSize),
    ...generation.tokens('eos_token_id', vocabSize),
  ];
  generation.check(path, 'generation_config.json');
  const config: LlamaConfig = {
    vocabSize,
    dModel,
    nLayers: fields.integer('num_hidden_layers', limits.layers),
    nHeads,
    nKvHeads: fields.integer('num_key_value_heads', limits.heads, nHeads),
    headDim: fields.integer('head_dim', limits.headDim, dModel / nHeads),
    dMlp: fields.integer('intermediate_size', limits.width),
    normEps: fields.number('rms_norm_eps', limits.eps, 1e-6),
    ropeTheta: rope.theta,
    ropeScaling: rope.scaling,
    contextLength: fields.integer('max_position_embeddings', limits.context, 2048),
    tieEmbeddings: fields.oneOf('tie_word_embeddings', [false, true], true),
    bosId: fields.tokens('bos_token_id', vocabSize)[0],
    eosIds: [...new Set(eosIds)],
  };
  return checkLlama(config, fields, path);
}

function own(json: JsonObject, key: string): unknown {
  return Object.hasOwn(json, key) ? json[key] : undefined;
}

function ropeFields(
  json: JsonObject,
  fields: Fields,
): { theta: number; scaling: RopeScaling | undefined } {
  const key = fields.has('rope_parameters') ? 'rope_parameters' : 'rope_scaling';
  const theta = fields.number('rope_theta', limits.theta, 10000);
  if (!fields.has(key)) return { theta, scaling: undefined };
  const value = own(json, key);
  if (!isObject(value)) {
    fields.problem(key, 'an object', value);
    return { theta, scaling: undefined };
  }
  const inner = new Fields((name) => own(value, name));
  const scaling = ropeScaling(inner, inner.has('rope_type') ? 'rope_type' : 'type');
  const innerTheta = inner.number('rope_theta', limits.theta, theta);
  const problems = inner.problems();
  if (problems.length > 0) fields.problem(key, 'valid fields', problems.join('; '));
  return { theta: innerTheta, scaling };
}

function ropeScaling(fields: Fields, typeKey: string): RopeScaling | undefined {
  const type = fields.oneOf(typeKey, ['default', 'linear', 'llama3'], true);
  if (type === 'default') return undefined;
  const factor = fields.number('factor', limits.ropeFactor);
  if (type === 'linear') return { type, factor };
  const lowFreqFactor = fields.number('low_freq_factor', limits.ropeFactor);
  const highFreqFactor = fields.number('high_freq_factor', limits.ropeFactor);
  if (highFreqFactor <= lowFreqFactor) {
    fields.problem(
      'high_freq_factor',
      `more than low_freq_factor ${lowFreqFactor}`,
      highFreqFactor,
    );
  }
  const originalContext = fields.integer('original_max_position_embeddings', limits.context);
  return { type, factor, lowFreqFactor, highFreqFactor, originalContext };
}
