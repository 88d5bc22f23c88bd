import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildTokenizer, loadTokenizer, type Tokenizer } from '../../lib/data/tokenizer.js';
import { readGguf } from '../../lib/models/files/gguf.js';
import { tokenizerFromGguf } from '../../lib/models/files/tokenizer-gguf.js';
import { resolveModel } from '../../lib/models/resolve.js';

// Written by test/goldens/smollm2.py, one row for each of test/goldens/hard-lines.jsonl.
interface Row {
  readonly ids: number[];
  readonly decoded: string;
  readonly plain: string;
  readonly llama3Ids: number[];
  readonly messages: { role: string; content: string }[];
  readonly addGenerationPrompt: boolean;
  readonly chat: string;
  readonly chatIds: number[];
}

const goldens = new URL('../goldens/', import.meta.url);

function jsonLines<T>(text: string): T[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

const lines = jsonLines<string>(readFileSync(new URL('hard-lines.jsonl', goldens), 'utf8'));
const rows = jsonLines<Row>(
  gunzipSync(readFileSync(new URL('smollm2-tokenizer.jsonl.gz', goldens))).toString(),
);

/** Rows whose value differs, with the value that came, so that a failure shows all of them. */
function differing<T>(of: (row: Row, line: string) => [T, T]): unknown[] {
  return rows.flatMap((row, i) => {
    const [found, expected] = of(row, lines[i] as string);
    const same = JSON.stringify(found) === JSON.stringify(expected);
    return same ? [] : [{ i, line: lines[i], found, expected }];
  });
}

describe("SmolLM2's tokenizer out of the GGUF file, against transformers on 1,000 hard lines", () => {
  let tokenizer: Tokenizer;
  beforeAll(() => {
    tokenizer = loadTokenizer('smollm2-135m-instruct');
  });

  it('has a golden row for each of 1,000 lines', () => {
    expect(rows).toHaveLength(1000);
    expect(lines).toHaveLength(1000);
  });

  it('encodes to the same ids', () => {
    expect(differing((row, line) => [tokenizer.encode(line), row.ids])).toEqual([]);
  });

  it('decodes to the same text', () => {
    expect(differing((row) => [tokenizer.decode(row.ids), row.decoded])).toEqual([]);
  });

  it('decodes to the same text without special tokens', () => {
    const plain = (ids: number[]) => tokenizer.decode(ids, { skipSpecialTokens: true });
    expect(differing((row) => [plain(row.ids), row.plain])).toEqual([]);
  });

  it('renders the same chats', () => {
    const chat = ({ messages, addGenerationPrompt }: Row) =>
      tokenizer.applyChatTemplate(messages, { addGenerationPrompt });
    expect(differing((row) => [chat(row), row.chat])).toEqual([]);
  });

  it('encodes rendered chats to the same ids', () => {
    const encode = (chat: string) => tokenizer.encode(chat, { addSpecialTokens: false });
    expect(differing((row) => [encode(row.chat), row.chatIds])).toEqual([]);
  });

  it('streams the same text token by token, never half a character', () => {
    const bad = rows.filter(({ ids, decoded }) => {
      const decoder = tokenizer.createDecoder();
      const pieces = [...ids.map((id) => decoder.push(id)), decoder.flush()];
      const broken = pieces.some(
        (piece) => piece.includes('\ufffd') && !decoded.includes('\ufffd'),
      );
      return broken || pieces.join('') !== decoded;
    });
    expect(bad).toEqual([]);
  });

  it("splits as Llama 3's tokenizer does where the file says so", () => {
    const file = readGguf(resolveModel('smollm2-135m-instruct'));
    const files = tokenizerFromGguf(file);
    const llama = tokenizerFromGguf({
      ...file,
      metadata: new Map([...file.metadata, ['tokenizer.ggml.pre', 'llama-bpe']]),
    });
    // The golden kept SmolLM2's rule of always merging, which is not part of the split.
    const model = files.tokenizer.model;
    const mixed = buildTokenizer({ ...llama, tokenizer: { ...llama.tokenizer, model } });
    expect(differing((row, line) => [mixed.encode(line), row.llama3Ids])).toEqual([]);
  });
});
