/** A formula's source as tokens. */

import { Unreadable } from './budget.js';
import { braced } from './cleanLatex.js';

export type Token =
  | { readonly kind: 'number'; readonly text: string; readonly repeating?: string }
  | { readonly kind: 'command'; readonly name: string }
  | { readonly kind: 'letter'; readonly name: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'sign'; readonly text: string };

/** Letters that run together and mean a function or a constant. */
const WORDS = [
  'arcsin',
  'arccos',
  'arctan',
  'sinh',
  'cosh',
  'tanh',
  'sqrt',
  'sin',
  'cos',
  'tan',
  'cot',
  'sec',
  'csc',
  'log',
  'exp',
  'ln',
  'pi',
];

/** Longest source that is read. */
const MOST_CHARACTERS = 4000;

const TEXT =
  /^\\(?:text|textbf|textit|textrm|textnormal|texttt|mbox|mathrm|mathbf|mathit|rm|bf)\s*(?=\{)/;
const GREEK =
  /^(?:alpha|beta|gamma|delta|epsilon|theta|lambda|mu|nu|phi|varphi|rho|sigma|tau|omega|psi|chi)$/;

/** @throws Unreadable where the source is not a formula, or too long to be an answer. */
export function tokensOf(source: string): Token[] {
  if (source.length > MOST_CHARACTERS) throw new Unreadable('too long');
  const tokens: Token[] = [];
  let depth = 0;
  let at = 0;
  const sign = (text: string, length = text.length): void => {
    tokens.push({ kind: 'sign', text });
    at += length;
  };
  while (at < source.length) {
    const rest = source.slice(at);
    const c = rest[0] as string;
    if (/\s/.test(c)) {
      at++;
      continue;
    }
    const digits = number(rest, depth);
    if (digits) {
      const bar = /^\\overline\s*\{(\d+)\}/.exec(rest.slice(digits.length));
      tokens.push({
        kind: 'number',
        text: digits.text,
        ...(bar && { repeating: bar[1] as string }),
      });
      at += digits.length + (bar?.[0].length ?? 0);
      continue;
    }
    if (c === '\\') {
      const text = TEXT.exec(rest);
      if (text) {
        const part = braced(rest, text[0].length);
        if (!part) throw new Unreadable('a text that does not close');
        tokens.push({ kind: 'text', text: part.inside.trim() });
        at += part.end;
        continue;
      }
      const name = /^\\([A-Za-z]+|\\|[{}%$|])/.exec(rest)?.[1];
      if (name === undefined) throw new Unreadable(`\\${rest[1] ?? ''}`);
      at += name.length + 1;
      if (name === '{' || name === '}') {
        depth += name === '{' ? 1 : -1;
        tokens.push({ kind: 'sign', text: `\\${name}` });
      } else if (GREEK.test(name)) tokens.push({ kind: 'letter', name });
      else tokens.push({ kind: 'command', name });
      continue;
    }
    if (/[A-Za-z]/.test(c)) {
      const word = WORDS.find((w) => rest.startsWith(w) && !/^[a-z]/.test(rest.slice(w.length)));
      const run = /^[A-Za-z]+/.exec(rest)?.[0] as string;
      if (word) {
        tokens.push({ kind: 'command', name: word });
        at += word.length;
      } else if (run.length > 3) {
        tokens.push({ kind: 'text', text: run });
        at += run.length;
      } else {
        tokens.push({ kind: 'letter', name: c });
        at++;
      }
      continue;
    }
    const double = /^(?:<=|>=|!=|\*\*)/.exec(rest)?.[0];
    if (double) {
      const one = { '<=': '\\le', '>=': '\\ge', '!=': '\\ne', '**': '^' }[double] as string;
      sign(one, 2);
      continue;
    }
    if (!"+-*/^_()[]{}|!,;:=<>&%'".includes(c)) throw new Unreadable(`the character ${c}`);
    if (c === '(' || c === '[') depth++;
    if (c === ')' || c === ']') depth--;
    sign(c);
  }
  return tokens;
}

/** A number at the start; commas separate thousands outside of brackets only. */
function number(rest: string, depth: number): { text: string; length: number } | undefined {
  const grouped = depth <= 0 ? /^\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?/.exec(rest)?.[0] : undefined;
  const found = grouped ?? /^(?:\d+\.(?=\\overline)|\d+(?:\.\d+)?|\.\d+)/.exec(rest)?.[0];
  if (found === undefined) return undefined;
  return { text: found.replace(/,/g, ''), length: found.length };
}
