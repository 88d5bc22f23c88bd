import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readGguf } from './gguf.js';
import type { JsonObject } from './json.js';
import { type TokenizerFiles, tokenizerFromGguf } from './tokenizer-gguf.js';

const names = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
];

/**
 * The tokenizer of a model's file or folder, as the files of a Hugging Face folder: name and content.
 * Empty where it has none.
 */
export function tokenizerFiles(path: string): Map<string, string> {
  if (statSync(path).isDirectory()) {
    const found = names.filter((name) => existsSync(join(path, name)));
    return new Map(found.map((name) => [name, readFileSync(join(path, name), 'utf8')]));
  }
  if (!path.endsWith('.gguf')) return new Map();
  const file = readGguf(path);
  if (!file.metadata.has('tokenizer.ggml.tokens')) return new Map();
  return asFolder(tokenizerFromGguf(file));
}

function asFolder(files: TokenizerFiles): Map<string, string> {
  const { tokenizer, chatTemplate, bosToken, eosToken, padToken } = files;
  const added = (tokenizer.added_tokens as JsonObject[]).map((token) => ({
    ...token,
    single_word: false,
    lstrip: false,
    rstrip: false,
  }));
  const decoder = { ...(tokenizer.decoder as JsonObject), ...byteLevel };
  const json = { version: '1.0', truncation: null, padding: null, ...tokenizer };
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    clean_up_tokenization_spaces: false,
    ...(bosToken !== undefined && { bos_token: bosToken }),
    ...(eosToken !== undefined && { eos_token: eosToken }),
    ...(padToken !== undefined && { pad_token: padToken }),
    ...(chatTemplate !== undefined && { chat_template: chatTemplate }),
  };
  return new Map([
    ['tokenizer.json', `${JSON.stringify({ ...json, added_tokens: added, decoder })}\n`],
    ['tokenizer_config.json', `${JSON.stringify(config, undefined, 2)}\n`],
  ]);
}

// What the Rust library wants to read beside the decoder's type.
const byteLevel = { add_prefix_space: false, trim_offsets: true, use_regex: true };
