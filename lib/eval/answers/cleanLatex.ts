/** Spellings of one thing made one: what only sets type goes, Unicode signs become commands. */

const UNICODE: Readonly<Record<string, string>> = {
  '−': '-',
  '–': '-',
  '—': '-',
  '×': '*',
  '·': '*',
  '⋅': '*',
  '∗': '*',
  '÷': '/',
  '≤': '\\le ',
  '≥': '\\ge ',
  '≠': '\\ne ',
  '∞': '\\infty ',
  π: '\\pi ',
  '√': '\\sqrt ',
  '±': '\\pm ',
  '∪': '\\cup ',
  '∩': '\\cap ',
  '∈': '\\in ',
  '∅': '\\emptyset ',
  ℝ: '\\mathbb{R}',
  '°': '^\\circ ',
  '½': '\\frac{1}{2}',
  '¼': '\\frac{1}{4}',
  '¾': '\\frac{3}{4}',
  '⅓': '\\frac{1}{3}',
  '⅔': '\\frac{2}{3}',
  '²': '^2',
  '³': '^3',
  '’': "'",
  '，': ',',
};

const SAME: Readonly<Record<string, string>> = {
  dfrac: 'frac',
  tfrac: 'frac',
  cfrac: 'frac',
  dbinom: 'binom',
  tbinom: 'binom',
  times: '*',
  cdot: '*',
  ast: '*',
  div: '/',
  leq: 'le',
  leqslant: 'le',
  geq: 'ge',
  geqslant: 'ge',
  neq: 'ne',
  lt: '<',
  gt: '>',
  varnothing: 'emptyset',
  lbrace: '{',
  rbrace: '}',
  lbrack: '[',
  rbrack: ']',
  mid: '|',
  vert: '|',
  lvert: '|',
  rvert: '|',
  colon: ':',
  land: 'text{ and }',
  lor: 'text{ or }',
  operatorname: 'mathrm',
};

/** Commands that only set type, and leave nothing. */
const NOTHING =
  /\\\\|\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle|scriptstyle|limits|nolimits|quad|qquad|phantom|hspace\*?\{[^{}]*\}|vspace\*?\{[^{}]*\})(?![A-Za-z])\.?|\\[!;:> ]|\\,|~/g;

/** Ends a row of a matrix: not to be taken for what its second backslash begins. */
const ROW = '\\\\';

/** What a braced part holds, and where it ends; undefined where it does not close. */
export function braced(text: string, open: number): { inside: string; end: number } | undefined {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '{') depth++;
    else if (text[i] === '}' && --depth === 0) {
      return { inside: text.slice(open + 1, i), end: i + 1 };
    }
  }
  return undefined;
}

/** Takes off what encloses the whole: dollars, `\( \)`, `\[ \]`, `\boxed{}`, `\text{}`, braces, a full stop. */
function unwrapped(text: string): string {
  let s = text.trim();
  for (let again = true; again; ) {
    again = false;
    const inner =
      /^\$\$([^$]*)\$\$$/.exec(s) ??
      /^\$([^$]*)\$$/.exec(s) ??
      /^\\\((.*)\\\)$/s.exec(s) ??
      /^\\\[(.*)\\\]$/s.exec(s);
    if (inner) {
      s = (inner[1] as string).trim();
      again = true;
    }
    const wrapper = /^\\(?:boxed|fbox|mathbf|boldsymbol|bm)\s*(?=\{)/.exec(s);
    const start = wrapper ? wrapper[0].length : 0;
    if (wrapper || s.startsWith('{')) {
      const part = braced(s, start);
      if (part && part.end === s.length) {
        s = part.inside.trim();
        again = true;
      }
    }
    if (/[^.]\.$/.test(s) && !/\\\.$/.test(s)) {
      s = s.slice(0, -1).trim();
      again = true;
    }
  }
  return s;
}

/** The one spelling of a formula's source. */
export function cleanLatex(source: string): string {
  let s = source.replace(/[^\x20-\x7e]/gu, (c) => UNICODE[c] ?? (/\s/.test(c) ? ' ' : c));
  const inner = unwrapped(s);
  s = inner.replace(/\$/g, (dollar, at: number) => (inner[at - 1] === '\\' ? dollar : ''));
  // Separators of thousands that TeX spells in its own ways: 1{,}000 and 1,\!000.
  s = s.replace(/(\d)(?:\{,\}|,\\!|\\,)(?=\d{3}(?!\d))/g, '$1');
  s = s.replace(/\\degree(?![A-Za-z])/g, '^\\circ ');
  s = s.replace(NOTHING, (part) => (part === ROW ? part : ' '));
  s = s.replace(/\\([A-Za-z]+)/g, (command, name: string) => {
    const other = SAME[name];
    if (other === undefined) return command;
    return /^[a-z]/i.test(other)
      ? `\\${other}`
      : other === '{' || other === '}'
        ? `\\${other}`
        : ` ${other} `;
  });
  return s.trim();
}
