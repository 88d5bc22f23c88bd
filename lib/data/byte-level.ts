/**
 * The byte-level alphabet of GPT-2's tokenizer: each byte is one printable character, so that any
 * bytes can be written as a string. Bytes that are printable in Latin-1 stand for themselves; the
 * rest take the code points from 256 on, in order.
 */
const byteOfCharacter: ReadonlyMap<string, number> = (() => {
  const map = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    map.set(String.fromCharCode(printable ? byte : next++), byte);
  }
  return map;
})();

const utf8 = new TextEncoder();

/**
 * The bytes that a token stands for. A token with a character outside the alphabet (an added token
 * with a space, say) stands for its own UTF-8, as in Hugging Face's tokenizers.
 */
export function bytesOfToken(token: string): Uint8Array {
  const bytes: number[] = [];
  for (const char of token) {
    const byte = byteOfCharacter.get(char);
    if (byte === undefined) return utf8.encode(token);
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
