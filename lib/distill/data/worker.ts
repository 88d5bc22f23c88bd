/** A thread that tokenises: it answers groups of texts in the order in which they come. */
import { parentPort, workerData } from 'node:worker_threads';
import { loadTokenizer, type Tokenizer } from '../../data/tokenizer.js';
import type { TrainingText } from '../../data/training/formats.js';
import { type LossOn, tokenise } from './tokenise.js';

/** What the thread is started with. */
export interface WorkerStart {
  readonly ref: string;
  readonly loss: LossOn;
}

const { ref, loss } = workerData as WorkerStart;
const tokenizer: Tokenizer = loadTokenizer(ref);
parentPort?.on('message', (texts: readonly TrainingText[]) => {
  const made = tokenise(tokenizer, texts, loss);
  const moved = [made.tokens, made.labels, made.mask, made.ends].map(({ buffer }) => buffer);
  parentPort?.postMessage(made, moved);
});
