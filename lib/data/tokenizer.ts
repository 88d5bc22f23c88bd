import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer as Engine } from '@huggingface/tokenizers';
import { CheckpointError, show } from '../models/files/errors.js';
import { readGguf } from '../models/files/gguf.js';
import { type TokenizerFiles, tokenizerFromGguf } from '../models/files/tokenizer-gguf.js';
import { resolveModel } from '../models/resolve.js';
import { bytesOfToken } from './byte-level.js';
import { type ChatMessage, type ChatTemplateOptions, chatTemplate } from './chat-template.js';
import { tokenizerFromFolder } from './tokenizer-folder.js';
import { checkTokenizerJson } from './tokenizer-json.js';

/** Options of `encode`. */
export interface EncodeOptions {
  /**
   * Whether to add the tokens that every text of this model starts or ends with. Default true;
   * false for rendered chat templates, which have them already.
   */
  readonly addSpecialTokens?: boolean;
}

/** Options of `decode` and `createDecoder`. */
export interface DecodeOptions {
  /** Leave out the tokens that are markup, such as `<|im_end|>`. Default false. */
  readonly skipSpecialTokens?: boolean;
}

/** Turns a stream of tokens into text, piece by piece. */
export interface StreamDecoder {
  /**
   * The text that is complete with this token: empty while a character's bytes are still to come.
   *
   * @throws RangeError when there is no such token.
   */
  push(id: number): string;
  /** The rest; a character that was left unfinished becomes U+FFFD. Starts anew afterwards. */
  flush(): string;
}

/** Text to token ids and back, exactly as Hugging Face's tokenizers do it. */
export interface Tokenizer {
  /** What it was loaded by, from which another thread loads the same; undefined where it was built. */
  readonly ref: string | undefined;
  /** One more than the largest id. */
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  /** Every token that ends a text, the usual one first. */
  readonly eosIds: readonly number[];
  readonly padId: number | undefined;
  /** Token ids of a text. Special tokens written out in the text become those tokens. */
  encode(text: string, options?: EncodeOptions): number[];
  /**
   * The text of token ids; bytes that are not UTF-8 become U+FFFD.
   *
   * @throws RangeError naming the position of an id that is no token's.
   */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  /** A decoder for tokens that arrive one by one. */
  createDecoder(options?: DecodeOptions): StreamDecoder;
  /**
   * The prompt for a conversation, by the model's own template.
   *
   * @throws Error when the model has no template or it does not fit the messages.
   */
  applyChatTemplate(messages: readonly ChatMessage[], options?: ChatTemplateOptions): string;
  /** The token's string in the vocabulary, where a space is written `Ġ`. */
  idToToken(id: number): string | undefined;
  tokenToId(token: string): number | undefined;
  /** Whether the token is markup rather than text. */
  isSpecial(id: number): boolean;
}

/**
 * Loads a model's tokenizer and chat template.
 *
 * @param ref a model's name such as `smollm2-135m-instruct`, a Hugging Face folder with a
 *   tokenizer.json, a GGUF file, or anything with such a `ref`, like a loaded model.
 * @throws Error when there is no such model, CheckpointError when its files are not valid.
 */
export function loadTokenizer(ref: string | { readonly ref: string }): Tokenizer {
  const name = typeof ref === 'string' ? ref : ref.ref;
  // A folder may hold a tokenizer and no model.
  if (existsSync(join(name, 'tokenizer.json'))) {
    return buildTokenizer(tokenizerFromFolder(name), name);
  }
  const path = resolveModel(name);
  const isFolder = statSync(path).isDirectory();
  return buildTokenizer(
    isFolder ? tokenizerFromFolder(path) : tokenizerFromGguf(readGguf(path)),
    name,
  );
}

/** A token's bytes, and their text where they are whole characters. */
interface TokenPiece {
  readonly bytes: Uint8Array;
  readonly text: string | undefined;
}

function tokenPiece(bytes: Uint8Array): TokenPiece {
  try {
    return {
      bytes,
      text: new TextDecoder('utf-8', { ignoreBOM: true, fatal: true }).decode(bytes),
    };
  } catch {
    return { bytes, text: undefined };
  }
}

/**
 * Builds a tokenizer from the contents of its files.
 *
 * @param ref what it is loaded by.
 * @throws CheckpointError naming the part that is missing or wrong.
 */
