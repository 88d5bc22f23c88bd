/** A teacher's likeliest next tokens at the positions of a batch that count. */
import * as tf from '@tensorflow/tfjs-core';
import { linear } from '../../backend/custom/linear.js';
import { topKLogProbs } from '../../backend/custom/top-k-log-probs.js';
import type { Model } from '../../models/index.js';
import { type Batch, BatchRoom } from '../batch.js';
import { headOf } from '../objectives.js';
import type { Lost } from './manifest.js';
import type { CountedRows } from './shard.js';

/** Tokens that the teacher reads at a time, unless a row is longer. */
const TOKENS = 4096;

/** Bytes of the logits that are in memory at a time. */
const CHUNK_BYTES = 64 << 20;

/** How distributions are cut. */
export interface CutOptions {
  readonly k: number;
  readonly temperature: number;
}

/**
 * Reads a batch.
 *
 * @returns what is kept of each counted position, in order, and what that loses, as means over them.
 */
export function countedRows(
  teacher: Model,
  batch: Batch,
  { k, temperature }: CutOptions,
): CountedRows & { readonly lost: Lost } {
  const { vocabSize } = teacher.config;
  const counted = [...batch.mask.keys()].filter((i) => batch.mask[i] !== 0);
  const ids = new Int32Array(counted.length * k);
  const logProbs = new Float32Array(counted.length * (k + 1));
  const entropies = new Float32Array(counted.length);
  const rows = rowsAtATime(batch);
  const chunk = Math.max(1, Math.floor(CHUNK_BYTES / (4 * vocabSize)));
  const room = new BatchRoom(rows, batch.length);
  let done = 0;
  try {
    for (let from = 0; from < batch.batch; from += rows) {
      const first = from * batch.length;
      const end = first + rows * batch.length;
      const some = counted.filter((i) => i >= first && i < end).map((i) => i - first);
      if (some.length === 0) continue;
      room.write(batch, from);
      tf.tidy(() => {
        const { hidden, weight } = headOf(teacher, room.tensors);
        for (let at = 0; at < some.length; at += chunk) {
          const places = some.slice(at, at + chunk);
          tf.tidy(() => {
            const states = tf.gather(hidden, tf.tensor1d(places, 'int32'));
            const logits = linear(states, weight) as tf.Tensor2D;
            const cut = topKLogProbs(logits, k, { temperature });
            ids.set(cut.ids.dataSync(), done * k);
            logProbs.set(cut.logProbs.dataSync(), done * (k + 1));
            entropies.set(cut.restEntropy.dataSync(), done);
          });
          done += places.length;
        }
      });
    }
  } finally {
    room.dispose();
  }
  return { ids, logProbs, lost: lostIn(logProbs, entropies, k, vocabSize) };
}

/** As many rows as make the tokens of one reading, and divide the batch. */
function rowsAtATime({ batch, length }: Batch): number {
  for (let rows = batch; rows > 1; rows--) {
    if (batch % rows === 0 && rows * length <= TOKENS) return rows;
  }
  return 1;
}

function lostIn(
  logProbs: Float32Array,
  entropies: Float32Array,
  k: number,
  vocabSize: number,
): Lost {
  let [mass, truncationKL, restKL] = [0, 0, 0];
  for (const [i, entropy] of entropies.entries()) {
    const row = logProbs.subarray(i * (k + 1), (i + 1) * (k + 1));
    const rest = Math.exp(row[k] as number);
    mass += rest;
    // A float32 may have rounded nearly all to all.
    truncationKL -= Math.log1p(-Math.min(rest, 1 - Number.EPSILON));
    if (k < vocabSize) restKL += rest * (Math.log(vocabSize - k) - entropy);
  }
  const positions = Math.max(1, entropies.length);
  return {
    mass: mass / positions,
    truncationKL: truncationKL / positions,
    restKL: restKL / positions,
  };
}
