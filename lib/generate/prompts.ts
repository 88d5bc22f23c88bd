/** Prompts as token ids, checked before anything is computed. */
import * as tf from '@tensorflow/tfjs-core';
import type { Tokenizer } from '../data/index.js';
import type { ModelState, StatePrecision } from '../layers/index.js';
import type { CausalModel } from '../models/index.js';

/** Tokens that one prefill call reads: bounds the memory of long prompts. */
export const CHUNK = 512;

/** A prompt that was read: its state, ready to be copied into rows, and what comes next. */
export interface ReadPrompt {
  /** One row. */
  state: ModelState;
  /** `[1, vocab]`. */
  logits: tf.Tensor2D;
  prefillMs: number;
}

/**
 * Token ids of the prompts.
 *
 * @throws Error naming the prompt's index and what is wrong with it.
 */
export function promptTokens(
  model: CausalModel,
  prompts: readonly (string | readonly number[])[],
  tokenizer: () => Tokenizer,
): number[][] {
  if (!Array.isArray(prompts)) {
    throw new TypeError(
      `sample: prompts must be an array of texts or token ids, got ${typeof prompts}`,
    );
  }
  const { vocabSize, contextLength } = model.config;
  return prompts.map((prompt, i) => {
    const ids =
      typeof prompt === 'string'
        ? tokenizer().encode(prompt, { addSpecialTokens: false })
        : [...prompt];
    if (ids.length === 0) throw new RangeError(`sample: prompt ${i} has no tokens`);
    if (ids.length >= contextLength) {
      throw new RangeError(
        `sample: prompt ${i} has ${ids.length} tokens; the model's context of ${contextLength} leaves no room`,
      );
    }
    const bad = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
    if (bad !== undefined) {
      throw new RangeError(
        `sample: prompt ${i} has the token ${bad}; ids are 0 to ${vocabSize - 1}`,
      );
    }
    return ids;
  });
}

/** Reads a prompt once, in pieces. */
export function readPrompt(
  model: CausalModel,
  ids: readonly number[],
  precision: StatePrecision = 'f32',
): ReadPrompt {
  const start = performance.now();
  const state = model.newState(1, ids.length, { precision });
  let logits: tf.Tensor | undefined;
  try {
    for (let at = 0; at < ids.length; at += CHUNK) {
      const piece = ids.slice(at, at + CHUNK);
      logits?.dispose();
      logits = tf.tidy(() => {
        const tokens = tf.tensor2d([...piece], [1, piece.length], 'int32');
        return model.extend(tokens, state, { logits: 'last' });
      });
    }
  } catch (error) {
    state.dispose();
    throw error;
  }
  return { state, logits: tf.keep(logits as tf.Tensor2D), prefillMs: performance.now() - start };
}

/** Frees what {@link readPrompt} made. */
export function forget(prompt: ReadPrompt): void {
  prompt.state.dispose();
  prompt.logits.dispose();
}
