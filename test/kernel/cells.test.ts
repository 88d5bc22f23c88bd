import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Message } from '../../kernel/wire/message.js';
import { Client, printed, result, types } from './client.js';

const bundle = (message: Message | undefined) => message?.content.data as Record<string, unknown>;

describe('cells', () => {
  let client: Client;
  beforeAll(async () => {
    client = await Client.start({
      'helper.ts': `import { two } from './deeper';\nexport const four = (): number => two * 2;\n`,
      'deeper.ts': `export const two: number = 2;\n`,
      'plain.js': `export const word = 'first';\n`,
      'numbers.json': `{ "pi": 3.14 }\n`,
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

  it('declare names that later cells use, change and declare again', async () => {
    await value(`let n = 1; const add = (k: number) => n + k; class Box<T> { constructor(public v: T) {} }
      interface Shape { sides: number } enum Side { Left, Right }`);
    await value('n = 10;');
    expect(await value('add(1)')).toBe('11');
    expect(await value('const s: Shape = { sides: 4 }; new Box(s.sides + Side.Right).v')).toBe('5');
    await value(`const n = 'text';`);
    expect(await value('n.length')).toBe('4');
  });

  it('await at the top level and take values apart', async () => {
    await value(
      `const { a, b: [c = 5, ...rest] } = await Promise.resolve({ a: 1, b: [undefined, 2, 3] });`,
    );
    expect(await value('[a, c, rest]')).toBe('[ 1, 5, [ 2, 3 ] ]');
    expect(await value('let sum = 0; for await (const k of [1, 2]) sum += k; sum')).toBe('3');
  });

  it('import packages of the kernel and of Node.js with their types', async () => {
    const code = `import * as aq from 'arquero'; import { basename } from 'node:path';
      const table = aq.table({ x: [1, 2, 3] }); [table.numRows(), basename('/a/b')]`;
    expect(await value(code)).toBe(`[ 3, 'b' ]`);
    const wrong = await client.execute('const rows: string = table.numRows();');
    expect(wrong.reply.content).toMatchObject({ ename: 'TypeScriptError' });
    expect(String(wrong.reply.content.evalue)).toContain(
      `Type 'number' is not assignable to type 'string'`,
    );
  });

  it('import tfjs, whose types and values are one', async () => {
    const code = `import * as tf from '@tensorflow/tfjs';
      const t: tf.Tensor1D = tf.tensor1d([1, 2, 3]); (await t.sum().data())[0]`;
    expect(await value(code)).toBe('6');
  });

  it('import local TypeScript, again when anything below it has changed', async () => {
    expect(await value(`import { four } from './helper'; four()`)).toBe('4');
    writeFileSync(join(client.folder, 'deeper.ts'), 'export const two: number = 2.5;\n');
    expect(await value(`import { four } from './helper.ts'; four()`)).toBe('5');
  });

  it('import local JavaScript and JSON', async () => {
    expect(await value(`import { word } from './plain.js'; word`)).toBe(`'first'`);
    writeFileSync(join(client.folder, 'plain.js'), `export const word = 'second one';\n`);
    expect(await value(`import { word } from './plain.js'; word`)).toBe(`'second one'`);
    expect(await value(`import numbers from './numbers.json'; numbers.pi`)).toBe('3.14');
    expect(await value(`(await import('./numbers.json')).default.pi`)).toBe('3.14');
  });

  it('require CommonJS and know where they are', async () => {
    expect(
      await value(
        `require('node:path').basename(__dirname) === require('node:path').basename(process.cwd())`,
      ),
    ).toBe('true');
    expect(await value(`import.meta.url.startsWith('file:')`)).toBe('true');
  });

  it('do not run when a type is wrong, and name the line', async () => {
    const { reply, published } = await client.execute(
      `console.log('ran');\nconst x: number = 'a';\nmissing();`,
    );
    expect(types(published)).toEqual(['status', 'execute_input', 'error', 'status']);
    const traceback = (reply.content.traceback as string[]).join('\n');
    expect(traceback).toMatch(/In\[\d+\]:2:7/);
    expect(traceback).toMatch(/In\[\d+\]:3:1/);
  });

  it('run in spite of wrong types when asked to', async () => {
    expect(await value(`// @ts-nocheck\nconst wrong: number = 'a'; wrong`)).toBe(`'a'`);
  });

  it('fail with a stack in their own coordinates', async () => {
    await client.execute(
      `interface Gone { a: 1 }\n\nfunction fails(): never {\n  throw new RangeError('too far');\n}`,
    );
    const { reply } = await client.execute('const before = 1;\nfails();');
    expect(reply.content).toMatchObject({ ename: 'RangeError', evalue: 'too far' });
    const traceback = (reply.content.traceback as string[]).join('\n');
    expect(traceback).toMatch(/at fails \(In\[\d+\]:4:9\)/);
    expect(traceback).toMatch(/at In\[\d+\]:2:\d/);
    expect(traceback).not.toMatch(/dist.kernel|node:|__run/);
    expect(await value('before')).toBe('1');
  });

  it('report anything that can be thrown', async () => {
    for (const code of [
      `throw 'text'`,
      'throw null',
      'throw undefined',
      `throw { get message() { throw 1; }, get stack() { throw 2; } }`,
      `throw Object.defineProperty(new Error('x'), 'stack', { get() { throw 3; } })`,
      `throw new Error('outer', { cause: new TypeError('inner') })`,
    ]) {
      const { reply } = await client.execute(code);
      expect(reply.content.status).toBe('error');
      expect(Array.isArray(reply.content.traceback)).toBe(true);
    }
    const { reply } = await client.execute(
      `throw new Error('o', { cause: new TypeError('inner') })`,
    );
    expect((reply.content.traceback as string[]).join('\n')).toContain('inner');
  });

  it('survive rejections and timers that nobody handles, and process.exit', async () => {
    const { published } = await client.execute(
      `void Promise.reject(new Error('unhandled')); setTimeout(() => { throw new Error('late'); }, 1);
       await new Promise((r) => setTimeout(r, 30));`,
    );
    expect(printed(published, 'stderr')).toContain('unhandled');
    expect(printed(published, 'stderr')).toContain('late');
    const { reply } = await client.execute('process.exit(3)');
    expect(String(reply.content.evalue)).toContain('process.exit(3)');
  });
});

describe('display', () => {
  let client: Client;
  beforeAll(async () => {
    client = await Client.start();
  });
  afterAll(() => client.close());

  it('uses the Jupyter.display method of any object, at once or later', async () => {
    for (const shown of [
      `() => ({ 'text/html': '<b>x</b>' })`,
      `async () => ({ 'text/html': '<b>x</b>' })`,
    ]) {
      const { published } = await client.execute(`({ [Symbol.for('Jupyter.display')]: ${shown} })`);
      const found = published.find(({ header }) => header.msg_type === 'execute_result');
      expect(bundle(found)['text/html']).toBe('<b>x</b>');
      expect(bundle(found)['text/plain']).toBeTypeOf('string');
    }
  });

  it('updates a display in place and clears output', async () => {
    const { published } = await client.execute(
      `const bar = display('0 %'); await bar.update('100 %'); clearOutput({ wait: true });`,
    );
    expect(types(published)).toEqual([
      'status',
      'execute_input',
      'display_data',
      'update_display_data',
      'clear_output',
      'status',
    ]);
    const [first, second] = published.slice(2, 4);
    expect(first!.content.transient).toEqual(second!.content.transient);
    expect(published[4]!.content).toEqual({ wait: true });
  });

  it('lets libraries publish without importing the kernel', async () => {
    const { published } = await client.execute(
      `(globalThis as any)[Symbol.for('Jupyter.broadcast')]('display_data',
         { data: { 'text/plain': 'hello' }, metadata: {}, transient: { display_id: 'd' } });`,
    );
    expect(published[2]!.content).toMatchObject({ data: { 'text/plain': 'hello' } });
    const { reply } = await client.execute(
      `(globalThis as any)[Symbol.for('Jupyter.broadcast')]('shutdown_reply', {});`,
    );
    expect(String(reply.content.evalue)).toContain('shutdown_reply');
    const invalid = await client.execute(
      `(globalThis as any)[Symbol.for('Jupyter.broadcast')]('display_data', { data: { 'text/html': 5 } });`,
    );
    expect(invalid.reply.content.evalue).toBe(
      'broadcast: display_data: expected a MIME bundle, got 5 as text/html, which has to be text',
    );
  });

  it('shows what the tslab package displays', async () => {
    const { published } = await client.execute(
      `import * as tslab from 'tslab'; tslab.display.html('<i>tslab</i>');`,
    );
    const found = published.find(({ header }) => header.msg_type === 'display_data');
    expect(bundle(found)['text/html']).toBe('<i>tslab</i>');
  });

  it('turns a display method that fails into the error of its cell', async () => {
    for (const method of [
      `() => { throw new Error('broken') }`,
      `() => 5`,
      `() => null`,
      `() => ({ 'not a type': 1 })`,
      `() => ({ 'text/html': 5 })`,
      `() => ({ 'text/html': () => 1 })`,
      `() => ({ 'application/json': () => 1 })`,
      `() => ({ 'application/json': 1n })`,
      `async () => { throw new Error('later') }`,
      `() => { const a: any = {}; a.a = a; return { 'application/json': a }; }`,
    ]) {
      const { reply } = await client.execute(`({ [Symbol.for('Jupyter.display')]: ${method} })`);
      expect(reply.content.status).toBe('error');
    }
    expect(result(await client.execute('1 + 1'))).toBe('2');
  });

  it('prints values that resist', async () => {
    expect(
      result(await client.execute(`const round: any = {}; round.self = round; round`)),
    ).toContain('[Circular');
    expect(
      result(
        await client.execute(
          `({ get a() { throw new Error('no'); }, [Symbol.for('nodejs.util.inspect.custom')]() { throw new Error('no') } })`,
        ),
      ),
    ).toContain('cannot be printed');
  });
});
