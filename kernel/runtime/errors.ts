import type { ErrorContent } from '../link/messages.js';
import { textOf } from '../show/text.js';
import type { Stacks } from './stacks.js';

const red = (text: string): string => `\u001b[31m${text}\u001b[39m`;
const dim = (text: string): string => `\u001b[2m${text}\u001b[22m`;

/** Lines of a cell shown on each side of the one that failed. */
const context = 2;

/** What was thrown, as Jupyter's `error` message has it; never throws itself. */
export function describeError(thrown: unknown, stacks: Stacks): ErrorContent {
  const ename = nameOf(thrown);
  const evalue = messageOf(thrown);
  const traceback = [`${red(ename)}: ${evalue}`];
  const stack = framesOf(thrown);
  const place = stacks.newestPlace(stack);
  if (place !== null) {
    const lines = place.source.split('\n');
    const from = Math.max(1, place.line - context);
    const to = Math.min(lines.length, place.line + context);
    for (let line = from; line <= to; line += 1) {
      const text = `${String(line).padStart(String(to).length)} | ${lines[line - 1]}`;
      traceback.push(line === place.line ? `${red('>')} ${text}` : dim(`  ${text}`));
    }
  }
  traceback.push(...stack.split('\n').filter((line) => line !== ''));
  return { ename, evalue, traceback: [...traceback, ...causes(thrown, new Set([thrown]))] };
}

/** The run whose code an error's stack names last, or undefined when it names none. */
export function runOf(thrown: unknown, stacks: Stacks): number | undefined {
  return stacks.newestPlace(framesOf(thrown))?.run;
}

function causes(thrown: unknown, seen: Set<unknown>): string[] {
  const out: string[] = [];
  const add = (title: string, inner: unknown): void => {
    if (inner === undefined || seen.has(inner)) return;
    seen.add(inner);
    out.push('', `${title} ${red(nameOf(inner))}: ${messageOf(inner)}`);
    out.push(
      ...framesOf(inner)
        .split('\n')
        .filter((line) => line !== ''),
    );
    out.push(...causes(inner, seen));
  };
  add('Caused by', read(thrown, 'cause'));
  const errors = read(thrown, 'errors');
  if (Array.isArray(errors)) for (const inner of errors.slice(0, 10)) add('One of', inner);
  return out;
}

function nameOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return 'Thrown';
  const name = read(thrown, 'name');
  return typeof name === 'string' && name !== '' ? name : 'Error';
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? String(read(thrown, 'message') ?? '') : textOf(thrown);
}

function framesOf(thrown: unknown): string {
  const stack = read(thrown, 'stack');
  if (typeof stack !== 'string') return '';
  const start = stack.search(/^ {4}at /m);
  return start < 0 ? '' : stack.slice(start);
}

/** A property that may not be there, or be a getter that throws. */
function read(holder: unknown, name: string): unknown {
  if (typeof holder !== 'object' || holder === null) return undefined;
  try {
    return (holder as Record<string, unknown>)[name];
  } catch {
    return undefined;
  }
}
