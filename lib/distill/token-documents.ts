/** Texts as tokens with a label for each. */
import type { ChatMessage, Tokenizer } from '../data/index.js';

/** Tokens and what should follow each of them. */
export interface TokenDocument {
  /** For messages: where it comes from. */
  readonly id: string;
  readonly tokens: readonly number[];
  readonly labels: readonly number[];
  /** Not 0 where the label counts. */
  readonly mask: readonly number[];
}

/**
 * A conversation by the tokenizer's chat template, as a document.
 *
 * @param loss which labels count: those of the assistant's turns and their ends, or all.
 * @throws Error where the template does not write turns one after another, or the tokenizer joins a
 *   prompt with its answer.
 */
export function conversationDocument(
  tokenizer: Tokenizer,
  id: string,
  messages: readonly ChatMessage[],
  loss: 'answer' | 'all',
): TokenDocument {
  const encode = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  const tokens = encode(tokenizer.applyChatTemplate(messages));
  const counts = tokens.map(() => Number(loss === 'all'));
  if (loss === 'answer') {
    for (const [i, { role }] of messages.entries()) {
      if (role !== 'assistant') continue;
      const before = messages.slice(0, i);
      const from = encode(tokenizer.applyChatTemplate(before, { addGenerationPrompt: true }));
      const to = encode(tokenizer.applyChatTemplate(messages.slice(0, i + 1)));
      if ([...from, ...to.slice(from.length)].some((token, at) => token !== tokens[at])) {
        throw new Error(`${id}: the tokens of turn ${i} depend on what follows it`);
      }
      counts.fill(1, from.length, to.length);
    }
  }
  return {
    id,
    tokens,
    labels: tokens.map((_, i) => tokens[i + 1] ?? 0),
    mask: tokens.map((_, i) => counts[i + 1] ?? 0),
  };
}

/** A plain text as a document, all of whose labels count, its end among them. */
export function textDocument(tokenizer: Tokenizer, id: string, text: string): TokenDocument {
  const [end] = tokenizer.eosIds;
  const tokens = [...tokenizer.encode(text), ...(end === undefined ? [] : [end])];
  return {
    id,
    tokens,
    labels: tokens.map((_, i) => tokens[i + 1] ?? 0),
    mask: tokens.map((_, i) => Number(i + 1 < tokens.length)),
  };
}
