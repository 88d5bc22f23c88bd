/**
 * A checkpoint, tokenizer or configuration file that cannot be used as it is.
 *
 * `message` is one sentence for people; the fields say the same to programs.
 */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
  /** The file that was read. */
  readonly file: string;
  /** Where in the file: a byte offset, a tensor, a key. */
  readonly where: string;
  /** What a valid file has there. */
  readonly expected: string;
  /** What this file has there. */
  readonly found: string;

  constructor(file: string, where: string, expected: string, found: string) {
    super(`${file}: ${where}: expected ${expected}, found ${found}`);
    this.file = file;
    this.where = where;
    this.expected = expected;
    this.found = found;
  }
}

/** A value from a file, shortened and quoted so that it can stand in an error message. */
export function show(value: unknown): string {
  let text: string | undefined;
  try {
    text = typeof value === 'bigint' ? `${value}` : JSON.stringify(value);
  } catch {
    text = undefined;
  }
  text ??= String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
