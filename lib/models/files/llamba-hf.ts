import { type LlambaConfig, UNLIMITED_CONTEXT } from '../llamba-config.js';
import { fieldsOf } from './fields.js';
import type { JsonObject } from './json.js';
import { limits } from './llama-limits.js';

/** The tokens that end a text in the vocabulary of Llama 3, where a checkpoint names none. */
const LLAMA3_VOCABULARY = 128256;
const LLAMA3_ENDS = [128001, 128008, 128009];

/** Epsilon of the norms inside the blocks, which the file has no key for. */
const BLOCK_EPS = 1e-5;

/**
 * The configuration of a Llamba in a published folder (`model_type` "llamba").
 *
 * @param path the file to name in errors.
 * @throws CheckpointError listing every field that is missing or wrong.
 */
export function llambaConfigFromHf(
  json: JsonObject,
  path: string,
  generationConfig?: JsonObject,
): LlambaConfig {
  const fields = fieldsOf(json);
  fields.oneOf('model_type', ['llamba']);
  fields.oneOf('lm_head_bias', [false], true);
  fields.oneOf('conv_bias', [true], true);
  const mlp = fields.part('mlp_cfg');
  mlp.oneOf('bias', [false], true);
  mlp.oneOf('act_fn', ['silu'], true);
  const ssm = fields.part('ssm_cfg');
  ssm.oneOf('bias', [false], true);
  ssm.oneOf('activation', ['identity'], true);
  const multiple = fields.integer('pad_vocab_size_multiple', limits.width, 8);
  const vocabulary = fields.integer('vocab_size', limits.vocabulary);
  const dModel = fields.integer('d_model', limits.width);
  const nHeads = ssm.integer('n_v_heads', limits.heads, 32);
  const nQkHeads = ssm.integer('n_qk_heads', limits.heads, 32);
  const inner = ssm.integer('expand', { least: 1, most: 64 }, 1) * dModel;
  if (inner % nHeads) ssm.problem('n_v_heads', `a divisor of the inner width ${inner}`, nHeads);
  if (nHeads % nQkHeads) ssm.problem('n_qk_heads', `a divisor of n_v_heads ${nHeads}`, nQkHeads);
  const generation = fieldsOf(generationConfig ?? {});
  const named = [
    ...fields.tokens('eos_token_id', vocabulary),
    ...generation.tokens('eos_token_id', vocabulary),
  ];
  const ends = vocabulary === LLAMA3_VOCABULARY ? LLAMA3_ENDS : [];
  const config: LlambaConfig = {
    family: 'llamba',
    vocabSize: Math.ceil(vocabulary / multiple) * multiple,
    dModel,
    nLayers: fields.integer('n_layer', limits.layers),
    nHeads,
    nQkHeads,
    headDim: inner / nHeads,
    stateDim: ssm.integer('d_state', limits.headDim, 64),
    convWidth: ssm.integer('d_conv', { least: 2, most: 4 }, 4),
    chunkSize: ssm.integer('chunk_size', limits.width, 128),
    dMlp: mlp.integer('intermediate_size', limits.width),
    blockNormEps: fields.number('block_norm_epsilon', limits.eps, BLOCK_EPS),
    normEps: fields.number('norm_epsilon', limits.eps, 1e-5),
    contextLength: fields.integer('max_position_embeddings', limits.context, UNLIMITED_CONTEXT),
    tieEmbeddings: fields.oneOf('tie_embeddings', [false, true], true),
    bosId: fields.tokens('bos_token_id', vocabulary)[0],
    eosIds: named.length > 0 ? [...new Set(named)] : ends,
  };
  generation.check(path, 'generation_config.json');
  fields.adopt('mlp_cfg', mlp);
  fields.adopt('ssm_cfg', ssm);
  fields.check(path, 'Llamba configuration');
  return config;
}

/** The config.json of a Llamba, in the published spelling. */
export function llambaConfigToHf(config: LlambaConfig): JsonObject {
  const { nHeads, headDim, dModel, blockNormEps, contextLength } = config;
  return {
    architectures: ['LMHeadModel'],
    model_type: 'llamba',
    vocab_size: config.vocabSize,
    tie_embeddings: config.tieEmbeddings,
    pad_vocab_size_multiple: config.vocabSize % 8 === 0 ? 8 : 1,
    lm_head_bias: false,
    d_model: dModel,
    n_layer: config.nLayers,
    resid_dropout: 0,
    norm_epsilon: config.normEps,
    mlp_cfg: { intermediate_size: config.dMlp, bias: false, act_fn: 'silu' },
    ssm_cfg: {
      d_state: config.stateDim,
      n_v_heads: nHeads,
      n_qk_heads: config.nQkHeads,
      expand: (nHeads * headDim) / dModel,
      d_conv: config.convWidth,
      chunk_size: config.chunkSize,
      activation: 'identity',
      bias: false,
    },
    ...(blockNormEps !== BLOCK_EPS && { block_norm_epsilon: blockNormEps }),
    ...(contextLength !== UNLIMITED_CONTEXT && { max_position_embeddings: contextLength }),
    ...(config.bosId !== undefined && { bos_token_id: config.bosId }),
    ...(config.eosIds.length > 0 && { eos_token_id: config.eosIds }),
  };
}
