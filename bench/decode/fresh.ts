/**
 * A process of its own: what a user waits for and pays at batch 1. Prints one line of JSON.
 *
 * Arguments: the model, activations, precision of states, threads, tokens to sample, the prompt's ids with
 * commas.
 */
import { existsSync, readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { init } from '../../lib/backend/index.js';
import type { StatePrecision } from '../../lib/layers/index.js';
import { type Activations, load } from '../../lib/models/index.js';
import { Ours } from './ours.js';

/** What a fresh process measures. */
export interface Fresh {
  /** From the call of `models.load` to the logits of the prompt's last token. */
  firstLogitsMs: number;
  /** The part of it that `models.load` took. */
  loadMs: number;
  /** From the start of the process to the same logits: Node, imports and the addon too. */
  fromStartMs: number;
  /** Peak of the resident memory after sampling at batch 1, mapped weights included. */
  residentBytes: number;
}

/**
 * The process's own peak. Linux's `maxRSS` is no less than what the parent held when it forked, so the
 * kernel's figure for this program alone is read instead.
 */
function peakBytes(): number {
  const status = '/proc/self/status';
  const own = existsSync(status) && /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(status, 'utf8'));
  return 1024 * (own ? Number(own[1]) : process.resourceUsage().maxRSS);
}

const [ref, activations, precision, threads, newTokens, ids] = process.argv.slice(2) as [
  string,
  Activations,
  StatePrecision,
  string,
  string,
  string,
];
const prompt = ids.split(',').map(Number);
init({ threads: Number(threads) });
const start = performance.now();
const model = load(ref, { activations });
const loadMs = performance.now() - start;
const state = model.newState(1, prompt.length, { precision });
const tokens = tf.tensor2d(prompt, [1, prompt.length], 'int32');
const logits = model.extend(tokens, state, { logits: 'last' });
logits.dataSync();
const end = performance.now();
tf.dispose([tokens, logits]);
state.dispose();
await new Ours(model, activations, precision).sample({
  prompt,
  batch: 1,
  newTokens: Number(newTokens),
});
const fresh: Fresh = {
  firstLogitsMs: end - start,
  loadMs,
  fromStartMs: end,
  residentBytes: peakBytes(),
};
process.stdout.write(`${JSON.stringify(fresh)}\n`);
