import type { LlamaConfig } from '../llama-config.js';
import { dense, type Layout, type LayoutTensor, matrix } from './layout.js';

/** A Llama's tensors as Hugging Face names them, each matrix `[out, in]`. */
export function llamaLayout(config: LlamaConfig): Layout {
  const layers = Array.from({ length: config.nLayers }, (_, i) => {
    const norm = dense(
      `model.layers.${i}.input_layernorm.weight`,
      `layers.${i}.attentionNorm.weight`,
      [config.dModel],
    );
    return [norm, ...attentionTensors(config, i), ...mlpTensors(config, `model.layers.${i}`, i)];
  });
  const { vocabSize, dModel } = config;
  return [
    matrix('model.embed_tokens.weight', 'embedding.weight', vocabSize, dModel),
    ...layers.flat(),
    dense('model.norm.weight', 'norm.weight', [dModel]),
    ...(config.tieEmbeddings ? [] : [matrix('lm_head.weight', 'head.weight', vocabSize, dModel)]),
  ];
}

/** The projections of an attention layer. */
export function attentionTensors(
  config: Pick<LlamaConfig, 'dModel' | 'nHeads' | 'nKvHeads' | 'headDim'>,
  i: number,
): LayoutTensor[] {
  const { dModel, nHeads, nKvHeads, headDim } = config;
  const name = (p: string) => `model.layers.${i}.self_attn.${p}_proj.weight`;
  const path = (p: string) => `layers.${i}.attention.${p}`;
  return [
    matrix(name('q'), path('q'), nHeads * headDim, dModel),
    matrix(name('k'), path('k'), nKvHeads * headDim, dModel),
    matrix(name('v'), path('v'), nKvHeads * headDim, dModel),
    matrix(name('o'), path('o'), dModel, nHeads * headDim),
  ];
}

/** The second half of a block: its norm and the gated feed-forward. */
export function mlpTensors(
  { dModel, dMlp }: { dModel: number; dMlp: number },
  prefix: string,
  i: number,
): LayoutTensor[] {
  const name = (part: string) => `${prefix}.${part}.weight`;
  const path = (part: string) => `layers.${i}.${part}`;
  return [
    dense(name('post_attention_layernorm'), path('mlpNorm.weight'), [dModel]),
    matrix(name('mlp.gate_proj'), path('mlp.gate'), dMlp, dModel),
    matrix(name('mlp.up_proj'), path('mlp.up'), dMlp, dModel),
    matrix(name('mlp.down_proj'), path('mlp.down'), dModel, dMlp),
  ];
}
