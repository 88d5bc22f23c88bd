import type { LlamaConfig } from '../llama-config.js';
import type {
  GroupedMamba2Config,
  GroupedMambaConfig,
  MambaInLlamaConfig,
  MambaInLlamaLayout,
} from '../mamba-in-llama-config.js';
import { type Fields, fieldsOf } from './fields.js';
import type { JsonObject } from './json.js';
import { llamaConfigFromHf, llamaConfigToHf } from './llama-hf.js';
import { limits } from './llama-limits.js';

const CONV_WIDTH = 4;
const STATE_DIM = 16;

/**
 * The configuration of a hybrid in a folder of MambaInLlama or M1: `config.json` is that of the
 * Llama it came from, and `mamba_config.json` says what replaced which layers.
 *
 * @param layout how the folder's tensors are named ({@link layoutOfTensors}).
 * @throws CheckpointError listing every field that is missing or wrong.
 */
export function mambaInLlamaConfigFromHf(
  json: JsonObject,
  mamba: JsonObject,
  layout: MambaInLlamaLayout,
  folder: string,
  generationConfig?: JsonObject,
): MambaInLlamaConfig {
  const llama = llamaConfigFromHf(json, `${folder}/config.json`, generationConfig);
  const fields = fieldsOf(mamba);
  same(fields, 'd_model', llama.dModel);
  same(fields, 'n_layer', llama.nLayers);
  same(fields, 'intermediate_size', llama.dMlp);
  fields.oneOf('hidden_act', ['silu'], true);
  fields.number('rms_norm_eps', { least: llama.normEps, most: llama.normEps }, llama.normEps);
  const attentionLayers = layerList(fields, mamba.attn_layers, llama.nLayers);
  const config: MambaInLlamaConfig = {
    ...llama,
    family: 'mamba-in-llama',
    attentionLayers,
    mixer: mixerOf(fields, llama),
    layout,
  };
  fields.check(`${folder}/mamba_config.json`, 'MambaInLlama configuration');
  return config;
}

/** The layout that tensors of these names have. */
export function layoutOfTensors(names: Iterable<string>): MambaInLlamaLayout {
  let fused = false;
  for (const name of names) {
    if (name.includes('.mha.')) return 'm1';
    if (name.includes('.self_attn.') || name.includes('.mamba.in_proj_x.')) return 'mamba-in-llama';
    fused ||= name.endsWith('.mamba.in_proj.weight');
  }
  return fused ? 'm1' : 'mamba-in-llama';
}

/** The two configuration files of a hybrid. */
export function mambaInLlamaConfigToHf(config: MambaInLlamaConfig): {
  config: JsonObject;
  mamba: JsonObject;
} {
  const { mixer } = config;
  const ssm =
    mixer.type === 'mamba'
      ? {
          ...(mixer.stateDim !== STATE_DIM && { d_state: mixer.stateDim }),
          ...(mixer.dtRank !== Math.ceil(config.dModel / 16) && { dt_rank: mixer.dtRank }),
        }
      : { d_state: mixer.dInner / mixer.nHeads, ngroups: mixer.nHeads };
  return {
    config: llamaConfigToHf(config),
    mamba: {
      d_model: config.dModel,
      ssm_cfg: {
        expand: mixer.dInner / config.dModel,
        ...ssm,
        ...(mixer.convWidth !== CONV_WIDTH && { d_conv: mixer.convWidth }),
      },
      rms_norm_eps: config.normEps,
      vocab_size: null,
      d_inner: mixer.dInner,
      d_xb: mixer.dXb,
      intermediate_size: config.dMlp,
      hidden_act: 'silu',
      n_layer: config.nLayers,
      attn_layers: config.attentionLayers,
    },
  };
}

function mixerOf(fields: Fields, llama: LlamaConfig): GroupedMambaConfig | GroupedMamba2Config {
  const dInner = fields.integer('d_inner', limits.width, llama.dModel);
  const dXb = fields.integer('d_xb', limits.width, llama.nKvHeads * llama.headDim);
  if (dInner % dXb) fields.problem('d_xb', `a divisor of d_inner ${dInner}`, dXb);
  const ssm = fields.part('ssm_cfg');
  const convWidth = ssm.integer('d_conv', { least: 2, most: 4 }, CONV_WIDTH);
  const mixer = ssm.has('ngroups')
    ? mamba2Of(ssm, { dInner, dXb, convWidth })
    : mambaOf(ssm, { dInner, dXb, convWidth }, llama.dModel);
  fields.adopt('ssm_cfg', ssm);
  return mixer;
}

type Widths = Pick<GroupedMambaConfig, 'dInner' | 'dXb' | 'convWidth'>;

function mambaOf(ssm: Fields, widths: Widths, dModel: number): GroupedMambaConfig {
  const stateDim = ssm.integer('d_state', limits.headDim, STATE_DIM);
  if (widths.dXb % stateDim) ssm.problem('d_state', `a divisor of d_xb ${widths.dXb}`, stateDim);
  const dtRank = ssm.integer('dt_rank', limits.width, Math.ceil(dModel / 16));
  return { type: 'mamba', ...widths, stateDim, dtRank };
}

function mamba2Of(ssm: Fields, widths: Widths): GroupedMamba2Config {
  const nHeads = ssm.integer('ngroups', limits.heads);
  const width = widths.dInner / nHeads;
  // The heads of x are as wide as those of B and C: both are the attention's own.
  ssm.integer('d_state', { least: width, most: width });
  if (widths.dXb % width) {
    ssm.problem('ngroups', `heads whose width divides d_xb ${widths.dXb}`, nHeads);
  }
  return { type: 'mamba2', ...widths, nHeads };
}

function same(fields: Fields, key: string, value: number): void {
  fields.integer(key, { least: value, most: value }, value);
}

function layerList(fields: Fields, value: unknown, nLayers: number): number[] {
  const list: unknown[] = Array.isArray(value) ? value : [];
  const inRange = list.every((i) => Number.isInteger(i) && within(i as number, nLayers));
  if (!Array.isArray(value) || !inRange || new Set(list).size !== list.length) {
    fields.problem('attn_layers', `different layers from 0 to ${nLayers - 1}`, value);
    return [];
  }
  return [...(list as number[])].sort((a, b) => a - b);
}

function within(i: number, nLayers: number): boolean {
  return i >= 0 && i < nLayers;
}
