import type { Diagnostic } from '../compiler/converter.js';
import type { ErrorContent } from '../link/messages.js';

/** Problems shown of one cell; the rest is counted. */
const most = 10;

/** What the compiler found, as the error of a cell that does not run. */
export function diagnosticsError(diagnostics: readonly Diagnostic[], label: string): ErrorContent {
  const [first] = diagnostics;
  const ename = diagnostics.some((d) => d.kind === 'syntax') ? 'SyntaxError' : 'TypeScriptError';
  const shown = diagnostics.slice(0, most).flatMap((d) => {
    const at = `${d.file ?? label}:${d.line}:${d.column}`;
    const under = ' '.repeat(d.column - 1) + '^'.repeat(Math.max(1, Math.min(d.length, 80)));
    return [`${at} - TS${d.code}: ${d.message}`, `  ${d.sourceLine}`, `  ${under}`];
  });
  const rest = diagnostics.length - most;
  return {
    ename,
    evalue: first ? `${first.message} (line ${first.line})` : 'the cell cannot run',
    traceback: rest > 0 ? [...shown, `and ${rest} more`] : shown,
  };
}
