/** The tensors of any model's checkpoint. */
import type { Layout } from './files/layout.js';
import { llamaLayout } from './files/llama-layout.js';
import { llambaLayout } from './files/llamba-layout.js';
import { mambaInLlamaLayout } from './files/mamba-in-llama-layout.js';
import type { ModelConfig } from './model-config.js';

/** The layout of a configuration's checkpoint: names, shapes, and the parameters they hold. */
export function layoutOf(config: ModelConfig): Layout {
  switch (config.family) {
    case 'llamba':
      return llambaLayout(config);
    case 'mamba-in-llama':
      return mambaInLlamaLayout(config);
    default:
      return llamaLayout(config);
  }
}