export function buildTokenizer(files: TokenizerFiles, ref?: string): Tokenizer {
  const { path } = files;
  const { json, tokens, added } = checkTokenizerJson(path, files.tokenizer);
  let engine: Engine;
  try {
    engine = new Engine(json, { clean_up_tokenization_spaces: false });
  } catch (error) {
    const found = (error as Error).message;
    throw new CheckpointError(path, 'tokenizer', 'parts that are known', found);
  }
  const tokenId = (key: string, token: string | undefined): number | undefined => {
    if (token === undefined) return undefined;
    const id = engine.token_to_id(token);
    if (id !== undefined) return id;
    throw new CheckpointError(path, key, 'a token of the vocabulary', show(token));
  };
  const bosId = tokenId('bos_token', files.bosToken);
  const eosId = tokenId('eos_token', files.eosToken);
  const padId = tokenId('pad_token', files.padToken);
  const eosIds = [...new Set(eosId === undefined ? files.eosIds : [eosId, ...files.eosIds])];
  for (const id of eosIds) {
    if (tokens[id] === undefined) {
      throw new CheckpointError(path, 'eos_token_id', `ids below ${tokens.length}`, `${id}`);
    }
  }
  const special = new Set(added.filter((token) => token.special).map((token) => token.id));
  const pieces: (TokenPiece | undefined)[] = new Array(tokens.length);
  const pieceOf = (id: number, at: (() => string) | undefined): TokenPiece => {
    let known = pieces[id];
    if (known === undefined) {
      const token = tokens[id];
      if (token === undefined) {
        const expected = `a token id from 0 to ${tokens.length - 1}`;
        const where = at?.() ?? 'createDecoder: push';
        throw new RangeError(`${where}: expected ${expected}, got ${String(id)}`);
      }
      known = tokenPiece(bytesOfToken(token));
      pieces[id] = known;
    }
    return known;
  };
  const streamDecoder = ({ skipSpecialTokens = false }: DecodeOptions) => {
    let utf8: InstanceType<typeof TextDecoder> | undefined;
    // Whether the decoder may hold the beginning of a character.
    let isOpen = false;
    return {
      push(id: number, at?: () => string): string {
        const { bytes, text } = pieceOf(id, at);
        if (skipSpecialTokens && special.has(id)) return '';
        if (!isOpen && text !== undefined) return text;
        utf8 ??= new TextDecoder('utf-8', { ignoreBOM: true });
        const decoded = utf8.decode(bytes, { stream: true });
        if (bytes.length > 0) isOpen = (bytes[bytes.length - 1] as number) > 0x7f;
        return decoded;
      },
      flush(): string {
        isOpen = false;
        return utf8?.decode() ?? '';
      },
    };
  };
  const render =
    files.chatTemplate === undefined
      ? undefined
      : chatTemplate(path, files.chatTemplate, {
          bos_token: files.bosToken,
          eos_token: files.eosToken,
          pad_token: files.padToken,
        });
  return {
    ref,
    vocabSize: tokens.length,
    bosId,
    eosIds,
    padId,
    encode(text, { addSpecialTokens = true } = {}) {
      if (typeof text !== 'string') {
        throw new TypeError(`encode: text: expected a string, got ${typeof text}`);
      }
      const encoding = engine.encode(text, { add_special_tokens: addSpecialTokens });
      // The library's own type of an encoding does not resolve under NodeNext.
      const ids = encoding.ids as number[];
      if (ids.some((id) => !Number.isInteger(id))) {
        throw new CheckpointError(path, 'tokenizer', 'tokens in the vocabulary', 'others');
      }
      return ids;
    },
    decode(ids, options = {}) {
      const { push, flush } = streamDecoder(options);
      let text = '';
      let i = 0;
      const at = () => `decode: ids[${i}]`;
      for (; i < ids.length; i++) text += push(ids[i] as number, at);
      return text + flush();
    },
    createDecoder(options = {}) {
      const { push, flush } = streamDecoder(options);
      return { push: (id) => push(id), flush };
    },
    applyChatTemplate(messages, options) {
      if (render !== undefined) return render(messages, options);
      throw new CheckpointError(path, 'chat template', 'one for applyChatTemplate', 'none');
    },
    idToToken: (id: number) => tokens[id],
    tokenToId: (token: string) => engine.token_to_id(token),
    isSpecial: (id: number) => special.has(id),
  };
}
