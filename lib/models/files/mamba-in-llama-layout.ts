import type {
  GroupedMamba2Config,
  GroupedMambaConfig,
  MambaInLlamaConfig,
} from '../mamba-in-llama-config.js';
import { dense, joined, type Layout, type LayoutTensor, matrix } from './layout.js';
import { attentionTensors, mlpTensors } from './llama-layout.js';

/** A hybrid's tensors as MambaInLlama or M1 names them, whichever layout it has. */
export function mambaInLlamaLayout(config: MambaInLlamaConfig): Layout {
  const { vocabSize, dModel, mixer } = config;
  const layers = Array.from({ length: config.nLayers }, (_, i) => {
    const isAttention = config.attentionLayers.includes(i);
    const norm = `layers.${i}.${isAttention ? 'attentionNorm' : 'mixerNorm'}.weight`;
    const tensors = isAttention
      ? attention(config, i)
      : mixer.type === 'mamba'
        ? mambaTensors(config, mixer, i)
        : mamba2Tensors(config, mixer, i);
    return [
      dense(`model.layers.${i}.input_layernorm.weight`, norm, [dModel]),
      ...tensors,
      ...mlpTensors(config, `model.layers.${i}`, i),
    ];
  });
  return [
    matrix('model.embed_tokens.weight', 'embedding.weight', vocabSize, dModel),
    ...layers.flat(),
    dense('model.norm.weight', 'norm.weight', [dModel]),
    ...(config.tieEmbeddings ? [] : [matrix('lm_head.weight', 'head.weight', vocabSize, dModel)]),
  ];
}

function attention(config: MambaInLlamaConfig, i: number): LayoutTensor[] {
  if (config.layout === 'mamba-in-llama') return attentionTensors(config, i);
  const { dModel, nHeads, nKvHeads, headDim } = config;
  const path = (p: string) => `layers.${i}.attention.${p}`;
  return [
    joined(`model.layers.${i}.mha.in_proj.weight`, dModel, [
      [path('q'), nHeads * headDim],
      [path('k'), nKvHeads * headDim],
      [path('v'), nKvHeads * headDim],
    ]),
    matrix(`model.layers.${i}.mha.out_proj.weight`, path('o'), dModel, nHeads * headDim),
  ];
}

function mambaTensors(
  { dModel, layout }: MambaInLlamaConfig,
  { dInner, dXb, stateDim, dtRank, convWidth }: GroupedMambaConfig,
  i: number,
): LayoutTensor[] {
  const name = (part: string) => `model.layers.${i}.mamba.${part}`;
  const path = (part: string) => `layers.${i}.mixer.${part}`;
  const projections: readonly (readonly [string, string, number])[] = [
    ['in_proj_z', 'z', dInner],
    ['in_proj_x', 'x', dXb],
    ['B_proj', 'B', dXb],
    ['C_proj', 'C', dInner],
    ['dt_proj_down', 'dtDown', dtRank],
  ];
  const inputs =
    layout === 'm1'
      ? [
          joined(
            name('in_proj.weight'),
            dModel,
            projections.map(([, p, rows]) => [path(p), rows] as const),
          ),
        ]
      : projections.map(([n, p, rows]) => matrix(name(`${n}.weight`), path(p), rows, dModel));
  return [
    ...inputs,
    matrix(name('dt_proj.weight'), path('dtUp'), dInner, dtRank),
    dense(name('dt_proj.bias'), path('dtBias'), [dInner]),
    dense(name('conv1d.weight'), path('convWeight'), [dInner, convWidth], [dInner, 1, convWidth]),
    dense(name('conv1d.bias'), path('convBias'), [dInner]),
    dense(name('A_log'), path('ALog'), [dInner, stateDim]),
    dense(name('D'), path('D'), [dInner]),
    matrix(name('out_proj.weight'), path('out'), dModel, dInner),
  ];
}

function mamba2Tensors(
  { dModel }: MambaInLlamaConfig,
  { dInner, dXb, nHeads, convWidth }: GroupedMamba2Config,
  i: number,
): LayoutTensor[] {
  const name = (part: string) => `model.layers.${i}.mamba.${part}`;
  const path = (part: string) => `layers.${i}.mixer.${part}`;
  const convolved = dInner + 2 * dXb;
  return [
    joined(name('in_proj.weight'), dModel, [
      [path('z'), dInner],
      [path('xBC'), convolved],
      [path('dt'), nHeads],
    ]),
    dense(
      name('conv1d.weight'),
      path('convWeight'),
      [convolved, convWidth],
      [convolved, 1, convWidth],
    ),
    dense(name('conv1d.bias'), path('convBias'), [convolved]),
    dense(name('dt_bias'), path('dtBias'), [nHeads]),
    dense(name('A_log'), path('ALog'), [nHeads]),
    dense(name('D'), path('D'), [nHeads]),
    dense(name('norm.weight'), path('norm'), [dInner]),
    matrix(name('out_proj.weight'), path('out'), dModel, dInner),
  ];
}
