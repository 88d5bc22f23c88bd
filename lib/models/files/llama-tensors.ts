import type { LlamaConfig } from '../llama-config.js';
import { llamaLayout } from './llama-layout.js';
import { matchTensors } from './match-tensors.js';
import type { TensorEntry, TensorFile } from './tensor-file.js';

/**
 * Which two numbers of a head's query or key rotate together: `half` i and i + headDim/2 (the
 * Hugging Face files), `interleaved` 2i and 2i + 1 (GGUF, whose converter reorders the rows of the
 * query and key projections). Logits are the same, as long as rotation and rows agree.
 */
export type RopeLayout = 'half' | 'interleaved';

/** A weight of a Llama by its Hugging Face name. */
export interface LlamaTensor {
  /** For example `model.layers.0.self_attn.q_proj.weight`. */
  readonly name: string;
  readonly entry: TensorEntry;
  /** Order of the rows within each head, for the query and key projections only. */
  readonly ropeLayout: RopeLayout | undefined;
}

/**
 * Finds every weight that the configuration asks for in a GGUF or Hugging Face checkpoint, checks
 * their shapes and that nothing is left over, and gives them by their Hugging Face names.
 *
 * @throws CheckpointError listing every tensor that is missing, has another shape, is stored in a
 *   way that cannot be read as float32, or is not part of such a model.
 */
export function llamaTensors(
  file: TensorFile,
  config: LlamaConfig,
): ReadonlyMap<string, LlamaTensor> {
  const isGguf = file.format === 'gguf';
  const entries = matchTensors(file, llamaLayout(config), 'a Llama of this configuration', {
    ...(isGguf && { storedName: ggufName }),
    isSpare,
  });
  const layout: RopeLayout = isGguf ? 'interleaved' : 'half';
  return new Map(
    [...entries].map(([name, entry]) => {
      const rotates = name.endsWith('.q_proj.weight') || name.endsWith('.k_proj.weight');
      return [name, { name, entry, ropeLayout: rotates ? layout : undefined }];
    }),
  );
}

const outerNames: Readonly<Record<string, string>> = {
  'model.embed_tokens.weight': 'token_embd.weight',
  'model.norm.weight': 'output_norm.weight',
  'lm_head.weight': 'output.weight',
};

const layerNames: Readonly<Record<string, string>> = {
  'input_layernorm.weight': 'attn_norm.weight',
  'self_attn.q_proj.weight': 'attn_q.weight',
  'self_attn.k_proj.weight': 'attn_k.weight',
  'self_attn.v_proj.weight': 'attn_v.weight',
  'self_attn.o_proj.weight': 'attn_output.weight',
  'post_attention_layernorm.weight': 'ffn_norm.weight',
  'mlp.gate_proj.weight': 'ffn_gate.weight',
  'mlp.up_proj.weight': 'ffn_up.weight',
  'mlp.down_proj.weight': 'ffn_down.weight',
};

/**
 * The GGUF name of a Llama's tensor with that Hugging Face name.
 *
 * @throws RangeError when a Llama has no such tensor.
 */
export function ggufName(name: string): string {
  const layer = /^model\.layers\.(\d+)\.(.+)$/.exec(name);
  const known = layer === null ? outerNames[name] : layerNames[layer[2] ?? ''];
  if (known === undefined) throw new RangeError(`ggufName: a Llama has no tensor ${name}`);
  return layer === null ? known : `blk.${layer[1]}.${known}`;
}

/** Tensors that some files carry and the configuration already says, or that are tied. */
export function isSpare(name: string): boolean {
  const tied = name === 'lm_head.weight' || name === 'rope_freqs.weight';
  return tied || name.endsWith('.rotary_emb.inv_freq');
}
