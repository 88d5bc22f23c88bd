/** From tokens to a formula: sums of products of powers, by precedence. */
import { Unreadable } from './budget.js';
import { type Expression, type FunctionName, integer, negated, quotient } from './expression.js';
import { decimal, fraction, plus, type Rational } from './fraction.js';
import { type Token, tokensOf } from './tokens.js';

const MOST_DEPTH = 60;

const FUNCTIONS = new Set<string>([
  'sin',
  'cos',
  'tan',
  'cot',
  'sec',
  'csc',
  'arcsin',
  'arccos',
  'arctan',
  'sinh',
  'cosh',
  'tanh',
  'ln',
  'exp',
  'log',
]);

const INVERSES: Readonly<Record<string, FunctionName>> = {
  sin: 'arcsin',
  cos: 'arccos',
  tan: 'arctan',
};

/**
 * Reads a formula.
 *
 * @throws Unreadable where it is none.
 */
export function parseExpression(source: string | readonly Token[]): Expression {
  const tokens = typeof source === 'string' ? tokensOf(source) : source;
  const parser = new Parser(tokens);
  const e = parser.sum();
  parser.end();
  return e;
}

class Parser {
  private at = 0;
  private depth = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  end(): void {
    if (this.at < this.tokens.length) throw new Unreadable('something follows the formula');
  }

  private peek(ahead = 0): Token | undefined {
    return this.tokens[this.at + ahead];
  }

  private isSign(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token?.kind === 'sign' && token.text === text;
  }

  private isCommand(name: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token?.kind === 'command' && token.name === name;
  }

  private take(text: string): boolean {
    if (!this.isSign(text)) return false;
    this.at++;
    return true;
  }

  private expect(text: string): void {
    if (!this.take(text)) throw new Unreadable(`${text} expected`);
  }

  private nested<T>(body: () => T): T {
    if (++this.depth > MOST_DEPTH) throw new Unreadable('nested too deeply');
    try {
      return body();
    } finally {
      this.depth--;
    }
  }

  sum(): Expression {
    return this.nested(() => {
      const terms = [this.signed()];
      for (;;) {
        if (this.take('+')) terms.push(this.product());
        else if (this.take('-')) terms.push(negated(this.product()));
        else if (this.isCommand('pm') || this.isCommand('mp')) {
          this.at++;
          terms.push({ kind: 'plusMinus', of: this.product() });
        } else break;
      }
      return terms.length === 1 ? (terms[0] as Expression) : { kind: 'sum', terms };
    });
  }

  private signed(): Expression {
    if (this.take('+')) return this.product();
    if (this.isCommand('pm') || this.isCommand('mp')) {
      this.at++;
      return { kind: 'plusMinus', of: this.product() };
    }
    if (this.take('-')) return negated(this.nested(() => this.signed()));
    return this.product();
  }

  private product(): Expression {
    const factors = [this.factor()];
    for (;;) {
      if (this.take('*')) factors.push(this.factor());
      else if (this.take('/')) factors.push(quotient(integer(1), this.factor()));
      else if (this.startsAtom()) factors.push(this.nested(() => this.power()));
      else break;
    }
    return factors.length === 1 ? (factors[0] as Expression) : { kind: 'product', factors };
  }

  private factor(): Expression {
    return this.nested(() => {
      if (this.take('-')) return negated(this.factor());
      if (this.take('+')) return this.factor();
      return this.mixed() ?? this.power();
    });
  }

  /** 1\frac{1}{2} and 1 1/2: a whole number and a fraction side by side are added. */
  private mixed(): Expression | undefined {
    const [whole, next] = [this.peek(), this.peek(1)];
    if (whole?.kind !== 'number' || /\./.test(whole.text)) return undefined;
    const start = this.at;
    let part: Expression | undefined;
    if (next?.kind === 'command' && next.name === 'frac') {
      this.at++;
      part = this.power();
    } else if (next?.kind === 'number' && this.isSign('/', 2) && this.peek(3)?.kind === 'number') {
      this.at++;
      const above = this.atom();
      this.expect('/');
      part = quotient(above, this.atom());
    }
    const value = part && plainFraction(part);
    if (!value) {
      this.at = start;
      return undefined;
    }
    return { kind: 'number', value: plus(decimal(whole.text), value) };
  }

