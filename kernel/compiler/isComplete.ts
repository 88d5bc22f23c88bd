import ts from 'typescript';
import type { Completeness } from './converter.js';

/** Decides by the parser alone: code whose first problem is its end wants another line. */
export function completeness(code: string): Completeness {
  // Magics are the kernel's own; see what it does with a cell that starts so.
  if (/^\s*%/.test(code)) return { status: 'complete' };
  const { diagnostics } = ts.transpileModule(code, {
    reportDiagnostics: true,
    compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext },
  });
  const first = diagnostics?.reduce<number>(
    (least, { start }) => Math.min(least, start ?? code.length),
    Number.POSITIVE_INFINITY,
  );
  if (first === undefined || first === Number.POSITIVE_INFINITY) return { status: 'complete' };
  if (first < code.trimEnd().length) return { status: 'invalid' };
  return { status: 'incomplete', indent: '  '.repeat(openBrackets(code)) };
}

/** How many brackets are open where the code ends. */
function openBrackets(code: string): number {
  const scanner = ts.createScanner(ts.ScriptTarget.Latest, true);
  scanner.setText(code);
  let depth = 0;
  for (let token = scanner.scan(); token !== ts.SyntaxKind.EndOfFileToken; token = scanner.scan()) {
    switch (token) {
      case ts.SyntaxKind.OpenBraceToken:
      case ts.SyntaxKind.OpenBracketToken:
      case ts.SyntaxKind.OpenParenToken:
        depth += 1;
        break;
      case ts.SyntaxKind.CloseBraceToken:
      case ts.SyntaxKind.CloseBracketToken:
      case ts.SyntaxKind.CloseParenToken:
        depth -= 1;
        break;
    }
  }
  return Math.max(0, depth);
}
