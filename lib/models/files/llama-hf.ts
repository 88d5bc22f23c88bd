import type { RopeScaling } from '../../layers/index.js';
import type { LlamaConfig } from '../llama-config.js';
import { type Fields, fieldsOf } from './fields.js';
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
  const fields = fieldsOf(json);
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
  const headDim = fields.integer('head_dim', limits.headDim, dModel / nHeads);
  const rope = ropeFields(json, fields, headDim);
  const generation = fieldsOf(generationConfig ?? {});
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
    headDim,
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
  headDim: number,
): { theta: number; scaling: RopeScaling | undefined } {
  const key = fields.has('rope_parameters') ? 'rope_parameters' : 'rope_scaling';
  const theta = fields.number('rope_theta', limits.theta, 10000);
  if (!fields.has(key)) return { theta, scaling: undefined };
  const value = own(json, key);
  if (!isObject(value)) {
    fields.problem(key, 'an object', value);
    return { theta, scaling: undefined };
  }
  const inner = fieldsOf(value);
  const typeKey = inner.has('rope_type') ? 'rope_type' : 'type';
  const scaling = ropeScaling(inner, typeKey, value, headDim);
  const innerTheta = inner.number('rope_theta', limits.theta, theta);
  fields.adopt(key, inner);
  return { theta: innerTheta, scaling };
}

function ropeScaling(
  fields: Fields,
  typeKey: string,
  value: JsonObject,
  headDim: number,
): RopeScaling | undefined {
  const type = fields.oneOf(typeKey, ['default', 'linear', 'llama3', 'longrope'], true);
  if (type === 'default') return undefined;
  if (type === 'longrope') return longRope(fields, value, headDim);
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

/** The config.json of a Llama, as Hugging Face's transformers read it. */
export function llamaConfigToHf(config: Omit<LlamaConfig, 'family'>): JsonObject {
  const { ropeScaling, bosId, eosIds } = config;
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: config.vocabSize,
    hidden_size: config.dModel,
    intermediate_size: config.dMlp,
    num_hidden_layers: config.nLayers,
    num_attention_heads: config.nHeads,
    num_key_value_heads: config.nKvHeads,
    head_dim: config.headDim,
    hidden_act: 'silu',
    attention_bias: false,
    mlp_bias: false,
    rms_norm_eps: config.normEps,
    rope_theta: config.ropeTheta,
    ...(ropeScaling && {
      rope_scaling: ropeScalingToHf(ropeScaling, config.contextLength),
    }),
    max_position_embeddings: config.contextLength,
    tie_word_embeddings: config.tieEmbeddings,
    ...(bosId !== undefined && { bos_token_id: bosId }),
    ...(eosIds.length > 0 && { eos_token_id: eosIds.length === 1 ? eosIds[0] : eosIds }),
  };
}

function ropeScalingToHf(scaling: RopeScaling, contextLength: number): JsonObject {
  switch (scaling.type) {
    case 'linear':
      return { rope_type: 'linear', factor: scaling.factor };
    case 'llama3':
      return {
        rope_type: 'llama3',
        factor: scaling.factor,
        low_freq_factor: scaling.lowFreqFactor,
        high_freq_factor: scaling.highFreqFactor,
        original_max_position_embeddings: scaling.originalContext,
      };
    case 'factors':
      return {
        rope_type: 'longrope',
        short_factor: scaling.factors,
        long_factor: scaling.factors,
        attention_factor: 1,
        original_max_position_embeddings: contextLength,
      };
  }
}

/** One divisor for each frequency at every length: all that is followed of `longrope`. */
function longRope(fields: Fields, value: JsonObject, headDim: number): RopeScaling | undefined {
  fields.number('attention_factor', { least: 1, most: 1 });
  const { short_factor: short, long_factor: long } = value;
  const { least, most } = limits.ropeFactor;
  const valid = (x: unknown) => typeof x === 'number' && x >= least && x <= most;
  if (!Array.isArray(long) || long.length !== headDim / 2 || !long.every(valid)) {
    fields.problem('long_factor', `${headDim / 2} numbers from ${least} to ${most}`, long);
    return undefined;
  }
  if (JSON.stringify(short) !== JSON.stringify(long)) {
    fields.problem('short_factor', 'the numbers of long_factor', short);
  }
  return { type: 'factors', factors: long as number[] };
}
