import type { Layout } from './layout.js';
import { matchTensors } from './match-tensors.js';
import type { TensorEntry, TensorFile } from './tensor-file.js';

/**
 * Finds every weight of a layout in a GGUF or Hugging Face checkpoint and checks its shape, and that
 * nothing is left over.
 *
 * @param what the model, for the error: `a Llama`.
 * @returns the file's entries by their Hugging Face names.
 * @throws CheckpointError listing every tensor that is missing, has another shape, is stored in a
 *   way that cannot be read as float32, or is not part of such a model.
 */
export function modelTensors(
  file: TensorFile,
  layout: Layout,
  what: string,
): Map<string, TensorEntry> {
  return matchTensors(file, layout, `${what} of this configuration`, {
    ...(file.format === 'gguf' && { storedName: ggufName }),
    isSpare,
  });
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
function isSpare(name: string): boolean {
  const tied = name === 'lm_head.weight' || name === 'rope_freqs.weight';
  return tied || name.endsWith('.rotary_emb.inv_freq');
}
