import { CheckpointError, show } from './errors.js';
import { isObject, type JsonObject } from './json.js';
import { gpt2PreTokenizer, splitBy, splitDigits } from './pre-tokenizers.js';
import type { TensorFile } from './tensor-file.js';

/** What a tokenizer is built from: the two files of a Hugging Face folder, or their equivalent. */
export interface TokenizerFiles {
  /** The file to name in errors. */
  readonly path: string;
  /** tokenizer.json. */
  readonly tokenizer: JsonObject;
  readonly chatTemplate: string | undefined;
  readonly bosToken: string | undefined;
  readonly eosToken: string | undefined;
  readonly padToken: string | undefined;
  /** Ids of tokens that end a text, beside `eosToken`'s. */
  readonly eosIds: readonly number[];
}

const llama3Pattern =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|" +
  ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

const bytesAsCharacters = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };

const llama3PreTokenizer: JsonObject = {
  type: 'Sequence',
  pretokenizers: [splitBy(llama3Pattern), bytesAsCharacters],
};

// By `tokenizer.ggml.pre`: how the text is split, whether a whole word in the vocabulary is taken
// without merging, and whether texts start with the beginning token where the file does not say.
const kinds: Readonly<
  Record<string, { split: JsonObject; ignoreMerges: boolean; addBos: boolean }>
> = {
  smollm: {
    split: { type: 'Sequence', pretokenizers: [splitDigits(true), gpt2PreTokenizer] },
    ignoreMerges: false,
    addBos: false,
  },
  'llama-bpe': { split: llama3PreTokenizer, ignoreMerges: true, addBos: true },
  'gpt-2': { split: gpt2PreTokenizer, ignoreMerges: false, addBos: false },
};

const controlType = 3;
const userDefinedType = 4;

/**
 * Puts the tokenizer in a GGUF file's metadata (`tokenizer.ggml.*`, `tokenizer.chat_template`) as
 * the Hugging Face files that it came from.
 *
 * @throws CheckpointError when the metadata are missing, contradict one another, or describe a
 *   tokenizer other than byte-level BPE with the splits of SmolLM2, Llama 3 or GPT-2.
 */
export function tokenizerFromGguf(file: TensorFile): TokenizerFiles {
  const { path, metadata } = file;
  const fail = (key: string, expected: string, found: unknown): CheckpointError => {
    const shown = found === undefined ? 'nothing' : show(found);
    return new CheckpointError(path, `metadata "tokenizer.${key}"`, expected, shown);
  };
  const get = (key: string): unknown => metadata.get(`tokenizer.${key}`);
  const model = get('ggml.model');
  if (model !== 'gpt2') throw fail('ggml.model', '"gpt2" (byte-level BPE)', model);
  const pre = get('ggml.pre') ?? 'gpt-2';
  const kind = typeof pre === 'string' && Object.hasOwn(kinds, pre) ? kinds[pre] : undefined;
  if (kind === undefined) throw fail('ggml.pre', Object.keys(kinds).map(show).join(', '), pre);
  const tokens = get('ggml.tokens');
  if (!isStrings(tokens) || tokens.length === 0) {
    throw fail('ggml.tokens', 'a list of strings', tokens);
  }
  const merges = get('ggml.merges');
  if (!isStrings(merges)) throw fail('ggml.merges', 'a list of strings', merges);
  const types = get('ggml.token_type');
  const typed = ArrayBuffer.isView(types) && (types as Int32Array).length === tokens.length;
  if (types !== undefined && !typed) {
    throw fail('ggml.token_type', `a list of ${tokens.length} integers`, 'another value');
  }
  const vocab = Object.create(null) as Record<string, number>;
  for (const [id, token] of tokens.entries()) {
    if (vocab[token] !== undefined) throw fail('ggml.tokens', 'each token once', token);
    vocab[token] = id;
  }
  const added = [];
  for (const [id, content] of tokens.entries()) {
    const type = typed ? (types as Int32Array)[id] : undefined;
    if (type !== controlType && type !== userDefinedType) continue;
    if (content === '') throw fail('ggml.tokens', 'a text for each control token', content);
    added.push({ id, content, special: type === controlType, normalized: false });
  }
  const id = (key: string): number | undefined => {
    const value = get(`ggml.${key}`);
    if (value === undefined) return undefined;
    if (!Number.isInteger(value) || tokens[value as number] === undefined) {
      throw fail(`ggml.${key}`, `a token id below ${tokens.length}`, value);
    }
    return value as number;
  };
  const bosId = id('bos_token_id');
  const eosIds = [id('eos_token_id'), id('eot_token_id'), id('eom_token_id')];
  const padId = id('padding_token_id');
  const template = get('chat_template');
  if (template !== undefined && typeof template !== 'string') {
    throw fail('chat_template', 'a string', template);
  }
  const addBos = (get('ggml.add_bos_token') ?? kind.addBos) === true && bosId !== undefined;
  const textOf = (of: number | undefined): string | undefined =>
    of === undefined ? undefined : tokens[of];
  return {
    path,
    tokenizer: {
      added_tokens: added,
      normalizer: null,
      pre_tokenizer: kind.split,
      post_processor: addBos ? startWith(tokens[bosId] ?? '', bosId) : null,
      decoder: { type: 'ByteLevel' },
      model: { type: 'BPE', unk_token: null, vocab, merges, ignore_merges: kind.ignoreMerges },
    },
    chatTemplate: template,
    bosToken: textOf(bosId),
    eosToken: textOf(eosIds[0]),
    padToken: textOf(padId),
    eosIds: eosIds.flatMap((x) => (x === undefined ? [] : [x])),
  };
}

function startWith(token: string, id: number): JsonObject {
  const sequence = { Sequence: { id: 'A', type_id: 0 } };
  const special = { SpecialToken: { id: token, type_id: 0 } };
  return {
    type: 'TemplateProcessing',
    single: [special, sequence],
    pair: [special, sequence],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  };
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((x) => typeof x === 'string');
}

/** A token's text in tokenizer_config.json: a string, or an object with `content`. */
export function tokenText(path: string, key: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  const text = isObject(value) ? value.content : value;
  if (typeof text === 'string') return text;
  throw new CheckpointError(path, show(key), 'a token', show(value));
}
