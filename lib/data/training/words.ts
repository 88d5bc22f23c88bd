/**
 * The words of a text as contamination checks compare them: runs of letters and digits, in lower case and
 * in Unicode's compatibility form. Spaces, punctuation and LaTeX's signs part words and count for nothing.
 */
export function wordsOf(text: string): string[] {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}
