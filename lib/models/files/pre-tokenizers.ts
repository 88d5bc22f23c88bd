import type { JsonObject } from './json.js';

// What GPT-2's byte-level pre-tokenizer splits by.
const gpt2Pattern =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** A pre-tokenizer that isolates what a regular expression in Oniguruma's syntax matches. */
export function splitBy(pattern: string): JsonObject {
  return { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false };
}

/** GPT-2's split into words, numbers and punctuation, and then bytes as characters. */
export const gpt2PreTokenizer: JsonObject = {
  type: 'Sequence',
  pretokenizers: [
    splitBy(gpt2Pattern),
    { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
  ],
};

/** A digit is whatever Unicode calls a number (Nd, Nl, No), as Rust's `char::is_numeric` says. */
export function splitDigits(individually: boolean): JsonObject {
  return splitBy(individually ? '\\p{N}' : '\\p{N}+');
}
