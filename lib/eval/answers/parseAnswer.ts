/** An answer's shape: a formula, or a list, a set, an interval, a relation, a matrix of answers, or words. */
import { Unreadable } from './budget.js';
import { braced, cleanLatex } from './cleanLatex.js';
import { type Expression, has, withParts } from './expression.js';
import { parseExpression } from './parseExpression.js';
import { measured } from './units.js';

export type Sign = '=' | '<' | '>' | '\\le' | '\\ge' | '\\ne';

export type Answer =
  | {
      readonly kind: 'formula';
      /** As it is spelled, in small letters: words and formulas are told apart by their readers only. */
      readonly spelling: string;
      readonly e: Expression;
      readonly unit?: string;
      readonly percent: boolean;
    }
  /** Open and close are empty where nothing encloses the items: their order says nothing then. */
  | {
      readonly kind: 'list';
      readonly open: string;
      readonly close: string;
      readonly items: readonly Answer[];
    }
  | { readonly kind: 'union'; readonly parts: readonly Answer[] }
  | { readonly kind: 'matrix'; readonly rows: readonly (readonly Answer[])[] }
  | {
      readonly kind: 'relation';
      readonly sides: readonly Answer[];
      readonly signs: readonly Sign[];
    }
  | { readonly kind: 'ratio'; readonly items: readonly Answer[] }
  /** Minutes after midnight; without a half of the day it may be either. */
  | { readonly kind: 'time'; readonly minutes: number; readonly half?: 'am' | 'pm' }
  | { readonly kind: 'text'; readonly words: string }
  /** What none of the readers knows: its source. */
  | { readonly kind: 'unknown'; readonly source: string };

const MOST_DEPTH = 12;
const MOST_ITEMS = 200;
const RELATION = /^(?:\\(?:le|ge|ne|in)(?![A-Za-z])|<=|>=|!=|[=<>])/;

/** Reads an answer; what cannot be read is `unknown`, never an error. */
export function parseAnswer(source: string): Answer {
  if (source.length > 20_000 || source.includes('\0')) return { kind: 'unknown', source };
  return read(cleanLatex(source), 0);
}

function read(source: string, depth: number): Answer {
  const s = source.trim();
  if (depth > MOST_DEPTH) return { kind: 'unknown', source: s };
  const inner = (part: string): Answer => read(part, depth + 1);
  const time = timeOf(s);
  if (time) return time;
  const or = split(s, /^(?:\\text\s*\{\s*,?\s*(?:or|and)\s*\}|,?\s+(?:or|and)\s+)/);
  if (or.parts.length > 1) return bare(or.parts.map(inner));
  const union = split(s, /^\\cup(?![A-Za-z])/);
  if (union.parts.length > 1) return { kind: 'union', parts: union.parts.map(inner) };
  const list = split(s, /^[,;]/);
  const related = split(s, RELATION);
  // x = 1, 2 names two values of one variable; x = 1, y = 2 are two relations.
  if (list.parts.length > 1 && related.parts.length !== 2) return bare(list.parts.map(inner));
  if (related.parts.length > 1) {
    const [left = '', right = ''] = related.parts;
    if (list.parts.length > 1) {
      const [first = ''] = list.parts;
      if (split(first, RELATION).parts.length > 1 && isName(left)) {
        return bare([first.slice(first.indexOf('=') + 1), ...list.parts.slice(1)].map(inner));
      }
      return bare(list.parts.map(inner));
    }
    if (related.signs.includes('\\in')) return inner(related.parts.at(-1) as string);
    const signs = related.signs.map((sign) => (SPELLINGS[sign] ?? sign) as Sign);
    if (right === '' || left === '') return { kind: 'unknown', source: s };
    return { kind: 'relation', signs, sides: related.parts.map(inner) };
  }
  return enclosed(s, inner) ?? matrix(s, inner) ?? ratio(s, inner) ?? formula(s);
}

