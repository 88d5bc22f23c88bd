/** Whether two final answers are the same, whatever their spelling. */
import { cleanLatex } from './cleanLatex.js';
import { equalExpressions, equalRelations } from './equalExpressions.js';
import { type Expression, integer, quotient } from './expression.js';
import { type Answer, parseAnswer, type Sign } from './parseAnswer.js';
import { all, any, type Verdict } from './verdict.js';

/** Sets of more items are not matched item by item. */
const MOST_MATCHED = 40;

/**
 * Compares two answers.
 *
 * Symmetric and reflexive. Numbers, formulas of them and of variables are equal where they have the
 * same value: exactly, by normal forms, else by values at several points in many digits. Tuples and
 * intervals are equal item by item; sets, and lists that nothing encloses, in any order. An assignment
 * to one name equals its right side, an inequality its interval. A unit, a currency or a percent sign
 * may be left out; two different units are two answers. Words are compared without case and stops.
 *
 * The work is bounded (some milliseconds, a few megabytes, whatever the input): past the bounds, and
 * where an answer cannot be read, the verdict is `undecided` unless the spellings are the same.
 *
 * @throws TypeError where an answer is not a string.
 */
export function answersEqual(a: string, b: string): Verdict {
  for (const answer of [a, b]) {
    if (typeof answer !== 'string') {
      throw new TypeError(`answersEqual: answers must be strings, got ${typeof answer}`);
    }
  }
  if (a === b) return true;
  if (a.length > 20_000 || b.length > 20_000) return 'undecided';
  if (cleanLatex(a).replace(/\s+/g, '') === cleanLatex(b).replace(/\s+/g, '')) return true;
  const [first, second] = a < b ? [a, b] : [b, a];
  return compare(parseAnswer(first), parseAnswer(second));
}

const isList = (a: Answer): a is Answer & { kind: 'list' } => a.kind === 'list';
const isUnordered = (a: Answer): a is Answer & { kind: 'list' } =>
  isList(a) && (a.open === '' || a.open === '\\{');

function compare(a: Answer, b: Answer): Verdict {
  if (a.kind === 'unknown' || b.kind === 'unknown') {
    return a.kind === 'unknown' && b.kind === 'unknown' && a.source === b.source
      ? true
      : 'undecided';
  }
  if (a.kind === 'formula' && b.kind === 'formula') return formulas(a, b);
  if (a.kind === 'text' || b.kind === 'text') return texts(a, b);
  if (a.kind === 'relation' || b.kind === 'relation') return relations(a, b);
  if (a.kind === 'time' || b.kind === 'time') return times(a, b);
  if (a.kind === 'ratio' || b.kind === 'ratio') return ratios(a, b);
  if (isUnordered(a) && isUnordered(b)) return inAnyOrder(a.items, b.items);
  // A list or set of one item is the item.
  if (isUnordered(a) && a.items.length === 1) return compare(a.items[0] as Answer, b);
  if (isUnordered(b) && b.items.length === 1) return compare(a, b.items[0] as Answer);
  if (isList(a) && isList(b)) {
    const alike = a.open === b.open && a.close === b.close && a.items.length === b.items.length;
    return alike ? inOrder(a.items, b.items) : false;
  }
  if (a.kind === 'union' || b.kind === 'union') {
    if (a.kind === 'union' && b.kind === 'union') return sameParts(a.parts, b.parts);
    // Intervals that overlap or touch may be one.
    return isList(a) || isList(b) ? 'undecided' : false;
  }
  if (a.kind === 'matrix' && b.kind === 'matrix') {
    const alike =
      a.rows.length === b.rows.length && a.rows.every((row, i) => row.length === b.rows[i]?.length);
    return alike ? inOrder(a.rows.flat(), b.rows.flat()) : false;
  }
  return false;
}

/** Parts of unions may be cut in other ways: what does not match is not known. */
function sameParts(a: readonly Answer[], b: readonly Answer[]): Verdict {
  const verdict = inAnyOrder(a, b);
  return verdict === false && a.length !== b.length ? 'undecided' : verdict;
}

function formulas(a: Answer & { kind: 'formula' }, b: Answer & { kind: 'formula' }): Verdict {
  if (a.unit !== undefined && b.unit !== undefined && a.unit !== b.unit) return false;
  const plain = equalExpressions(a.e, b.e);
  if (a.percent === b.percent || plain === true) return plain;
  const [percent, other] = a.percent ? [a.e, b.e] : [b.e, a.e];
  return any([plain, equalExpressions(quotient(percent, integer(100)), other)]);
}

