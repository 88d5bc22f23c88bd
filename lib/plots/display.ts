/** MIME types to data, as a notebook shows them; the richest type that it knows wins. */
export type MimeBundle = Readonly<Record<string, unknown>>;

/** The method that a notebook calls to show a value; Deno's kernel knows it too. */
export const jupyterDisplay: unique symbol = Symbol.for('Jupyter.display');

/** A value that knows how to show itself in a notebook. */
export interface Displayable {
  [jupyterDisplay](): MimeBundle | Promise<MimeBundle>;
}

/** Text made safe to stand in HTML, between tags or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