const SPELLINGS: Readonly<Record<string, Sign>> = { '<=': '\\le', '>=': '\\ge', '!=': '\\ne' };

const bare = (items: readonly Answer[]): Answer => {
  const flat = items.flatMap((i) => (i.kind === 'list' && i.open === '' ? i.items : [i]));
  return { kind: 'list', open: '', close: '', items: flat };
};

/** A variable or a function of one: what an assignment has at its left. */
export function isName(source: string): boolean {
  return /^\s*(?:[A-Za-z]|\\[a-z]+)(?:_\{?\w+\}?)?'*\s*(?:\(\s*[A-Za-z](?:\s*,\s*[A-Za-z])*\s*\))?\s*$/.test(
    source,
  );
}

/** Cuts a source where a separator stands outside of all brackets. */
function split(s: string, separator: RegExp): { parts: string[]; signs: string[] } {
  const parts: string[] = [];
  const signs: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < s.length; at++) {
    const rest = s.slice(at, at + 40);
    const found = depth === 0 ? separator.exec(rest) : null;
    if (found && !(found[0] === ',' && groupsThousands(s, at))) {
      parts.push(s.slice(start, at));
      signs.push(found[0].trim());
      at += found[0].length - 1;
      start = at + 1;
      if (parts.length > MOST_ITEMS) return { parts: [s], signs: [] };
      continue;
    }
    if (/^\\begin/.test(rest)) depth++;
    else if (/^\\end/.test(rest)) depth--;
    if (s[at] === '\\' && /^\\[{}]/.test(rest)) {
      depth += rest[1] === '{' ? 1 : -1;
      at++;
    } else if (s[at] === '\\' && !/^\\[A-Za-z]/.test(rest)) at++;
    else if (/[([{]/.test(s[at] as string)) depth++;
    else if (/[)\]}]/.test(s[at] as string)) depth--;
  }
  parts.push(s.slice(start));
  return { parts, signs };
}

function groupsThousands(s: string, comma: number): boolean {
  return (
    /(?:^|[^\d.,])\d{1,3}(?:,\d{3})*$/.test(s.slice(0, comma)) &&
    /^\d{3}(?!\d)/.test(s.slice(comma + 1, comma + 5))
  );
}

/** A list, a set, an interval; brackets around one formula go. */
function enclosed(s: string, inner: (part: string) => Answer): Answer | undefined {
  if (/^\\emptyset$/.test(s)) return { kind: 'list', open: '\\{', close: '\\}', items: [] };
  const [, open, body, close] = /^(\(|\[|\\\{)(.*?)(\)|\]|\\\})$/s.exec(s) ?? [];
  if (open === undefined || body === undefined || close === undefined) return undefined;
  if (!closesLast(s)) return undefined;
  if (body.trim() === '')
    return open === '\\{' ? { kind: 'list', open, close, items: [] } : undefined;
  const items = splitItems(body);
  if (items.length > 1) {
    if ((open === '\\{') !== (close === '\\}')) return undefined;
    return { kind: 'list', open, close, items: items.map(inner) };
  }
  if (open === '\\{') return { kind: 'list', open, close, items: [inner(body)] };
  return open === '(' && close === ')' ? inner(body) : undefined;
}

/** Inside of brackets every comma separates. */
function splitItems(body: string): string[] {
  return split(body.replace(/,(?=\S)/g, ', '), /^[,;]/).parts;
}

/** Whether the first bracket's partner is the last character. */
function closesLast(s: string): boolean {
  let depth = 0;
  for (let at = 0; at < s.length; at++) {
    const pair = s[at] === '\\' ? s.slice(at, at + 2) : (s[at] as string);
    if (['(', '[', '\\{'].includes(pair)) depth++;
    else if ([')', ']', '\\}'].includes(pair)) depth--;
    if (s[at] === '\\') at++;
    if (depth === 0 && at < s.length - 1) return false;
  }
  return depth === 0;
}