/** One letter of \text is a variable's name as well: \text{B} and B. */
function texts(a: Answer, b: Answer): Verdict {
  if (a.kind === 'text' && b.kind === 'text') return a.words === b.words;
  const [text, other] = a.kind === 'text' ? [a, b] : [b as Answer & { kind: 'text' }, a];
  if (other.kind === 'formula' && other.e.kind === 'variable') {
    return other.e.name.toLowerCase() === text.words;
  }
  if (other.kind === 'formula' && other.e.kind === 'constant') {
    return other.e.name === text.words;
  }
  if (other.kind === 'relation' && other.signs.length === 1 && other.signs[0] === '=') {
    return compare(text, other.sides[1] as Answer);
  }
  // Letters that one reader takes for a word, another for a product of variables.
  return other.kind === 'formula' && other.spelling === text.words;
}

function inOrder(a: readonly Answer[], b: readonly Answer[]): Verdict {
  return all(a.map((item, i) => compare(item, b[i] as Answer)));
}

/** Whether the items can be paired so that all pairs are equal. */
function inAnyOrder(a: readonly Answer[], b: readonly Answer[]): Verdict {
  const [x, y] = [distinct(a), distinct(b)];
  if (x.length !== y.length) return false;
  if (x.length > MOST_MATCHED) return 'undecided';
  const left = new Set(y.keys());
  let verdict: Verdict = true;
  for (const item of x) {
    let match: number | undefined;
    let doubtful = false;
    for (const i of left) {
      const same = compare(item, y[i] as Answer);
      if (same === true) {
        match = i;
        break;
      }
      if (same === 'undecided') doubtful = true;
    }
    if (match !== undefined) left.delete(match);
    else if (doubtful) verdict = 'undecided';
    else return false;
  }
  return verdict;
}

/** A set names each of its items once. */
function distinct(items: readonly Answer[]): Answer[] {
  if (items.length > MOST_MATCHED) return [...items];
  const kept: Answer[] = [];
  for (const item of items) if (!kept.some((k) => compare(k, item) === true)) kept.push(item);
  return kept;
}

function times(a: Answer, b: Answer): Verdict {
  if (a.kind === 'time' && b.kind === 'time') return a.minutes === b.minutes;
  const [time, other] = a.kind === 'time' ? [a, b] : [b as Answer & { kind: 'time' }, a];
  if (other.kind !== 'ratio' || other.items.length !== 2) return false;
  const [hours, minutes] = other.items.map(numberOf);
  if (hours === undefined || minutes === undefined) return false;
  const given = hours * 60 + minutes;
  // Twelve hours without a half of the day may be either half.
  return given === time.minutes || (hours <= 12 && given % 720 === time.minutes % 720);
}

function numberOf(a: Answer): number | undefined {
  return a.kind === 'formula' && a.e.kind === 'number' && a.e.value.d === 1n
    ? Number(a.e.value.n)
    : undefined;
}

/** Ratios are equal up to a factor; one of two numbers is their quotient too. */
function ratios(a: Answer, b: Answer): Verdict {
  if (a.kind === 'ratio' && b.kind === 'ratio') {
    if (a.items.length !== b.items.length) return false;
    const [p, q] = [a.items.map(expressionOf), b.items.map(expressionOf)];
    if (!p.every((e) => e !== undefined) || !q.every((e) => e !== undefined)) return 'undecided';
    const cross = p.slice(1).map((e, i) => {
      const times = (x: Expression, y: Expression): Expression => ({
        kind: 'product',
        factors: [x, y],
      });
      return equalExpressions(
        times(e as Expression, q[0] as Expression),
        times(q[i + 1] as Expression, p[0] as Expression),
      );
    });
    return all(cross);
  }
  const [ratio, other] = a.kind === 'ratio' ? [a, b] : [b as Answer & { kind: 'ratio' }, a];
  const [x, y, ...more] = ratio.items.map(expressionOf);
  const e = expressionOf(other);
  if (!x || !y || !e || more.length > 0) return false;
  return equalExpressions(quotient(x, y), e);
}

function expressionOf(a: Answer): Expression | undefined {
  return a.kind === 'formula' ? a.e : undefined;
}

type Relation = Answer & { kind: 'relation' };

/** x = 5 and 5; f(x) = x^2 and x^2: what an assignment gives. */
function assigned(r: Relation): Answer | undefined {
  if (!r.signs.every((s) => s === '=')) return undefined;
  const [left] = r.sides;
  if (left?.kind === 'formula' && isName(left.e)) return r.sides.at(-1);
  return left?.kind === 'text' ? r.sides.at(-1) : undefined;
}

