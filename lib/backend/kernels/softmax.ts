import { kernel, size } from './kernel.js';

/** exp(x - max) / sum over the last axis. */
export const softmax = kernel<{ dim: number }>('Softmax', (call, { logits }, { dim }) => {
  if (logits?.dtype !== 'float32' || size(logits.shape) === 0) return undefined;
  const last = logits.shape.length - 1;
  if (dim !== -1 && dim !== last) return undefined;
  const y = call.output(logits.shape, 'float32');
  call.run('softmax', [call.dense(logits), y], [logits.shape[last] ?? 1]);
  return y;
});
