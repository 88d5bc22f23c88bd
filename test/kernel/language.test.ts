import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wasmDeclarations } from '../../kernel/compiler/wasm.js';
import { Client, printed, result } from './client.js';
import { Notebook } from './notebook.js';

/** A WebAssembly module that exports `add(i32, i32): i32`, computed by one instruction. */
const wasm = (instruction: number): Uint8Array =>
  // biome-ignore format: one section a line
  new Uint8Array([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    1, 7, 1, 0x60, 2, 0x7f, 0x7f, 1, 0x7f,
    3, 2, 1, 0,
    7, 7, 1, 3, 0x61, 0x64, 0x64, 0, 0,
    10, 9, 1, 7, 0, 0x20, 0, 0x20, 1, instruction, 0x0b,
  ]);
const [add, multiply] = [0x6a, 0x6c];

describe('repeated cells', () => {
  it('leave the memory of the compiler where it was', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mambalab-repeated-'));
    const notebook = new Notebook(folder);
    const cell = `const xs: number[] = [1, 2, 3]; let sum = 0; for (const x of xs) sum += x; sum`;
    const used = async (times: number): Promise<number> => {
      for (let i = 0; i < times; i += 1) await notebook.run(cell);
      (globalThis as unknown as { gc(): void }).gc();
      return process.memoryUsage().heapUsed / 1e6;
    };
    const before = await used(40);
    // A cell that stayed would keep its syntax tree and types: about a quarter of a megabyte.
    expect((await used(100)) - before).toBeLessThan(8);
    rmSync(folder, { recursive: true });
  });
});

describe('repeated cells in a kernel', () => {
  it('leave the memory of the process that runs them where it was', async () => {
    const client = await Client.start();
    const used = async (times: number): Promise<number> => {
      for (let i = 0; i < times; i += 1) {
        await client.execute(
          `const big = new Array<number>(200_000).fill(${i}); console.log('x'.repeat(1000)); display(big.length); big`,
        );
      }
      const exchange = await client.execute(
        `import v8 from 'node:v8'; import vm from 'node:vm'; v8.setFlagsFromString('--expose-gc');
         vm.runInNewContext('gc')(); process.memoryUsage().heapUsed / 1e6`,
      );
      return Number(result(exchange));
    };
    const before = await used(10);
    // An array that stayed would keep 1.6 megabytes.
    expect((await used(40)) - before).toBeLessThan(8);
    await client.close();
  });
});

describe('WebAssembly declarations', () => {
  it('name the exports with their types', () => {
    expect(wasmDeclarations(wasm(add))).toContain('(p0: number, p1: number) => number');
    expect(wasmDeclarations(wasm(add))).toContain('as "add"');
  });

  it('of a file that is none are empty', () => {
    expect(wasmDeclarations(new Uint8Array([1, 2, 3]))).toBe('export {};\n');
    expect(wasmDeclarations(wasm(add).subarray(0, 20))).toBe('export {};\n');
  });
});

describe('the language in a kernel', () => {
  let client: Client;
  beforeAll(async () => {
    client = await Client.start({
      'add.wasm': wasm(add),
      'common.cjs': `module.exports = { n: 7 };\n`,
      'wrong.ts': `export const n: number = 'text';\n`,
      'late.ts': `export const late = 'dynamic';\n`,
    });
  });
  afterAll(() => client.close());

  const value = async (code: string): Promise<unknown> => {
    const exchange = await client.execute(code);
    if (exchange.reply.content.status !== 'ok') {
      throw new Error((exchange.reply.content.traceback as string[]).join('\n'));
    }
    return result(exchange);
  };

  it('imports WebAssembly with types, again when it has changed', async () => {
    expect(await value(`import { add } from './add.wasm'; add(3, 4)`)).toBe('7');
    const wrong = await client.execute(`import { add } from './add.wasm'; add('3', 4)`);
    expect(wrong.reply.content.ename).toBe('TypeScriptError');
    await new Promise((resolve) => setTimeout(resolve, 20));
    writeFileSync(join(client.folder, 'add.wasm'), wasm(multiply));
    expect(await value(`import { add } from './add.wasm'; add(3, 4)`)).toBe('12');
  });

  it('has using, decorators, dynamic import and require', async () => {
    const resource = `const log: string[] = [];
      const open = (name: string) => ({ name, [Symbol.dispose]() { log.push('closed ' + name); } });`;
    await value(resource);
    await value(`using file = open('a'); log.push('using ' + file.name);`);
    expect(await value('log')).toBe("[ 'using a', 'closed a' ]");
    expect(
      await value(
        `function loud(f: (s: string) => string, _c: ClassMethodDecoratorContext) {
           return function (this: unknown, s: string) { return f.call(this, s).toUpperCase(); };
         }
         class Voice { @loud say(s: string) { return s; } }
         new Voice().say('hi')`,
      ),
    ).toBe("'HI'");
    expect(await value(`(await import('./late')).late`)).toBe("'dynamic'");
    expect(await value(`require('./common.cjs').n`)).toBe('7');
  });

  it('names the line of a local file whose types are wrong', async () => {
    const { reply } = await client.execute(`import { n } from './wrong'; n`);
    expect((reply.content.traceback as string[]).join('\n')).toContain('wrong.ts:1:14 - TS2322');
  });

  it('names the line of a local file that throws, and traces where it is', async () => {
    writeFileSync(
      join(client.folder, 'throws.ts'),
      `export interface Gone { a: 1 }\n\nexport const later = (): never => {\n  throw new Error('here');\n};\n`,
    );
    const { reply } = await client.execute(`import { later } from './throws'; later();`);
    expect((reply.content.traceback as string[]).join('\n')).toMatch(
      /at later \(throws\.ts:4:9\)\n {4}at In\[\d+\]:1:\d+$/,
    );
    const { published } = await client.execute(`console.trace('here');`);
    expect(printed(published, 'stderr')).toMatch(/^Trace: here\n {4}at In\[\d+\]:1:\d+\n$/);
  });

  it('shows causes of an error down to the first', async () => {
    const { reply } = await client.execute(
      `const inner = () => { throw new TypeError('the root'); };
       try { inner(); } catch (cause) { throw new Error('above', { cause }); }`,
    );
    const traceback = (reply.content.traceback as string[]).join('\n');
    expect(traceback).toContain('above');
    expect(traceback).toMatch(/Caused by.*TypeError.*the root/);
    expect(traceback).toMatch(/at inner \(In\[\d+\]:1:\d+\)/);
  });

  it('starts in any folder, with that folder as its own', async () => {
    expect(await value('process.cwd() === __dirname')).toBe('true');
    const { published } = await client.execute(`console.log('console is known');`);
    expect(printed(published)).toBe('console is known\n');
  });
});