  private startsAtom(): boolean {
    const token = this.peek();
    if (!token) return false;
    if (token.kind === 'letter') return true;
    if (token.kind === 'number') return this.tokens[this.at - 1]?.kind !== 'number';
    if (token.kind === 'sign')
      return token.text === '(' || token.text === '{' || token.text === '[';
    if (token.kind === 'text') return false;
    return (
      FUNCTIONS.has(token.name) ||
      ['frac', 'sqrt', 'binom', 'pi', 'infty', 'lfloor', 'lceil'].includes(token.name)
    );
  }

  power(): Expression {
    let base = this.atom();
    for (;;) {
      if (this.take('!')) base = { kind: 'factorial', of: base };
      else if (this.isSign('^')) {
        const degrees = this.degreesHere();
        if (degrees) {
          const turn = quotient({ kind: 'constant', name: 'pi' }, integer(180));
          base = { kind: 'product', factors: [base, turn] };
          continue;
        }
        this.at++;
        const exponent = this.nested(() => this.argument());
        // Powers of powers bind from the right: 2^{3}^{2} is rare, 2^3^2 in plain text is not.
        base = { kind: 'power', base, exponent: this.isSign('^') ? this.tail(exponent) : exponent };
      } else return base;
    }
  }

  private tail(base: Expression): Expression {
    this.expect('^');
    const exponent = this.nested(() => this.argument());
    return { kind: 'power', base, exponent: this.isSign('^') ? this.tail(exponent) : exponent };
  }

  /** ^\circ or ^{\circ}. */
  private degreesHere(): boolean {
    if (this.isCommand('circ', 1)) {
      this.at += 2;
      return true;
    }
    if (this.isSign('{', 1) && this.isCommand('circ', 2) && this.isSign('}', 3)) {
      this.at += 4;
      return true;
    }
    return false;
  }

  /** What a command or ^ takes: a braced group, or one token. */
  private argument(): Expression {
    if (this.take('{')) {
      const e = this.sum();
      this.expect('}');
      return e;
    }
    if (this.take('-')) return negated(this.argument());
    const token = this.peek();
    if (token?.kind === 'number' && token.text.length > 1 && !token.repeating) {
      // \frac12 takes a digit each; in 2^10 of plain text the whole number is meant.
      return this.atom();
    }
    return this.atom();
  }

  /** What \frac takes: a braced group, one digit or one other token. */
  private part(pending: { digits: string }): Expression {
    if (pending.digits) {
      const digit = pending.digits[0] as string;
      pending.digits = pending.digits.slice(1);
      if (pending.digits) throw new Unreadable('digits left over');
      return integer(Number(digit));
    }
    const token = this.peek();
    if (token?.kind === 'number' && /^\d{2,}$/.test(token.text)) {
      this.at++;
      pending.digits = token.text.slice(1);
      return integer(Number(token.text[0]));
    }
    return this.argument();
  }

  private group(close: string): Expression {
    const e = this.sum();
    this.expect(close);
    return e;
  }

  private atom(): Expression {
    const token = this.peek();
    if (!token) throw new Unreadable('the formula ends too early');
    this.at++;
    if (token.kind === 'number') return this.number(token.text, token.repeating);
    if (token.kind === 'letter') return this.letter(token.name);
    if (token.kind === 'text') throw new Unreadable(`the words ${token.text}`);
    if (token.kind === 'sign') {
      if (token.text === '(') return this.group(')');
      if (token.text === '[') return this.group(']');
      if (token.text === '{') return this.group('}');
      if (token.text === '|') return { kind: 'function', name: 'abs', of: this.group('|') };
      throw new Unreadable(`an unexpected ${token.text}`);
    }
    return this.command(token.name);
  }

  private number(text: string, repeating: string | undefined): Expression {
    let value: Rational = decimal(text);
    if (repeating) {
      const places = text.includes('.') ? (text.split('.')[1] as string).length : 0;
      const nines = 10n ** BigInt(repeating.length) - 1n;
      value = plus(value, fraction(BigInt(repeating), nines * 10n ** BigInt(places)));
    }
    if (!this.take('_')) return { kind: 'number', value };
    const base = this.argument();
    if (base.kind !== 'number' || base.value.d !== 1n || base.value.n < 2n || base.value.n > 36n) {
      throw new Unreadable('a base that is not a number from 2 to 36');
    }
    return { kind: 'based', digits: text, base: Number(base.value.n) };
  }

