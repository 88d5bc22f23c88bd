/** Training texts as tokens, in the form in which threads hand them on. */
import type { Tokenizer, TrainingText } from '../../data/index.js';
import { conversationDocument, type TokenDocument, textDocument } from '../token-documents.js';
import type { Piece } from './pack.js';

/** Which labels count: those of the assistant's turns and their ends, or all. */
export type LossOn = 'answer' | 'all';

/** Documents one after another: those before the first that could not be made, and why it could not. */
export interface Tokenised {
  readonly tokens: Int32Array<ArrayBuffer>;
  readonly labels: Int32Array<ArrayBuffer>;
  readonly mask: Uint8Array<ArrayBuffer>;
  /** Where each ends. */
  readonly ends: Uint32Array<ArrayBuffer>;
  readonly failure?: string;
}

/** A text as a document: a conversation by the tokenizer's template, or the text and its end. */
export function documentOf(tokenizer: Tokenizer, text: TrainingText, loss: LossOn): TokenDocument {
  return 'messages' in text
    ? conversationDocument(tokenizer, text.id, text.messages, loss)
    : textDocument(tokenizer, text.id, text.text);
}

/** Tokenises texts; one that fails ends the list, so that those before it can be given first. */
export function tokenise(
  tokenizer: Tokenizer,
  texts: readonly TrainingText[],
  loss: LossOn,
): Tokenised {
  const documents: TokenDocument[] = [];
  let failure: string | undefined;
  for (const text of texts) {
    try {
      documents.push(documentOf(tokenizer, text, loss));
    } catch (error) {
      const { message } = error as Error;
      failure = message.startsWith(text.id) ? message : `${text.id}: ${message}`;
      break;
    }
  }
  const size = documents.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const made = {
    tokens: new Int32Array(size),
    labels: new Int32Array(size),
    mask: new Uint8Array(size),
    ends: new Uint32Array(documents.length),
  };
  let at = 0;
  for (const [i, { tokens, labels, mask }] of documents.entries()) {
    made.tokens.set(tokens, at);
    made.labels.set(labels, at);
    made.mask.set(mask, at);
    at += tokens.length;
    made.ends[i] = at;
  }
  return { ...made, ...(failure !== undefined && { failure }) };
}

/**
 * Document `i` of those that were tokenised together.
 *
 * @throws Error where it is the one that could not be made.
 */
export function documentAt(
  { tokens, labels, mask, ends, failure }: Tokenised,
  i: number,
  id: string,
): Piece {
  if (i >= ends.length) throw new Error(failure ?? `${id}: it was not tokenised`);
  const range = [i === 0 ? 0 : (ends[i - 1] as number), ends[i] as number] as const;
  return {
    id,
    tokens: tokens.subarray(...range),
    labels: labels.subarray(...range),
    mask: mask.subarray(...range),
  };
}