function isName(e: Expression): boolean {
  if (e.kind === 'variable') return true;
  if (e.kind !== 'product') return false;
  const [name, ...of] = e.factors;
  return name?.kind === 'variable' && of.every((f) => f.kind === 'variable');
}

const TURNED: Readonly<Record<Sign, Sign>> = {
  '=': '=',
  '\\ne': '\\ne',
  '<': '>',
  '>': '<',
  '\\le': '\\ge',
  '\\ge': '\\le',
};

function relations(a: Answer, b: Answer): Verdict {
  if (a.kind !== 'relation' || b.kind !== 'relation') {
    const [r, other] = a.kind === 'relation' ? [a, b] : [b as Relation, a];
    const value = assigned(r);
    if (value) return compare(value, other);
    const interval = intervalOf(r);
    return interval && other.kind === 'list' ? compare(interval, other) : false;
  }
  if (a.signs.length !== b.signs.length) {
    const [x, y] = [assigned(a), assigned(b)];
    return x && y ? compare(x, y) : false;
  }
  if (a.signs.length === 1) return pairs(a, b);
  const turned: Relation = {
    kind: 'relation',
    sides: [...b.sides].reverse(),
    signs: [...b.signs].reverse().map((s) => TURNED[s]),
  };
  const alike = (other: Relation): Verdict =>
    a.signs.every((s, i) => s === other.signs[i]) ? inOrder(a.sides, other.sides) : false;
  return any([alike(b), alike(turned)]);
}

function pairs(a: Relation, b: Relation): Verdict {
  const [s, t] = [a.signs[0] as Sign, b.signs[0] as Sign];
  const [left, right] = a.sides.map(expressionOf);
  const [up, down] = b.sides.map(expressionOf);
  if (!left || !right || !up || !down) {
    if (s !== t) return false;
    return any([
      inOrder(a.sides, b.sides),
      s === '=' ? inOrder(a.sides, [...b.sides].reverse()) : false,
    ]);
  }
  if (s === '=' || s === '\\ne') {
    if (s !== t) return false;
    // A function's formula, whatever the function is called: f(x) = x^2 and y = x^2.
    if (s === '=' && isName(left) && isName(up) && left.kind !== up.kind) {
      return equalExpressions(right, down);
    }
    const same = equalRelations([left, right], [up, down], 'any');
    // Values of two formulas of one name are compared beyond what equations are.
    if (same !== 'undecided' || !isName(left) || !isName(up)) return same;
    return all([equalExpressions(left, up), equalExpressions(right, down)]);
  }
  if (t === s) return equalRelations([left, right], [up, down], 'positive');
  if (t === TURNED[s]) return equalRelations([left, right], [down, up], 'positive');
  return false;
}

/** x > 3 as (3, infinity), 1 < x <= 2 as (1, 2]. */
function intervalOf(r: Relation): Answer | undefined {
  const infinite = (sign: bigint): Answer => ({
    kind: 'formula',
    spelling: '',
    percent: false,
    e:
      sign > 0n
        ? { kind: 'constant', name: 'infinity' }
        : { kind: 'product', factors: [integer(-1), { kind: 'constant', name: 'infinity' }] },
  });
  const isVariable = (a: Answer | undefined) => a?.kind === 'formula' && a.e.kind === 'variable';
  const make = (open: string, low: Answer, high: Answer, close: string): Answer => ({
    kind: 'list',
    open,
    close,
    items: [low, high],
  });
  const [first, second, third] = r.sides as [Answer, Answer, Answer | undefined];
  const [s, t] = r.signs as [Sign, Sign | undefined];
  if (third === undefined) {
    const [sign, bound] = isVariable(first) ? [s, second] : [TURNED[s], first];
    if (!isVariable(first) && !isVariable(second)) return undefined;
    if (sign === '<' || sign === '\\le')
      return make('(', infinite(-1n), bound, sign === '<' ? ')' : ']');
    if (sign === '>' || sign === '\\ge')
      return make(sign === '>' ? '(' : '[', bound, infinite(1n), ')');
    return undefined;
  }
  if (t === undefined || r.sides.length !== 3 || !isVariable(second)) return undefined;
  const rising = (x: Sign) => x === '<' || x === '\\le';
  const falling = (x: Sign) => x === '>' || x === '\\ge';
  if (rising(s) && rising(t))
    return make(s === '<' ? '(' : '[', first, third, t === '<' ? ')' : ']');
  if (falling(s) && falling(t))
    return make(t === '>' ? '(' : '[', third, first, s === '>' ? ')' : ']');
  return undefined;
}
