import { CheckpointError, show } from '../models/files/errors.js';
import { isObject, type JsonObject } from '../models/files/json.js';
import { gpt2PreTokenizer, splitDigits } from '../models/files/pre-tokenizers.js';

/** An added token: matched in the text before anything else. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Whether it is markup rather than text, left out by `skipSpecialTokens`. */
  readonly special: boolean;
}

/** A checked tokenizer.json, ready for @huggingface/tokenizers. */
export interface TokenizerParts {
  /** The object to build the tokenizer from. */
  readonly json: JsonObject;
  /** Token strings by id; holes are ids that stand for nothing. */
  readonly tokens: readonly (string | undefined)[];
  readonly added: readonly AddedToken[];
}

const mostTokens = 2 ** 24;

/**
 * Checks a tokenizer.json of byte-level byte-pair encoding and adapts it to JavaScript, where
 * `\d` and `\s` are other sets of characters than in Hugging Face's Rust library.
 *
 * @param path the file to name in errors.
 * @throws CheckpointError naming the part, what was expected and what is there.
 */
export function checkTokenizerJson(path: string, json: JsonObject): TokenizerParts {
  const fail = (where: string, expected: string, found: unknown): CheckpointError =>
    new CheckpointError(path, where, expected, found === undefined ? 'nothing' : show(found));
  const { model } = json;
  if (!isObject(model)) throw fail('"model"', 'an object', model);
  const type = model.type ?? (Array.isArray(model.merges) ? 'BPE' : undefined);
  if (type !== 'BPE') throw fail('"model.type"', '"BPE"', type);
  if (!isObject(model.vocab)) throw fail('"model.vocab"', 'an object of token ids', model.vocab);
  const tokens: (string | undefined)[] = [];
  const ids = new Map<string, number>();
  for (const [token, id] of Object.entries(model.vocab)) {
    const where = `"model.vocab" at ${show(token)}`;
    place(tokens, ids, token, id, (expected) => fail(where, expected, id));
  }
  checkMerges(model.merges, ids, fail);
  const added = checkAdded(json.added_tokens, tokens, ids, fail);
  if (!usesByteLevel(json.decoder)) {
    throw fail('"decoder"', 'a byte-level decoder (other kinds are not supported)', json.decoder);
  }
  const checked = {
    normalizer: null,
    post_processor: null,
    ...json,
    model: { ...model, type, unk_token: model.unk_token ?? null },
    pre_tokenizer: adaptPreTokenizer(json.pre_tokenizer),
    added_tokens: json.added_tokens ?? [],
  };
  return { json: checked, tokens, added };
}

type Fail = (where: string, expected: string, found: unknown) => CheckpointError;

function place(
  tokens: (string | undefined)[],
  ids: Map<string, number>,
  token: string,
  id: unknown,
  fail: (expected: string) => CheckpointError,
): asserts id is number {
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= mostTokens) {
    throw fail(`an id from 0 to ${mostTokens - 1}`);
  }
  const other = tokens[id];
  if (other !== undefined && other !== token) throw fail(`an id that ${show(other)} does not have`);
  tokens[id] = token;
  ids.set(token, id);
}

function checkMerges(merges: unknown, ids: ReadonlyMap<string, number>, fail: Fail): void {
  if (!Array.isArray(merges)) throw fail('"model.merges"', 'a list', merges);
  const pairs = Array.isArray(merges[0]);
  for (const [i, merge] of merges.entries()) {
    const where = `"model.merges[${i}]"`;
    const isPair = Array.isArray(merge) && merge.every((x) => typeof x === 'string');
    if (pairs ? !isPair : typeof merge !== 'string') {
      throw fail(where, pairs ? 'a pair of tokens' : 'two tokens with a space between', merge);
    }
    const parts: string[] = pairs ? merge : merge.split(' ');
    const [left, right] = parts;
    if (parts.length !== 2 || left === undefined || right === undefined) {
      throw fail(where, 'two tokens', merge);
    }
    for (const part of [left, right, left + right]) {
      if (!ids.has(part)) throw fail(where, `${show(part)} in the vocabulary`, merge);
    }
  }
}

function checkAdded(
  value: unknown,
  tokens: (string | undefined)[],
  ids: Map<string, number>,
  fail: Fail,
): AddedToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw fail('"added_tokens"', 'a list', value);
  return value.map((item: unknown, i) => {
    const where = `"added_tokens[${i}]"`;
    if (!isObject(item)) throw fail(where, 'an object with id and content', item);
    const { id, content, special } = item;
    if (typeof content !== 'string' || content === '') throw fail(where, 'a content', content);
    place(tokens, ids, content, id, (expected) => fail(where, expected, id));
    return { id, content, special: special === true };
  });
}

function usesByteLevel(decoder: unknown): boolean {
  if (!isObject(decoder)) return false;
  if (decoder.type === 'ByteLevel') return true;
  const inner = decoder.decoders;
  return decoder.type === 'Sequence' && Array.isArray(inner) && inner.length === 1
    ? usesByteLevel(inner[0])
    : false;
}

/**
 * Pre-tokenizers whose JavaScript form differs from the Rust library's, put as the `Split` that
 * does the same: `Digits`, and `ByteLevel` with its own regular expression.
 */
function adaptPreTokenizer(value: unknown, depth = 0): unknown {
  if (!isObject(value) || depth > 8) return value ?? null;
  if (value.type === 'Digits') return splitDigits(value.individual_digits === true);
  if (value.type === 'ByteLevel' && value.use_regex !== false && value.add_prefix_space !== true) {
    return gpt2PreTokenizer;
  }
  const inner = value.pretokenizers;
  if (value.type !== 'Sequence' || !Array.isArray(inner)) return value;
  return { ...value, pretokenizers: inner.map((x) => adaptPreTokenizer(x, depth + 1)) };
}