  private letter(name: string): Expression {
    if (name === 'e') return { kind: 'constant', name: 'e' };
    if (name === 'i' && !this.isSign('_')) return { kind: 'constant', name: 'i' };
    let full = name;
    if (this.take('_')) {
      const start = this.at;
      this.argument();
      full += `_${JSON.stringify(this.tokens.slice(start, this.at).filter((t) => !isBrace(t)))}`;
    }
    while (this.isSign("'")) {
      this.at++;
      full += "'";
    }
    return { kind: 'variable', name: full };
  }

  private command(name: string): Expression {
    switch (name) {
      case 'frac': {
        const pending = { digits: '' };
        const a = this.part(pending);
        const b = this.part(pending);
        if (pending.digits) throw new Unreadable('digits left over');
        return quotient(a, b);
      }
      case 'binom': {
        const pending = { digits: '' };
        return { kind: 'binomial', n: this.part(pending), k: this.part(pending) };
      }
      case 'sqrt':
        return this.root();
      case 'pi':
        return { kind: 'constant', name: 'pi' };
      case 'infty':
        return { kind: 'constant', name: 'infinity' };
      case 'lfloor':
      case 'lceil': {
        const e = this.sum();
        const close = name === 'lfloor' ? 'rfloor' : 'rceil';
        if (!this.isCommand(close)) throw new Unreadable(`\\${close} expected`);
        this.at++;
        return { kind: 'function', name: name === 'lfloor' ? 'floor' : 'ceil', of: e };
      }
      default:
        if (!FUNCTIONS.has(name)) throw new Unreadable(`\\${name}`);
        return this.function(name);
    }
  }

  private root(): Expression {
    let degree = 2;
    if (this.take('[')) {
      const e = this.group(']');
      if (e.kind !== 'number' || e.value.d !== 1n || e.value.n < 2n || e.value.n > 100n) {
        throw new Unreadable('a root of a degree that is not a number from 2 to 100');
      }
      degree = Number(e.value.n);
    }
    return { kind: 'root', of: this.nested(() => this.argument()), degree };
  }

  private function(name: string): Expression {
    let base: Expression | undefined;
    let exponent: Expression | undefined;
    let inverse = false;
    for (;;) {
      if (name === 'log' && this.take('_')) base = this.argument();
      else if (this.take('^')) {
        const power = this.argument();
        const minusOne = power.kind === 'product' && plainFraction(power)?.n === -1n;
        if (minusOne && INVERSES[name]) inverse = true;
        else exponent = power;
      } else break;
    }
    const of = this.nested(() => this.operand());
    const whole: Expression =
      name === 'log'
        ? { kind: 'log', ...(base && { base }), of }
        : {
            kind: 'function',
            name: (inverse ? INVERSES[name] : name) as FunctionName,
            of,
          };
    return exponent ? { kind: 'power', base: whole, exponent } : whole;
  }

  /** What a function takes without brackets: the powers up to the next sign or function. */
  private operand(): Expression {
    if (this.isSign('(') || this.isSign('{')) return this.power();
    const factors = [this.power()];
    while (this.startsAtom() && !this.isSign('(')) {
      const next = this.peek();
      if (next?.kind === 'command' && FUNCTIONS.has(next.name)) break;
      factors.push(this.power());
    }
    if (this.isSign('/') && this.peek(1)?.kind === 'number') {
      this.at++;
      factors.push(quotient(integer(1), this.power()));
    }
    return factors.length === 1 ? (factors[0] as Expression) : { kind: 'product', factors };
  }
}

const isBrace = (t: Token): boolean => t.kind === 'sign' && (t.text === '{' || t.text === '}');

/** The value of a formula of whole numbers, minus and one division. */
function plainFraction(e: Expression): Rational | undefined {
  if (e.kind === 'number') return e.value;
  if (e.kind !== 'product') return undefined;
  let value: Rational = { n: 1n, d: 1n };
  for (const f of e.factors) {
    if (f.kind === 'number') value = fraction(value.n * f.value.n, value.d * f.value.d);
    else if (
      f.kind === 'power' &&
      f.base.kind === 'number' &&
      f.exponent.kind === 'number' &&
      f.exponent.value.n === -1n &&
      f.base.value.n !== 0n
    ) {
      value = fraction(value.n * f.base.value.d, value.d * f.base.value.n);
    } else return undefined;
  }
  return value;
}
