/** Rows of a table by their ids; the table may be stored in any form. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import { expectShape } from './shapes.js';

const NAME = 'MambalabEmbedding';

registerCustom({
  name: NAME,
  native(backend, { table, ids }) {
    const shape = [(ids as tf.TensorInfo).shape[0], (table as tf.TensorInfo).shape[1]];
    const y = backend.makeOutput(shape as number[]);
    const operands = [table, ids, y].map((t) => backend.operand(t as tf.TensorInfo));
    backend.engine.run('embedding', operands);
    return y;
  },
  composition({ table, ids }) {
    const [rows] = (table as tf.Tensor2D).shape;
    const bad = (ids as tf.Tensor1D).dataSync().find((id) => id < 0 || id >= (rows as number));
    if (bad !== undefined) {
      throw new Error(`embedding: the id ${bad} is outside 0 to ${(rows as number) - 1}`);
    }
    return tf.gather(table as tf.Tensor2D, ids as tf.Tensor1D);
  },
  gradient: {
    inputsToSave: ['table', 'ids'],
    gradFunc(dy, saved) {
      const [table, ids] = saved as [tf.Tensor2D, tf.Tensor1D];
      return {
        table: () => runCustom(GRADIENT, { ids, dy: dy as tf.Tensor }, { rows: table.shape[0] }),
        ids: () => tf.zerosLike(ids),
      };
    },
  },
});

const GRADIENT = `${NAME}Gradient`;

registerCustom({
  name: GRADIENT,
  native(backend, { ids, dy }, { rows }) {
    const d = (dy as tf.TensorInfo).shape[1] as number;
    const table = backend.makeOutput([rows as number, d]);
    const operands = [ids, dy, table].map((t) => backend.operand(t as tf.TensorInfo));
    backend.engine.run('embeddingBackward', operands, [0]);
    return table;
  },
  composition: ({ ids, dy }, { rows }) =>
    tf.unsortedSegmentSum(dy as tf.Tensor2D, ids as tf.Tensor1D, rows as number),
});

/**
 * Looks rows up.
 *
 * @param table `[rows, d]`.
 * @param ids int32 `[n]`.
 * @returns float32 `[n, d]`.
 * @throws Error naming the first id outside the table.
 */
export function embedding(table: tf.Tensor2D, ids: tf.Tensor1D): tf.Tensor2D {
  expectShape('embedding', 'ids', ids, [undefined], 'int32');
  return runCustom(NAME, { table, ids });
}
