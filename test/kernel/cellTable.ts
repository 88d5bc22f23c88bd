// biome-ignore-all lint/suspicious/noTemplateCurlyInString: cells are source text.

/** What a cell must lead to; what is left out is not looked at. */
export interface CellExpectation {
  /** Value of the last expression. */
  value?: unknown;
  /** Names that have a value afterwards, sorted. */
  names?: string[];
  /** TypeScript's numbers of what is wrong with it; by default nothing is. */
  wrong?: number[];
  /** Line and column, from 1, of the first thing that is wrong. */
  at?: [number, number];
  throws?: RegExp;
}

type Row = [source: string | string[], expected: CellExpectation];

/** Cells, with the cells that ran before them, and what they must lead to. */
export const cellRows: { title: string; rows: Row[] }[] = [
  {
    title: 'values',
    rows: [
      ['1 + 1', { value: 2, names: [] }],
      ['', { names: [] }],
      ['// only a comment', { names: [] }],
      ['1;', { value: 1 }],
      ['1; 2', { value: 2 }],
      ['({ a: 1 })', { value: { a: 1 } }],
      ['[1, 2]', { value: [1, 2] }],
      ['`a${1 + 1}b`', { value: 'a2b' }],
      ['null', { value: null }],
      ['const x = 3;', { names: ['x'] }],
      ['const x = 3; x', { value: 3 }],
      ['5; interface After { a: 1 }', { value: 5 }],
      ['5; type After = string;', { value: 5 }],
      ['5; ;', { value: 5 }],
      ['if (true) 5;', {}],
      ['(() => 7)()', { value: 7 }],
      ['void 0', {}],
      ['true ? "yes" : "no"', { value: 'yes' }],
      ['1 as unknown as string', { value: 1 }],
      ['(1 satisfies number)', { value: 1 }],
      ['10n ** 20n', { value: 10n ** 20n }],
      ['/a(b)/.exec("ab")?.[1]', { value: 'b' }],
      ['await Promise.resolve(4)', { value: 4 }],
      ['1_000 + 0b11 + 0o7 + 0xf', { value: 1025 }],
      ['[""].find(() => false) ?? "other"', { value: 'other' }],
    ],
  },
  {
    title: 'variables',
    rows: [
      ['let a = 1, b = 2;', { names: ['a', 'b'] }],
      ['let a: number; a = 2; a', { value: 2, names: ['a'] }],
      ['var v = 1; v', { value: 1, names: ['v'] }],
      [['let a = 1', 'a = 5; a'], { value: 5 }],
      [['let a = 1', 'a += 5; a'], { value: 6 }],
      [['let a = 1', 'a++; ++a; a'], { value: 3 }],
      [['let a: number | undefined = 1', 'a ??= 4; a'], { value: 1 }],
      [['let a = 1', 'let a = "text"; a.length'], { value: 4 }],
      [['const a = 1', 'const a = [1, 2]; a.length'], { value: 2 }],
      [['const a = 1', 'let a = 2; a'], { value: 2 }],
      [['const a = 1', 'a = 2'], { wrong: [2632] }],
      [['let a = 1', 'a = "text"'], { wrong: [2322] }],
      [['let a = 1', 'const b = a; b'], { value: 1, names: ['b'] }],
      [['let a = 1', 'const get = () => a', 'a = 7', 'get()'], { value: 7 }],
      [['let a = 1', 'const get = () => a', 'let a = 9', 'get()'], { value: 9 }],
      ['const { a, b } = { a: 1, b: 2 }; a + b', { value: 3, names: ['a', 'b'] }],
      ['const { a: { b } } = { a: { b: 2 } }; b', { value: 2, names: ['b'] }],
      ['const { a = 5 } = {} as { a?: number }; a', { value: 5 }],
      ['const { a, ...rest } = { a: 1, b: 2, c: 3 }; rest', { value: { b: 2, c: 3 } }],
      ['const [a, , b = 3, ...c] = [1, 2, undefined, 4, 5]; [a, b, c]', { value: [1, 3, [4, 5]] }],
      ['const key = "k"; const { [key]: k } = { k: 8 }; k', { value: 8, names: ['k', 'key'] }],
      [['let a = 1, b = 2', '[a, b] = [b, a]; [a, b]'], { value: [2, 1] }],
      [['let a = 1, b = 2', '({ a, b } = { a: 5, b: 6 }); [a, b]'], { value: [5, 6] }],
      [['let a = 1', '({ a = 3 } = {} as { a?: number }); a'], { value: 3 }],
      [['let a = 1', '({ a })'], { value: { a: 1 } }],
      ['{ const inner = 1; } 2', { value: 2, names: [] }],
      ['{ var outer = 1; } outer', { value: 1, names: ['outer'] }],
      ['if (true) { var deep = 3; } deep', { value: 3 }],
      [['var kept = 1', 'var kept: number | undefined; kept'], { value: 1 }],
      ['{ const a = 1; { const a = 2; } } 3', { value: 3 }],
      [['const a = 1', '{ const a = 2; } a'], { value: 1 }],
      [['let a = 1', '(() => { let a = 5; a = 6; })(); a'], { value: 1 }],
      ['typeof notThere', { wrong: [2304] }],
      ['export const e = 4; e', { value: 4, names: ['e'] }],
      ['export let e = 4, f = 5; e + f', { value: 9, names: ['e', 'f'] }],
      ['declare const ghost: number; 1', { value: 1, names: [] }],
      [['let a = 1', 'delete (globalThis as { zz?: 1 }).zz; a'], { value: 1 }],
      ['const f = () => 1; f.name', { value: 'f' }],
      ['const f = function () {}; f.name', { value: 'f' }],
      ['const K = class {}; K.name', { value: 'K' }],
      ['let π = 3; π', { value: 3, names: ['π'] }],
      ['const $ = 1, _ = 2; $ + _', { value: 3, names: ['$', '_'] }],
      ['let a = 1, b = a + 1; b', { value: 2 }],
    ],
  },
  {
    title: 'functions',
    rows: [
      ['function f() { return 1; } f()', { value: 1, names: ['f'] }],
      ['g(); function g() { return 1; }', { names: ['g'] }],
      ['const early = late(); function late() { return 6; } early', { value: 6 }],
      [['function f() { return 1; }', 'function g() { return f() + 1; }', 'g()'], { value: 2 }],
      [
        [
          'function f() { return 1; }',
          'function g() { return f(); }',
          'function f() { return 5; }',
          'g()',
        ],
        { value: 5 },
      ],
      [
        'function f(n: number): number { return n < 2 ? n : f(n - 1) + f(n - 2); } f(10)',
        { value: 55 },
      ],
      ['async function f() { return 3; } await f()', { value: 3 }],
      ['function* g() { yield 1; yield 2; } [...g()]', { value: [1, 2] }],
      [
        'async function* g() { yield 1; yield 2; } const out: number[] = []; for await (const x of g()) out.push(x); out',
        { value: [1, 2] },
      ],
      [
        'function f(a: number): number; function f(a: string): string; function f(a: any) { return a; } f("x")',
        { value: 'x' },
      ],
      ['function f<T>(x: T): T { return x; } f([1])', { value: [1] }],
      ['function f(a = 1, ...rest: number[]) { return a + rest.length; } f(2, 3, 4)', { value: 4 }],
      [
        'function f({ a, b = 2 }: { a: number; b?: number }) { return a + b; } f({ a: 1 })',
        { value: 3 },
      ],
      ['function f(this: { n: number }) { return this.n; } f.call({ n: 4 })', { value: 4 }],
      [
        ['function whoAmI(this: unknown) { return this === undefined; }', 'whoAmI()'],
        { value: true },
      ],
      [
        'const tag = (s: TemplateStringsArray, ...v: number[]) => s.raw.join("|") + v; tag`a${1}b`',
        { value: 'a|b1' },
      ],
      ['export default function named() { return 1; } named()', { value: 1, names: ['named'] }],
      ['export function shown() { return 2; } shown()', { value: 2, names: ['shown'] }],
      ['function f(x: number) {} f("a")', { wrong: [2345], at: [1, 28] }],
      ['function f(a, b) { return a + b; } f(1, 2)', { value: 3 }],
      ['const add = (a: number) => (b: number) => a + b; add(1)(2)', { value: 3 }],
      ['((x: number) => x * 2)(4)', { value: 8 }],
      [
        'function f() { return arguments.length; } (f as (...a: number[]) => number)(1, 2)',
        { value: 2 },
      ],
      [['const o = { m() { return this.k; }, k: 2 }', 'o.m()'], { value: 2 }],
      ['function f() { return new.target === undefined; } f()', { value: true }],
    ],
  },
  {
    title: 'classes',
    rows: [
      ['class A { x = 1; } new A().x', { value: 1, names: ['A'] }],
      [
        ['class A { x = 1; }', 'class B extends A { y = 2; } const b = new B(); b.x + b.y'],
        { value: 3 },
      ],
      [
        'class A { constructor(public v: number, private w = 1) {} sum() { return this.v + this.w; } } new A(2).sum()',
        { value: 3 },
      ],
      [
        'class A { #p = 5; get p() { return this.#p; } set p(v) { this.#p = v; } } const a = new A(); a.p = 6; a.p',
        { value: 6 },
      ],
      ['class A { static n = 1; static { A.n += 1; } } A.n', { value: 2 }],
      ['class A { static make() { return new A(); } } A.make() instanceof A', { value: true }],
      [['class A { v = 1 }', 'class A { v = "two" }', 'new A().v'], { value: 'two' }],
      [
        'abstract class S { abstract area(): number; } class Q extends S { area() { return 4; } } new Q().area()',
        { value: 4 },
      ],
      ['new (class { k = 3 })().k', { value: 3 }],
      [
        'class Stack<T> { items: T[] = []; push(x: T) { this.items.push(x); return this; } } new Stack<number>().push(1).items',
        { value: [1] },
      ],
      [
        'interface Named { name: string } class P implements Named { name = "p" } new P().name',
        { value: 'p' },
      ],
      ['class A { accessor x = 1; } const a = new A(); a.x = 4; a.x', { value: 4 }],
      ['class A { declare x: number; } "x" in new A()', { value: false }],
      ['class A { override toString() { return "a"; } } `${new A()}`', { wrong: [4112] }],
      [
        'class A { [Symbol.iterator]() { return [1, 2][Symbol.iterator](); } } [...new A()]',
        { value: [1, 2] },
      ],
      [['class A { private hidden = 1 }', 'new A().hidden'], { wrong: [2341] }],
      [
        'class E2 extends Error {} try { throw new E2("m"); } catch (e) { (e as Error).message }',
        {},
      ],
      [
        'function logged(_m: Function, c: ClassMethodDecoratorContext) { seen.push(String(c.name)); } const seen: string[] = []; class A { @logged go() {} } seen',
        { value: ['go'] },
      ],
      [
        'const twice = (f: (n: number) => number, _c: ClassMethodDecoratorContext) => function (this: unknown, n: number) { return 2 * f.call(this, n); }; class A { @twice inc(n: number) { return n + 1; } } new A().inc(3)',
        { value: 8 },
      ],
      [
        'const names: unknown[] = []; function mark(_t: unknown, c: ClassDecoratorContext) { names.push(c.name); } @mark class Marked {} [names, new Marked() instanceof Marked]',
        { value: [['Marked'], true] },
      ],
    ],
  },
  {
    title: 'types',
    rows: [
      ['interface I { a: number }', { names: [] }],
      [['interface I { a: number }', 'const i: I = { a: 1 }; i.a'], { value: 1 }],
      [['type T = "a" | "b"', 'const t: T = "c"'], { wrong: [2322] }],
      [['type T = number', 'type T = string', 'const t: T = "now text"; t'], { value: 'now text' }],
      ['enum Side { Left, Right } Side.Right', { value: 1, names: ['Side'] }],
      [['enum Side { Left = "l" }', 'Side.Left'], { value: 'l' }],
      ['const enum C { A = 3 } C.A', { value: 3 }],
      [['enum Side { Left, Right }', 'const s: Side = Side.Left; Side[s]'], { value: 'Left' }],
      [
        'namespace N { export const x = 1; export function f() { return x; } } N.f()',
        { value: 1, names: ['N'] },
      ],
      ['namespace T { export type X = number } const x: T.X = 1; x', { value: 1, names: ['x'] }],
      [['namespace N { export const x = 1 }', 'import y = N.x; y'], { value: 1 }],
      [
        'type Keys<T> = { [K in keyof T]: K }; const k: Keys<{ a: 1 }> = { a: "a" }; k.a',
        { value: 'a' },
      ],
      ['const x = { a: 1 } satisfies Record<string, number>; x.a', { value: 1 }],
      ['const x = [1, "a"] as const; x[1]', { value: 'a' }],
      ['let x: unknown = 1; (x as number) + 1', { value: 2 }],
      ['let x!: number; x = 1; x!', { value: 1 }],
      [
        'function isText(x: unknown): x is string { return typeof x === "string"; } isText("a")',
        { value: true },
      ],
      ['const x: number = "a"', { wrong: [2322], at: [1, 7] }],
      ['\n\nconst x: number = "a"', { wrong: [2322], at: [3, 7] }],
      ['missing', { wrong: [2304], at: [1, 1] }],
      ['missing(); alsoMissing()', { wrong: [2304, 2304] }],
      [['const s = "text"', 's.toFixed()'], { wrong: [2551] }],
      ['// @ts-nocheck\nconst x: number = "a"; x', { value: 'a' }],
      ['// @ts-expect-error\nconst x: number = "a"; x', { value: 'a' }],
      ['const f = (x) => x; f(1)', { value: 1 }],
      ['const o = { a: 1 }; o["b"]', { wrong: [] }],
      ['[3, 1, 2].toSorted()', { value: [1, 2, 3] }],
      [['type Box<T> = { v: T }', 'const b: Box<number> = { v: 1 }; b.v'], { value: 1 }],
      [['class A { a = 1 }', 'const list: A[] = [new A()]; list[0]!.a'], { value: 1 }],
    ],
  },
  {
    title: 'control flow',
    rows: [
      ['let s = 0; for (let i = 0; i < 4; i++) s += i; s', { value: 6 }],
      ['for (var i = 0; i < 4; i++); i', { value: 4, names: ['i'] }],
      ['let s = 0; for (const x of [1, 2]) s += x; s', { value: 3 }],
      ['for (var k in { a: 1, b: 2 }); k!', { value: 'b', names: ['k'] }],
      ['for (var x of [1, 2]); x!', { value: 2 }],
      ['for (var [p, q] of [[1, 2]]); p! + q!', { value: 3, names: ['p', 'q'] }],
      [['let x = 0', 'for (x of [4, 5]); x'], { value: 5 }],
      [['let x = ""', 'for (x in { z: 1 }); x'], { value: 'z' }],
      [
        'const fs: (() => number)[] = []; for (let i = 0; i < 3; i++) fs.push(() => i); fs.map((f) => f())',
        { value: [0, 1, 2] },
      ],
      ['let n = 0; while (n < 3) n++; n', { value: 3 }],
      ['let n = 0; do n++; while (n < 3); n', { value: 3 }],
      [
        'let n = 0; outer: for (;;) { for (;;) { n++; if (n > 2) break outer; continue outer; } } n',
        { value: 3 },
      ],
      [
        'let r = ""; switch (2 as number) { case 1: r = "one"; break; case 2: r = "two"; } r',
        { value: 'two' },
      ],
      ['switch (1 as number) { case 1: var sw = 4; } sw!', { value: 4 }],
      [
        'let r = 0; try { throw 1; } catch (e) { r = e as number; } finally { r += 1; } r',
        { value: 2 },
      ],
      ['throw new RangeError("far")', { throws: /RangeError: far/ }],
      ['const before = 1; throw new Error("x"); ', { throws: /x/, names: ['before'] }],
      [['const kept = 1; throw 2; const lost = 3;', 'kept'], { value: 1 }],
      [['const kept = 1; throw 2; const lost = 3;', 'lost'], { wrong: [2304] }],
      ['return 1', { wrong: [1108] }],
      ['break', { wrong: [1105] }],
      ['label: { break label; } 1', { value: 1 }],
      ['debugger; 1', { value: 1 }],
      ['let c = 0; for await (const x of [Promise.resolve(1), 2]) c += x; c', { value: 3 }],
      ['const all = await Promise.all([1, 2].map(async (x) => x * 2)); all', { value: [2, 4] }],
      ['let x = await (async () => { await null; return 5; })(); x', { value: 5 }],
      ['if (await Promise.resolve(true)) { var yes = 1; } yes!', { value: 1 }],
      [
        [
          'let late = 0',
          'await new Promise<void>((r) => setTimeout(() => { late = 3; r(); }, 1)); late',
        ],
        { value: 3 },
      ],
    ],
  },
  {
    title: 'resources',
    rows: [
      [
        'const log: string[] = []; { using r = { [Symbol.dispose]() { log.push("gone"); } }; log.push("in"); } log',
        { value: ['in', 'gone'], names: ['log'] },
      ],
      [
        [
          'const log: string[] = []',
          'using r = { n: 2, [Symbol.dispose]() { log.push("gone"); } }; log.push(String(r.n));',
          'log',
        ],
        { value: ['2', 'gone'] },
      ],
      [
        [
          'const log: string[] = []',
          '{ await using r = { async [Symbol.asyncDispose]() { log.push("gone"); } }; }',
          'log',
        ],
        { value: ['gone'] },
      ],
      [['using r = { [Symbol.dispose]() {} };', 'r'], { wrong: [2304] }],
      [
        'function f() { using r = { [Symbol.dispose]() { n += 1; } }; return n; } let n = 0; [f(), n]',
        { value: [0, 1] },
      ],
    ],
  },
  {
    title: 'modules',
    rows: [
      [
        'import { basename } from "node:path"; basename("/a/b")',
        { value: 'b', names: ['basename'] },
      ],
      [['import { basename } from "node:path"', 'basename("/a/b")'], { value: 'b' }],
      ['import path from "node:path"; path.sep.length', { value: 1 }],
      ['import * as path from "path"; path.basename("/x/y")', { value: 'y' }],
      [
        'import { basename as last } from "node:path"; last("/a/c")',
        { value: 'c', names: ['last'] },
      ],
      [
        'import type { Stats } from "node:fs"; let s: Stats | null = null; s',
        { value: null, names: ['s'] },
      ],
      [
        'import { type Stats, existsSync } from "node:fs"; existsSync("/nowhere")',
        { value: false, names: ['existsSync'] },
      ],
      ['import "node:fs"; 1', { value: 1 }],
      ['const { basename } = await import("node:path"); basename("/q/r")', { value: 'r' }],
      ['const fs = require("node:fs"); typeof fs.existsSync', { value: 'function' }],
      ['import { nope } from "node:path"', { wrong: [2305] }],
      ['import x from "not-a-package-at-all"', { wrong: [2307] }],
      ['import { pi } from "./numbers.json"', { value: undefined }],
      ['import numbers from "./numbers.json" with { type: "json" }; numbers.pi', { value: 3.14 }],
      ['import * as aq from "arquero"; aq.table({ a: [1, 2] }).numRows()', { value: 2 }],
      ['import { compile } from "vega-lite"; typeof compile', { value: 'function' }],
      ['typeof import.meta.url', { value: 'string' }],
      ['export { basename } from "node:path"; 1', { value: 1 }],
      [
        'import { EventEmitter } from "node:events"; class Mine extends EventEmitter {} new Mine() instanceof EventEmitter',
        { value: true },
      ],
      [['import { basename } from "node:path"', 'const basename = 1; basename'], { value: 1 }],
    ],
  },
  {
    title: 'syntax that is wrong',
    rows: [
      ['const = 1', { wrong: [1134, 1134], at: [1, 7] }],
      ['1 +', { wrong: [1109] }],
      ['let a = 1; let a = 2;', { wrong: [2451, 2451] }],
      ['const x;', { wrong: [1155] }],
      ['"unclosed', { wrong: [1002] }],
      ['`unclosed', { wrong: [1160] }],
      ['await = 1', { wrong: [1109] }],
      ['<div/>', { wrong: [1005] }],
      ['class { }', { wrong: [1211] }],
      ['let yield = 1', { wrong: [1214] }],
    ],
  },
];
