import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client, cell, result } from './client.js';

// Each cell says that it has begun, then never ends by itself.
const endless: Record<string, string> = {
  'a busy loop': `for (;;) {}`,
  'a pending await': `await new Promise(() => {});`,
  'a busy loop after an await': `await null; while (true) {}`,
  'a busy loop after a timer': `await new Promise((r) => setTimeout(r, 5)); for (;;) {}`,
  'a loop of awaits': `for (;;) await new Promise((r) => setTimeout(r, 1));`,
  'a loop of awaits in a function': `
    const tick = async () => { for (;;) { await new Promise((r) => setTimeout(r, 1)); } };
    await tick();`,
  'a loop that catches everything': `for (;;) { try { for (;;) {} } catch {} }`,
  'recursion without a loop': `
    const fib = (n: number): number => (n < 2 ? n : fib(n - 1) + fib(n - 2)); fib(80);`,
  'recursion after an await': `
    await null; const fib2 = (n: number): number => (n < 2 ? n : fib2(n - 1) + fib2(n - 2)); fib2(80);`,
  'a loop in a library': `JSON.stringify(eval('for (;;) {}'));`,
  'a library that prints without end': `(0, eval)("for (;;) console.log('x'.repeat(1000))");`,
  'a for await over an endless source': `
    async function* source() { for (;;) { await new Promise((r) => setTimeout(r, 1)); yield 1; } }
    for await (const _ of source()) {}`,
  'a timer that never returns': `
    await new Promise(() => setTimeout(() => { (0, eval)('for (;;) {}'); }, 1));`,
  'a value that takes forever to show': `({ [Symbol.for('Jupyter.display')]: () => new Promise(() => {}) })`,
};

describe('interrupts', () => {
  let client: Client;
  beforeAll(async () => {
    client = await Client.start();
    await client.execute('let kept = 1; let progress = 0;');
  });
  afterAll(() => client.close());

  for (const how of ['message', 'signal'] as const) {
    for (const [what, code] of Object.entries(endless)) {
      it(`by ${how} ends ${what}; variables survive`, async () => {
        const started = `kept += 1; progress = kept; console.log('begun');\n`;
        const id = await client.send('shell', 'execute_request', cell(started + code));
        await client.next('iopub', ({ header }) => header.msg_type === 'stream');
        if (how === 'signal') client.process.kill('SIGINT');
        else await client.request('control', 'interrupt_request');
        const { reply } = await client.finished('shell', id);
        expect(reply.content).toMatchObject({ status: 'error', ename: 'KeyboardInterrupt' });
        expect(result(await client.execute('progress === kept'))).toBe('true');
      });
    }
  }

  it('end a forward pass of a model, which then computes the same as before', async () => {
    const prepare = await client.execute(
      `import * as models from 'mambalab/models'; import * as tf from '@tensorflow/tfjs';
       const model = models.random({
         vocabSize: 512, dModel: 256, nLayers: 8, nHeads: 4, nKvHeads: 2, headDim: 64, dMlp: 768,
         normEps: 1e-5, ropeTheta: 1e4, ropeScaling: undefined, contextLength: 4096,
         tieEmbeddings: true, bosId: undefined, eosIds: [] });
       const tokens = tf.tensor2d(new Int32Array(256).fill(7), [1, 256], 'int32');
       const sum = () => tf.tidy(() => tf.sum(tf.abs(model.forward(tokens))).dataSync()[0]);
       const first = sum();`,
    );
    expect(prepare.reply.content).toMatchObject({ status: 'ok' });
    for (const again of ['for (;;) sum();', `(0, eval)('(f) => { for (;;) f(); }')(sum);`]) {
      const code = `console.log('begun'); ${again}`;
      const id = await client.send('shell', 'execute_request', cell(code));
      await client.next('iopub', ({ header }) => header.msg_type === 'stream');
      await client.request('control', 'interrupt_request');
      const { reply } = await client.finished('shell', id);
      expect(reply.content).toMatchObject({ status: 'error', ename: 'KeyboardInterrupt' });
      expect(result(await client.execute('sum() === first'))).toBe('true');
    }
  });

  it('keep what the interrupted cell had declared', async () => {
    const id = await client.send(
      'shell',
      'execute_request',
      cell(`const losses: number[] = []; console.log('begun'); for (;;) losses.push(1);`),
    );
    await client.next('iopub', ({ header }) => header.msg_type === 'stream');
    client.interrupt();
    await client.finished('shell', id);
    expect(result(await client.execute('losses.length > 0'))).toBe('true');
  });

  it('run finally blocks of cells', async () => {
    const id = await client.send(
      'shell',
      'execute_request',
      cell(
        `let closed = false; console.log('begun'); try { for (;;) {} } finally { closed = true; }`,
      ),
    );
    await client.next('iopub', ({ header }) => header.msg_type === 'stream');
    client.interrupt();
    await client.finished('shell', id);
    expect(result(await client.execute('closed'))).toBe('true');
  });

  it('abort the signal that libraries may listen to', async () => {
    const id = await client.send(
      'shell',
      'execute_request',
      cell(`const seen: { signal?: AbortSignal } = {};
        seen.signal = (globalThis as any)[Symbol.for('Jupyter.interrupt')];
        console.log('begun'); await new Promise(() => {});`),
    );
    await client.next('iopub', ({ header }) => header.msg_type === 'stream');
    client.interrupt();
    await client.finished('shell', id);
    expect(result(await client.execute('seen.signal?.aborted'))).toBe('true');
  });

  it('do nothing when no cell runs', async () => {
    client.interrupt();
    await client.request('control', 'interrupt_request');
    expect(result(await client.execute('"still here"'))).toBe("'still here'");
  });
});