function matrix(s: string, inner: (part: string) => Answer): Answer | undefined {
  const found =
    /^\\begin\s*\{([pbvBV]?matrix|smallmatrix|array)\}\s*(?:\{[lcr|\s]*\})?(.*)\\end\s*\{\1\}$/s.exec(
      s,
    );
  if (!found) return undefined;
  const body = (found[2] as string).trim().replace(/\\\\\s*$/, '');
  const rows = body.split('\\\\').map((row) => row.split('&').map(inner));
  return { kind: 'matrix', rows };
}

function ratio(s: string, inner: (part: string) => Answer): Answer | undefined {
  const { parts } = split(s, /^:/);
  return parts.length > 1 && parts.every((p) => p.trim() !== '')
    ? { kind: 'ratio', items: parts.map(inner) }
    : undefined;
}

function timeOf(s: string): Answer | undefined {
  const plain = s.replace(/\\(?:text|mbox|mathrm)\s*\{([^{}]*)\}/g, ' $1 ').trim();
  const found = /^(\d{1,2})(?:\s*:\s*(\d{2}))?\s*([ap])\.?\s*m\.?$/i.exec(plain);
  if (!found) return undefined;
  const [hour, minute] = [Number(found[1]), Number(found[2] ?? 0)];
  if (hour < 1 || hour > 12 || minute > 59) return undefined;
  const half = (found[3] as string).toLowerCase() === 'a' ? 'am' : 'pm';
  return { kind: 'time', minutes: ((hour % 12) + (half === 'pm' ? 12 : 0)) * 60 + minute, half };
}

function formula(s: string): Answer {
  const words = wordsOf(s);
  if (words !== undefined) return { kind: 'text', words };
  const { body, unit, percent } = measured(s);
  try {
    const e = parseExpression(body);
    if (has(e, (part) => part.kind === 'plusMinus')) return bothSigns(e);
    return { kind: 'formula', e, spelling: spelled(s), ...(unit && { unit }), percent };
  } catch (error) {
    if (!(error instanceof Unreadable) && !(error instanceof RangeError)) {
      if (!(error instanceof Error) || error.message !== 'the comparison is too large') throw error;
    }
    const plain = plainWords(s);
    return plain
      ? { kind: 'text', words: plain }
      : { kind: 'unknown', source: s.replace(/\s+/g, '') };
  }
}

/** The two formulas that one with a sign of both kinds stands for. */
function bothSigns(e: Expression): Answer {
  const choose = (part: Expression, sign: bigint): Expression => {
    if (part.kind !== 'plusMinus') return withParts(part, (p) => choose(p, sign));
    const of = choose(part.of, sign);
    return sign === 1n
      ? of
      : { kind: 'product', factors: [{ kind: 'number', value: { n: -1n, d: 1n } }, of] };
  };
  const items = [1n, -1n].map((sign) => ({
    kind: 'formula' as const,
    e: choose(e, sign),
    spelling: '',
    percent: false,
  }));
  return { kind: 'list', open: '', close: '', items };
}

/** Words in one spelling: small letters, single spaces, no stops. */
const spelled = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();

/** The words of an answer that is nothing but \text, or undefined. One letter is a variable's name too. */
function wordsOf(s: string): string | undefined {
  const found = /^\\(?:text|textbf|textit|textrm|mbox|mathrm|mathbf)\s*(?=\{)/.exec(s);
  const part = found && braced(s, found[0].length);
  if (!found || !part || part.end !== s.length) return undefined;
  return /\d/.test(part.inside) && !/\p{L}/u.test(part.inside) ? undefined : spelled(part.inside);
}

/** The words of an answer without commands, where it has a word in it. */
function plainWords(s: string): string | undefined {
  const plain = s.replace(
    /\\(?:text|textbf|textit|textrm|mbox|mathrm|mathbf)\s*\{([^{}]*)\}/g,
    ' $1 ',
  );
  if (/[\\^_{}]/.test(plain) || !/\p{L}{2,}/u.test(plain)) return undefined;
  return spelled(plain);
}
