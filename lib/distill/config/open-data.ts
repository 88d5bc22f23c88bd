/** The documents that a configuration names, tokenised and packed. */
import {
  type ChatMessage,
  loadTask,
  readJsonl,
  solvedMessages,
  type Tokenizer,
} from '../../data/index.js';
import type { BatchSource } from '../batch.js';
import { packed } from '../packed-documents.js';
import { conversationDocument, type TokenDocument, textDocument } from '../token-documents.js';
import type { DataConfig } from './parts.js';

/** Packed data of a configuration. */
export interface OpenedData {
  readonly batches: BatchSource;
  readonly documents: number;
  /** Documents that no row holds, which are left out. */
  readonly tooLong: number;
}

/**
 * Reads, tokenises and packs the sources of a configuration; documents that are longer than a row are
 * left out and counted.
 *
 * @throws CheckpointError naming the file and row that is no document; RangeError where none is left.
 */
export function openData(config: DataConfig, tokenizer: Tokenizer): OpenedData {
  const { sources, length, batch, seed, loss } = config;
  const documents: TokenDocument[] = [];
  let tooLong = 0;
  for (const source of sources) {
    for (const document of documentsOf(source, tokenizer, loss)) {
      if (document.tokens.length > length) tooLong++;
      else documents.push(document);
    }
  }
  if (documents.length === 0) {
    const names = sources.map((s) => (typeof s === 'string' ? s : s.task)).join(', ');
    throw new RangeError(
      `data: ${names}: no document fits into rows of ${length} tokens; ${tooLong} are longer`,
    );
  }
  return {
    batches: packed(documents, { length, batch, seed }),
    documents: documents.length,
    tooLong,
  };
}

type Source = DataConfig['sources'][number];

function* documentsOf(
  source: Source,
  tokenizer: Tokenizer,
  loss: 'all' | 'answer',
): Generator<TokenDocument> {
  if (typeof source === 'string') {
    for (const { value, line } of readJsonl(source)) {
      yield rowDocument(source, line, value, tokenizer, loss);
    }
    return;
  }
  const { task: name, problems: count, split, seed, style } = source;
  const { problems, answers } = loadTask(name, {
    split,
    ...(count !== undefined && { problems: count }),
    ...(seed !== undefined && { seed }),
  });
  for (const problem of problems) {
    const messages = solvedMessages(problem, { style, answers });
    yield conversationDocument(tokenizer, problem.id, messages, loss);
  }
}

function rowDocument(
  path: string,
  line: number,
  row: unknown,
  tokenizer: Tokenizer,
  loss: 'all' | 'answer',
): TokenDocument {
  const id = `${path}:${line}`;
  const { messages, prompt, answer, text } = (row ?? {}) as Record<string, unknown>;
  if (Array.isArray(messages)) {
    return conversationDocument(tokenizer, id, messages as ChatMessage[], loss);
  }
  if (typeof prompt === 'string' && typeof answer === 'string') {
    const turns = [
      { role: 'user', content: prompt },
      { role: 'assistant', content: answer },
    ];
    return conversationDocument(tokenizer, id, turns, loss);
  }
  if (typeof text === 'string') return textDocument(tokenizer, id, text);
  throw new Error(
    `${id}: expected messages, prompt and answer, or text, got ${JSON.stringify(row)?.slice(0, 80)}`,
  );
}
