/** Activation checkpointing (Chen et al. 2016): a block's insides are computed again for its gradient. */
import * as tf from '@tensorflow/tfjs-core';
import { keepingTape } from '../backend/custom/tape.js';
import type { BlockContext, ResidualBlock } from '../layers/index.js';

/** Calls a block so that its gradient keeps nothing but its input. */
export function checkpointed(block: ResidualBlock, h: tf.Tensor, context: BlockContext): tf.Tensor {
  const parameters = [...block.parametersByPath('').values()];
  // Saved too: what was made inside the loss is gone when its gradient is taken.
  const names = (['starts', 'lens', 'resets'] as const).filter((name) => context[name]);
  const op = tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const save = args.at(-1) as tf.GradSaveFunc;
    const x = args[0] as tf.Tensor;
    save([x, ...names.map((name) => context[name] as tf.Tensor)]);
    const gradFunc = (dy: tf.Tensor, [x, ...held]: tf.Tensor[]) =>
      keepingTape(() => {
        const kept = Object.fromEntries(names.map((name, i) => [name, held[i]]));
        const forward = () => block.call(x as tf.Tensor, { ...context, ...kept } as BlockContext);
        return tf.engine().gradients(forward, [x as tf.Tensor, ...parameters], dy).grads;
      });
    return { value: block.call(x, context), gradFunc };
  });
  return op(h, ...parameters);
}
