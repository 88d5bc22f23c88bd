/** Reads conversations side by side and asks at the end of each piece. */
import * as tf from '@tensorflow/tfjs-core';
import type { ModelState } from '../../layers/index.js';
import type { CausalModel } from '../../models/index.js';
import type { Conversation } from './conversation.js';

/** Tokens that are read at once, over all rows: enough for a fast product, little memory. */
const TOKENS = 512;

/** Rows that have ended are dropped once they are this share: dropping copies the others. */
const IDLE = 1 / 4;

/** The two tokens that are compared. */
export interface Answers {
  readonly good: number;
  readonly bad: number;
}

/** How far a conversation has been read. */
interface Reader {
  readonly pieces: readonly (readonly number[])[];
  readonly scores: number[];
  piece: number;
  /** Tokens of the piece that were read. */
  at: number;
}

/**
 * The probability of `good` against `bad` after each piece of each conversation. What all
 * conversations begin with is read once; then all of them go forward side by side, each row from its own
 * place and no row across the end of a piece.
 */
export function scorePieces(
  model: CausalModel,
  conversations: readonly Conversation[],
  answers: Answers,
): number[][] {
  const scores: number[][] = conversations.map(() => []);
  let rows: Reader[] = conversations
    .map(({ pieces }, i) => ({ pieces, scores: scores[i] as number[], piece: 0, at: 0 }))
    .filter(({ pieces }) => pieces.length > 0);
  if (rows.length === 0) return scores;
  const shared = commonPrefix(rows.map(({ pieces }) => pieces[0] ?? []));
  for (const row of rows) row.at = shared.length;
  const longest = Math.max(...rows.map(({ pieces }) => pieces.flat().length));
  let state = readShared(model, shared, rows.length, longest);
  try {
    while (rows.some(isGoingOn)) {
      const active = rows.flatMap((row, i) => (isGoingOn(row) ? [i] : []));
      if (active.length <= (1 - IDLE) * rows.length) {
        const fewer = state.select(active);
        state.dispose();
        state = fewer;
        rows = active.map((i) => rows[i] as Reader);
      }
      readOn(model, state, rows, answers);
    }
    return scores;
  } finally {
    state.dispose();
  }
}

const isGoingOn = ({ piece, pieces }: Reader): boolean => piece < pieces.length;

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
    for (let at = 0; at < shared.length; at += TOKENS) {
      const ids = shared.slice(at, at + TOKENS);
      const tokens = tf.tensor2d([...ids], [1, ids.length], 'int32');
      tf.dispose([model.extend(tokens, one, { logits: 'last' }), tokens]);
    }
    return one.select(new Array<number>(rows).fill(0), capacity);
  } finally {
    one.dispose();
  }
}

/** Moves each row on by some tokens of its piece, and takes down the scores of the pieces that end. */
function readOn(
  model: CausalModel,
  state: ModelState,
  rows: readonly Reader[],
  { good, bad }: Answers,
): void {
  const most = Math.ceil(TOKENS / rows.length);
  const next = rows.map(({ pieces, piece, at }) => (pieces[piece] ?? []).slice(at, at + most));
  const lengths = next.map(({ length }) => length);
  const width = Math.max(...lengths);
  const ids = new Int32Array(rows.length * width);
  for (const [i, tokens] of next.entries()) ids.set(tokens, i * width);
  const pair = tf.tidy(() => {
    const tokens = tf.tensor2d(ids, [rows.length, width], 'int32');
    const logits = model.extend(tokens, state, { lengths, logits: 'last' });
    return tf.gather(logits, tf.tensor1d([good, bad], 'int32'), 1).dataSync();
  });
  for (const [i, row] of rows.entries()) {
    if (!isGoingOn(row)) continue;
    row.at += lengths[i] as number;
    if (row.at < (row.pieces[row.piece] as readonly number[]).length) continue;
    row.scores.push(1 / (1 + Math.exp((pair[2 * i + 1] as number) - (pair[2 * i] as number))));
    row.piece++;
    row.at = 0;
  }
}
