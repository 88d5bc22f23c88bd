import { relative } from 'node:path';
import ts from 'typescript';
import type { Diagnostic } from './converter.js';

/** TypeScript's numbers for "implicitly has type any": notebooks may leave types out. */
function isImplicitAny(code: number): boolean {
  return code >= 7005 && code <= 7053 && code !== 7027;
}

const assignedImport = 2632;

/** How positions and names inside the compiler translate to the user's. */
export interface Frame {
  /** Virtual file that holds the cell. */
  path: string;
  /** Length of the line that precedes the cell's code. */
  prefix: number;
  /** The notebook's folder. */
  folder: string;
  isConstant(name: string): boolean;
}

/** The compiler's findings in the user's coordinates; what notebooks are allowed is left out. */
export function translate(
  found: readonly ts.Diagnostic[],
  kind: Diagnostic['kind'],
  frame: Frame,
): Diagnostic[] {
  const out: Diagnostic[] = [];
  for (const { code, file, start, length, messageText, category } of found) {
    if (category !== ts.DiagnosticCategory.Error || isImplicitAny(code)) continue;
    if (file === undefined || start === undefined) continue;
    const inCell = file.fileName === frame.path;
    const at = Math.max(start, inCell ? frame.prefix : 0);
    const { line, character } = file.getLineAndCharacterOfPosition(at);
    out.push({
      file: inCell ? null : relative(frame.folder, file.fileName),
      line: inCell ? line : line + 1,
      column: character + 1,
      length: length ?? 0,
      sourceLine: file.text.split('\n', line + 1)[line] ?? '',
      code,
      message: wording(code, ts.flattenDiagnosticMessageText(messageText, '\n'), frame),
      kind,
    });
  }
  return out;
}

/** Removes the compiler's view of cells as modules from a message or a type. */
export function withoutCellPaths(text: string): string {
  return text
    .replaceAll(/typeof import\("[^"]*__cell\d*"\)\./g, 'typeof ')
    .replaceAll(/import\("[^"]*__cell\d*"\)\./g, '');
}

function wording(code: number, text: string, frame: Frame): string {
  const name = code === assignedImport ? /'([^']+)'/.exec(text)?.[1] : undefined;
  if (name !== undefined && frame.isConstant(name)) {
    return `Cannot assign to '${name}' because it is a constant.`;
  }
  return withoutCellPaths(text);
}
