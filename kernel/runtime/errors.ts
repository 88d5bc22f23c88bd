import { SourceMap } from 'node:module';
import { inspect } from 'node:util';
import type { ShownError } from './protocol.js';

const maps = new Map<string, SourceMap>();

/** Remembers a cell's source map, so that stacks speak of the cell's own lines. */
export function rememberMap(label: string, map: string): void {
  if (map) maps.set(label, new SourceMap(JSON.parse(map)));
}

/** File name of a cell in stacks. */
export function cellFile(label: string): string {
  return `mambalab:${label}`;
}

function place(label: string, line: number, column: number): string {
  const entry = maps.get(label)?.findEntry(line - 1, column - 1);
  const found = entry && 'originalLine' in entry ? entry : undefined;
  return found ? `${label}:${found.originalLine + 1}:${found.originalColumn + 1}` : label;
}

/** Frames of Node and of the kernel say nothing about the cell. */
function isInternal(line: string): boolean {
  return /\(?node:|\/(?:dist\/)?kernel\/(?:runtime|server)\//.test(line);
}

/** The stack in cell coordinates. */
export function cleanStack(stack: string): string {
  const lines: string[] = [];
  for (const line of stack.split('\n')) {
    if (/^\s+at /.test(line) && isInternal(line)) continue;
    const cell = /mambalab:(cell \d+):(\d+):(\d+)/.exec(line);
    if (!cell) {
      lines.push(line);
      continue;
    }
    const at = place(cell[1] as string, Number(cell[2]), Number(cell[3]));
    const name = /at (?:async )?(?:Object\.|globalThis\.)?(__mambalabCell)?/.exec(line)?.[1];
    lines.push(name ? `    at ${at}` : line.replace(cell[0], at));
  }
  return lines.join('\n');
}

function stackOf(error: Error): string {
  const head = `${error.name}: ${error.message}`;
  const stack = typeof error.stack === 'string' ? cleanStack(error.stack) : head;
  const text = stack.includes(error.message) ? stack : `${head}\n${stack}`;
  const cause = error.cause;
  if (cause === undefined) return text;
  const below = cause instanceof Error ? stackOf(cause) : inspect(cause);
  return `${text}\nCaused by: ${below}`;
}

/** Anything that was thrown, as the protocol shows it. */
export function shownError(thrown: unknown): ShownError {
  if (
    thrown instanceof Error ||
    (typeof thrown === 'object' && thrown !== null && 'stack' in thrown)
  ) {
    const error = thrown as Error;
    let traceback: string;
    try {
      traceback = stackOf(error);
    } catch {
      traceback = 'the error cannot be shown';
    }
    return {
      ename: String(error.name || 'Error'),
      evalue: String(error.message ?? ''),
      traceback: traceback.split('\n'),
    };
  }
  const text = inspect(thrown);
  return { ename: 'Thrown', evalue: text, traceback: [`Thrown: ${text}`] };
}
