import type { RopeScaling } from '../../layers/index.js';
import type { LlamaConfig } from '../llama-config.js';
import { dequantize } from './dequantize.js';
import { Fields } from './fields.js';
import { checkLlama, limits } from './llama-limits.js';
import { withFile } from './source.js';
import { requireTensor, type TensorFile } from './tensor-file.js';

/**
 * The configuration of a Llama in a GGUF file (architecture `llama`), from its metadata and, for
 * the rotary factors of Llama 3.1 and later, its tensor `rope_freqs.weight`.
 *
 * @throws CheckpointError listing every field that is missing or wrong.
 */
export function llamaConfigFromGguf(file: TensorFile): LlamaConfig {
  const { metadata } = file;
  const fields = new Fields((key) => metadata.get(key));
  fields.oneOf('general.architecture', ['llama']);
  const nHeads = fields.integer('llama.attention.head_count', limits.heads);
  const dModel = fields.integer('llama.embedding_length', limits.width);
  const headDim = fields.integer('llama.attention.key_length', limits.headDim, dModel / nHeads);
  fields.integer('llama.attention.value_length', { least: headDim, most: headDim }, headDim);
  fields.integer('llama.rope.dimension_count', { least: headDim, most: headDim }, headDim);
  const tokens = metadata.get('tokenizer.ggml.tokens');
  const tokenCount = Array.isArray(tokens) ? tokens.length : undefined;
  const vocabSize = fields.integer('llama.vocab_size', limits.vocabulary, tokenCount);
  const eosKeys = ['eos_token_id', 'eot_token_id', 'eom_token_id'];
  const eosIds = eosKeys.flatMap((key) => fields.tokens(`tokenizer.ggml.${key}`, vocabSize));
  const config: LlamaConfig = {
    vocabSize,
    dModel,
    nLayers: fields.integer('llama.block_count', limits.layers),
    nHeads,
    nKvHeads: fields.integer('llama.attention.head_count_kv', limits.heads, nHeads),
    headDim,
    dMlp: fields.integer('llama.feed_forward_length', limits.width),
    normEps: fields.number('llama.attention.layer_norm_rms_epsilon', limits.eps),
    ropeTheta: fields.number('llama.rope.freq_base', limits.theta, 10000),
    ropeScaling: scaling(file, fields, headDim),
    contextLength: fields.integer('llama.context_length', limits.context),
    tieEmbeddings: !file.tensors.has('output.weight'),
    bosId: fields.tokens('tokenizer.ggml.bos_token_id', vocabSize)[0],
    eosIds: [...new Set(eosIds)],
  };
  return checkLlama(config, fields, file.path);
}

const factorsName = 'rope_freqs.weight';

function scaling(file: TensorFile, fields: Fields, headDim: number): RopeScaling | undefined {
  const type = fields.oneOf('llama.rope.scaling.type', ['none', 'linear'], true);
  if (type === 'linear') {
    return { type, factor: fields.number('llama.rope.scaling.factor', limits.ropeFactor) };
  }
  if (!file.tensors.has(factorsName) || !Number.isInteger(headDim / 2)) return undefined;
  const entry = requireTensor(file, factorsName, [headDim / 2]);
  if (entry.storage !== 'F32') {
    fields.problem(factorsName, 'stored as F32', entry.storage);
    return undefined;
  }
  const bytes = new Uint8Array(entry.byteLength);
  withFile(entry.path, (source) => source.read(entry.byteOffset, bytes));
  const factors = [...dequantize('F32', bytes, headDim / 2)];
  const { least, most } = limits.ropeFactor;
  if (factors.some((x) => !(x >= least && x <= most))) {
    fields.problem(factorsName, `numbers from ${least} to ${most}`, factors);
  }
  return { type: 'factors', factors };
}
