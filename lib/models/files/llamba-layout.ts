import type { LlambaConfig } from '../llamba-config.js';
import { dense, joined, type Layout, matrix } from './layout.js';
import { mlpTensors } from './llama-layout.js';

/**
 * A Llamba's tensors as its published checkpoints name them.
 *
 * The rows of `in_proj` are [x | B | C | z | a]: z comes after what is convolved.
 */
export function llambaLayout(config: LlambaConfig): Layout {
  const { vocabSize, dModel, nHeads, nQkHeads, headDim, stateDim, convWidth } = config;
  const inner = nHeads * headDim;
  const convolved = inner + 2 * nQkHeads * stateDim;
  const layers = Array.from({ length: config.nLayers }, (_, i) => {
    const name = (part: string) => `backbone.layers.${i}.${part}`;
    const path = (part: string) => `layers.${i}.mixer.${part}`;
    return [
      dense(name('input_layernorm.weight'), `layers.${i}.mixerNorm.weight`, [dModel]),
      joined(name('mixer.in_proj.weight'), dModel, [
        [path('xBC'), convolved],
        [path('z'), inner],
        [path('a'), nHeads],
      ]),
      dense(name('mixer.z_bias'), path('zBias'), [inner]),
      dense(
        name('mixer.conv1d.weight'),
        path('convWeight'),
        [convolved, convWidth],
        [convolved, 1, convWidth],
      ),
      dense(name('mixer.conv1d.bias'), path('convBias'), [convolved]),
      dense(name('mixer.D'), path('D'), [nHeads]),
      matrix(name('mixer.out_proj.weight'), path('out'), dModel, inner),
      ...mlpTensors(config, `backbone.layers.${i}`, i),
    ];
  });
  return [
    matrix('backbone.embedding.weight', 'embedding.weight', vocabSize, dModel),
    ...layers.flat(),
    dense('backbone.final_layernorm.weight', 'norm.weight', [dModel]),
    ...(config.tieEmbeddings ? [] : [matrix('lm_head.weight', 'head.weight', vocabSize, dModel)]),
  ];
}
