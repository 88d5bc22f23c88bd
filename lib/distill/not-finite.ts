/** What is said where a loss or a gradient is no number any more. */
import * as tf from '@tensorflow/tfjs-core';
import type { Model } from '../models/index.js';
import { type Batch, BatchRoom } from './batch.js';
import type { TrainStep } from './train-step.js';

/** A loss or gradient that is NaN or infinite; the parameters are those before the step. */
export class NotFiniteError extends Error {
  constructor(
    message: string,
    /** The step that failed, counted from 1. */
    readonly step: number,
    /** The documents of its batch. */
    readonly ids: readonly string[],
  ) {
    super(message);
    this.name = 'NotFiniteError';
  }
}

/** The first place of the model whose numbers are not finite on this batch, in words. */
export function firstNotFinite(student: Model, step: TrainStep, batch: Batch): string {
  const layer = firstLayer(student, batch);
  if (layer !== undefined) return layer;
  for (const [path, whole] of step.finite(batch)) {
    if (!whole) return `the gradient of ${path}, while every layer's output is finite`;
  }
  return 'the loss itself, while every layer and gradient is finite';
}

function firstLayer(student: Model, batch: Batch): string | undefined {
  const bad = (t: tf.Tensor) => tf.all(tf.isFinite(t)).dataSync()[0] === 0;
  for (const [path, tensor] of student.parameters()) {
    if (tf.tidy(() => bad(tensor))) return `the parameter ${path}`;
  }
  const room = new BatchRoom(1, batch.length);
  try {
    for (let row = 0; row < batch.batch; row++) {
      room.write(batch, row);
      const { tokens, resets } = room.tensors;
      const at = tf.tidy(() => student.layerStates(tokens, { resets }).findIndex(bad));
      if (at === 0) return `the embedding, in row ${row}`;
      if (at > 0) return `layer ${at - 1}, in row ${row}`;
    }
  } finally {
    room.dispose();
  }
  return undefined;
}
