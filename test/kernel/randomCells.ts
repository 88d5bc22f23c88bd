/** A cell of a random notebook, and the same as part of one plain module. */
export interface RandomCell {
  notebook: string;
  module: string;
}

/** A random notebook of cells that redefine, close over, destructure, loop, await and fail. */
export interface RandomSequence {
  cells: RandomCell[];
  /** Every name that it may declare. */
  all: string[];
  /** Names that hold numbers at the end. */
  names: string[];
}

/** Mulberry32: small, and the same numbers everywhere. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Makes a sequence from a seed. Every variable holds a number and every function maps a number to
 * one, so that all of it type-checks; functions call only those of smaller names, so that none
 * calls itself forever. In the plain module a name is declared once, and declaring it again is an
 * assignment.
 *
 * @param suffix Part of every name, so that sequences can share a notebook.
 * @param fails Whether cells may throw.
 */
export function randomSequence(seed: number, suffix = '', fails = true): RandomSequence {
  const random = randomNumbers(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const digit = (): number => Math.floor(random() * 10);
  /** Names with values; those declared later in a cell that has failed are not among them. */
  const variables = new Set<string>();
  const constants = new Set<string>();
  const functions = new Set<string>();
  const classes = new Set<string>();

  const expression = (depth = 0, before = 4): string => {
    const numbers = [...variables, ...constants];
    const callable = [...functions].filter((name) => orderOf(name) < before);
    const kinds = ['digit', 'number', 'number'];
    if (depth < 2) kinds.push('sum', 'choice', 'call', 'arrow', 'instance', 'array', 'template');
    switch (pick(kinds)) {
      case 'number':
        return numbers.length > 0 ? pick(numbers) : String(digit());
      case 'sum':
        return `(${expression(depth + 1, before)} ${pick(['+', '-', '*'])} ${expression(depth + 1, before)}) % 1009`;
      case 'choice':
        return `(${expression(depth + 1, before)} > ${digit()} ? ${expression(depth + 1, before)} : ${digit()})`;
      case 'call':
        return callable.length > 0 ? `${pick(callable)}(${expression(depth + 1, before)})` : '3';
      case 'arrow':
        return `((p: number) => p + ${expression(depth + 1, before)})(${digit()})`;
      case 'instance':
        return classes.size > 0 && before === 4
          ? `new ${pick([...classes])}(${digit()}).get()`
          : '4';
      case 'array':
        return `[${digit()}, ${expression(depth + 1, before)}].reduce((a, b) => a + b)`;
      case 'template':
        return `\`\${${expression(depth + 1, before)}}\`.length`;
      default:
        return String(digit());
    }
  };

  /** One statement in both forms; `earlier` is the cell so far. */
  const statement = (earlier: string): RandomCell => {
    const same = (text: string): RandomCell => ({ notebook: text, module: text });
    /** A name that the cell may declare: one that it has not mentioned yet. */
    const fresh = (prefix: string): string | undefined => {
      const free = namesOf(prefix, suffix).filter((name) => !mentions(earlier, name));
      return free.length === 0 ? undefined : pick(free);
    };
    /** An expression without a name that is about to be declared. */
    const without = (name: string, kinds: Set<string>): string => {
      const had = kinds.delete(name);
      const value = expression();
      if (had) kinds.add(name);
      return value;
    };
    const assignable = [...variables];
    switch (
      pick([
        'let',
        'let',
        'const',
        'function',
        'class',
        'assign',
        'assign',
        'update',
        'for',
        'forOf',
        'while',
        'pattern',
        'swap',
        'await',
        'block',
        'try',
        'var',
      ])
    ) {
      case 'let': {
        const name = fresh('v');
        if (name === undefined) break;
        const value = without(name, variables);
        variables.add(name);
        return { notebook: `let ${name}: number = ${value};`, module: `${name} = ${value};` };
      }
      case 'var': {
        const name = fresh('v');
        if (name === undefined) break;
        const value = without(name, variables);
        variables.add(name);
        return { notebook: `{ var ${name}: number = ${value}; }`, module: `${name} = ${value};` };
      }
      case 'const': {
        const name = fresh('k');
        if (name === undefined) break;
        const value = without(name, constants);
        constants.add(name);
        return { notebook: `const ${name}: number = ${value};`, module: `${name} = ${value};` };
      }
      case 'function': {
        const name = fresh('f');
        if (name === undefined) break;
        const value = expression(0, orderOf(name));
        functions.add(name);
        // As a constant: a declaration would be hoisted to the top of its cell.
        const body = `(n: number): number => (n + ${value}) % 1009`;
        return { notebook: `const ${name} = ${body};`, module: `${name} = ${body};` };
      }
      case 'class': {
        const name = fresh('C');
        if (name === undefined) break;
        const value = expression(1, 0);
        classes.add(name);
        const body = `{ #v: number; constructor(v: number) { this.#v = v; } get(): number { return this.#v + ${value}; } }`;
        return { notebook: `class ${name} ${body}`, module: `${name} = class ${body};` };
      }
      case 'assign':
        if (assignable.length === 0) break;
        return same(`${pick(assignable)} ${pick(['=', '+=', '-='])} ${expression()};`);
      case 'update':
        if (assignable.length === 0) break;
        return same(`${pick(assignable)}${pick(['++', '--'])};`);
      case 'for':
        if (assignable.length === 0) break;
        return same(`for (let i = 0; i < ${digit()}; i++) ${pick(assignable)} += i + ${digit()};`);
      case 'forOf':
        if (assignable.length === 0) break;
        return same(
          `for (${pick(assignable)} of [${digit()}, ${expression()}]) { if (${expression()} > 500) break; }`,
        );
      case 'while': {
        if (assignable.length === 0) break;
        const name = pick(assignable);
        return same(`for (let i = 0; i < 3; i++) { ${name} = (${name} * 2 + i) % 997; }`);
      }
      case 'pattern': {
        if (assignable.length < 2) break;
        return same(
          `[${assignable[0]}, ${assignable[1]} = ${digit()}] = [${expression()}, ${expression()}];`,
        );
      }
      case 'swap':
        if (assignable.length < 2) break;
        return same(
          `({ a: ${assignable[0]}, b: ${assignable[1]} } = { a: ${assignable[1]}, b: ${assignable[0]} } as { a: number; b: number });`,
        );
      case 'await':
        if (assignable.length === 0) break;
        return same(`${pick(assignable)} = await Promise.resolve(${expression()});`);
      case 'block':
        return same(
          `{ const v0${suffix} = ${digit()}; const inner = (x: number) => x + v0${suffix}; inner(${digit()}); }`,
        );
      case 'try':
        if (assignable.length === 0) break;
        return same(
          `try { ${pick(assignable)} = ${expression()}; if (${expression()} > ${digit()}) throw 1; } catch { ${pick(assignable)} = ${digit()}; }`,
        );
    }
    return same(`${digit()};`);
  };

  const cells: RandomCell[] = [];
  const count = 2 + Math.floor(random() * 3);
  for (let i = 0; i < count; i += 1) {
    const parts: RandomCell[] = [];
    for (let left = 1 + Math.floor(random() * 3); left > 0; left -= 1) {
      parts.push(statement(parts.map((part) => part.notebook).join('\n')));
    }
    if (random() < 0.1 && fails) {
      parts.push({ notebook: 'throw new Error("stop");', module: 'throw new Error("stop");' });
    }
    cells.push({
      notebook: parts.map((part) => part.notebook).join('\n'),
      module: `try {\n${parts.map((part) => part.module).join('\n')}\n} catch {}`,
    });
  }
  const names = [...variables, ...constants].sort();
  const all = ['v', 'k', 'f', 'C'].flatMap((prefix) => namesOf(prefix, suffix));
  return { cells, all, names };
}

/** One plain async function body with the meaning of a sequence; it returns the final values. */
export function plainModule({ cells, all, names }: RandomSequence): string {
  return [
    `let ${all.map((name) => `${name}: any`).join(', ')};`,
    ...cells.map((cell) => cell.module),
    `return { ${names.join(', ')} };`,
  ].join('\n');
}

const namesOf = (prefix: string, suffix: string): string[] =>
  [0, 1, 2, 3].map((n) => `${prefix}${n}${suffix}`);

/** The number in a function's name. */
const orderOf = (name: string): number => Number.parseInt(name.slice(1), 10);

const mentions = (text: string, name: string): boolean => new RegExp(`\\b${name}\\b`).test(text);
