import { inspect } from 'node:util';

/** Characters of a value's text that are shown. */
const mostText = 1_000_000;

/** A value as a person would want it printed. */
export function textOf(value: unknown): string {
  try {
    return inspect(value, {
      depth: 4,
      maxArrayLength: 100,
      maxStringLength: 100_000,
      breakLength: 100,
      compact: 3,
    });
  } catch (error) {
    return `[a value that cannot be printed: ${messageOf(error)}]`;
  }
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  try {
    return String((error as Error).message);
  } catch {
    return 'unknown error';
  }
}

/** A text whose middle is left out, with a word about it, where it is too long to be shown. */
export function shortened(text: string, most = mostText): string {
  if (text.length <= most) return text;
  const half = most / 2;
  const missing = (text.length - most).toLocaleString('en');
  const end = text.slice(text.length - half);
  return `${text.slice(0, half)}\n[${missing} characters are left out here]\n${end}`;
}

/** Text made safe to stand in HTML, between tags or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** A number with at most six significant digits; integers keep all of theirs. */
export function numberText(value: number): string {
  return Number.isInteger(value) || !Number.isFinite(value)
    ? String(value)
    : String(Number(value.toPrecision(6)));
}
