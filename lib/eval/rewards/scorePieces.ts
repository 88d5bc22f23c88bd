/** Reads conversations side by side and asks at the end of each piece. */
import * as tf from '@tensorflow/tfjs-core';
import type { ModelState } from '../../layers/index.js';
import type { CausalModel } from '../../models/index.js';
import type { Conversation } from './conversation.js';

/** Tokens of each row that are read at once: bounds the memory of long pieces. */
const CHUNK = 256;

/** The two tokens that are compared. */
export interface Answers {
  readonly good: number;
  readonly bad: number;
}

/**
 * The probability of `good` against `bad` after each piece of each conversation. What all
 * conversations begin with is read once; then all of them go forward piece by piece, each row from its
 * own place.
 */
export function scorePieces(
  model: CausalModel,
  conversations: readonly Conversation[],
  answers: Answers,
): number[][] {
  const scores: number[][] = conversations.map(() => []);
  // Most pieces first: those that are done fall off at the end.
  const order = conversations
    .map((_, i) => i)
    .filter((i) => piecesOf(conversations, i).length > 0)
    .sort((a, b) => piecesOf(conversations, b).length - piecesOf(conversations, a).length);
  if (order.length === 0) return scores;
  const shared = commonPrefix(order.map((i) => piecesOf(conversations, i)[0] ?? []));
  const longest = Math.max(...order.map((i) => piecesOf(conversations, i).flat().length));
  let state = readShared(model, shared, order.length, longest);
  try {
    const most = piecesOf(conversations, order[0] as number).length;
    for (let k = 0; k < most; k++) {
      const active = order.filter((i) => k < piecesOf(conversations, i).length);
      if (active.length < state.batch) {
        const fewer = state.select(active.map((_, row) => row));
        state.dispose();
        state = fewer;
      }
      const pieces = active.map((i) => {
        const piece = piecesOf(conversations, i)[k] as readonly number[];
        return k === 0 ? piece.slice(shared.length) : piece;
      });
      for (const [row, score] of scoresAfter(model, state, pieces, answers).entries()) {
        scores[active[row] as number]?.push(score);
      }
    }
    return scores;
  } finally {
    state.dispose();
  }
}

function piecesOf(conversations: readonly Conversation[], i: number) {
  return (conversations[i] as Conversation).pieces;
}

/** The longest common beginning that leaves each at least one token. */
function commonPrefix(pieces: readonly (readonly number[])[]): readonly number[] {
  const [first = [], ...others] = pieces;
  let length = Math.min(...pieces.map((piece) => piece.length)) - 1;
  for (const other of others) {
    let same = 0;
    while (same < length && other[same] === first[same]) same++;
    length = same;
  }
  return first.slice(0, length);
}

function readShared(
  model: CausalModel,
  shared: readonly number[],
  rows: number,
  capacity: number,
): ModelState {
  if (shared.length === 0) return model.newState(rows, capacity);
  const one = model.newState(1, shared.length);
  try {
    for (let at = 0; at < shared.length; at += CHUNK) {
      const ids = shared.slice(at, at + CHUNK);
      const tokens = tf.tensor2d([...ids], [1, ids.length], 'int32');
      tf.dispose([model.extend(tokens, one, { logits: 'last' }), tokens]);
    }
    return one.select(new Array<number>(rows).fill(0), capacity);
  } finally {
    one.dispose();
  }
}

function scoresAfter(
  model: CausalModel,
  state: ModelState,
  pieces: readonly (readonly number[])[],
  { good, bad }: Answers,
): Float64Array {
  const scores = new Float64Array(pieces.length);
  const longest = Math.max(...pieces.map((piece) => piece.length));
  for (let at = 0; at < longest; at += CHUNK) {
    const width = Math.min(CHUNK, longest - at);
    const lengths = pieces.map((piece) => Math.min(Math.max(piece.length - at, 0), width));
    const ids = new Int32Array(pieces.length * width);
    for (const [row, piece] of pieces.entries()) ids.set(piece.slice(at, at + width), row * width);
    const pair = tf.tidy(() => {
      const tokens = tf.tensor2d(ids, [pieces.length, width], 'int32');
      const logits = model.extend(tokens, state, { lengths, logits: 'last' });
      return tf.gather(logits, tf.tensor1d([good, bad], 'int32'), 1).dataSync();
    });
    for (const [row, piece] of pieces.entries()) {
      if (piece.length <= at || piece.length > at + width) continue;
      const [yes = 0, no = 0] = [pair[2 * row], pair[2 * row + 1]];
      scores[row] = 1 / (1 + Math.exp(no - yes));
    }
  }
  return scores;
}
