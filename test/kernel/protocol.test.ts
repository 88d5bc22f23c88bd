import { renameSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fields, Message } from '../../kernel/wire/message.js';
import { Client, cell, printed, result, types } from './client.js';

describe('the wire protocol', () => {
  let client: Client;
  beforeAll(async () => {
    client = await Client.start();
  });
  afterAll(() => client.close());

  it('answers kernel_info with protocol 5.4', async () => {
    const { reply } = await client.request('shell', 'kernel_info_request');
    expect(reply.content).toMatchObject({ status: 'ok', protocol_version: '5.4' });
    expect(reply.content.language_info).toMatchObject({
      name: 'typescript',
      mimetype: 'text/typescript',
      file_extension: '.ts',
      nbconvert_exporter: 'script',
    });
    expect(reply.content.supported_features).toEqual(['kernel subshells']);
    const links = reply.content.help_links as { text: string; url: string }[];
    expect(links.map(({ text }) => text)).toContain('TypeScript');
    for (const { url } of links) expect(url).toMatch(/^https:/);
  });

  it('publishes a cell in order: busy, input, streams, result, idle', async () => {
    const exchange = await client.execute(
      `console.log('one'); process.stderr.write('two\\n'); process.stdout.write('three\\n'); 6 * 7`,
    );
    expect(types(exchange.published)).toEqual([
      'status',
      'execute_input',
      'stream',
      'stream',
      'stream',
      'execute_result',
      'status',
    ]);
    expect(result(exchange)).toBe('42');
    expect(exchange.reply.content).toMatchObject({ status: 'ok', execution_count: 1 });
  });

  it('flushes what native code and child processes wrote before the reply', async () => {
    const { published } = await client.execute(
      `import { execSync } from 'node:child_process'; import { writeSync } from 'node:fs';
       execSync('echo from a child', { stdio: 'inherit' }); writeSync(1, 'from a descriptor');`,
    );
    expect(printed(published)).toBe('from a child\nfrom a descriptor');
  });

  it('keeps the order of what cells, child processes and descriptors print', async () => {
    for (let i = 0; i < 5; i += 1) {
      const { published } = await client.execute(
        `import { execSync } from 'node:child_process'; import { writeSync } from 'node:fs';
         console.log(1); execSync('echo 2', { stdio: 'inherit' }); console.log(3); writeSync(1, '4\\n');
         console.log(5); display(6); execSync('echo 7 >&2', { stdio: 'inherit' }); console.log(8);`,
      );
      const parts = published
        .map(({ content }) => content.text ?? (content.data as Fields)?.['text/plain'])
        .filter((text) => text !== undefined);
      expect(parts.join('').replaceAll('\n', '')).toBe('12345678');
    }
  });

  it('shows what a child process prints while that still runs', async () => {
    const program = `console.log('begun'); process.stdin.once('data', () => { console.log('told'); process.exit(); })`;
    const id = await client.send(
      'shell',
      'execute_request',
      cell(
        `import { spawn } from 'node:child_process';
         const child = spawn(process.execPath, ['-e', ${JSON.stringify(program)}], { stdio: ['pipe', 'inherit', 'inherit'] });
         const ended = new Promise((resolve) => child.on('exit', resolve));
         child.stdin!.write(await prompt('go on? ')); await ended; console.log('over');`,
        { allow_stdin: true },
      ),
    );
    const first = await client.next(
      'iopub',
      ({ parent, header }) => parent.msg_id === id && header.msg_type === 'stream',
    );
    expect(first.content.text).toBe('begun\n');
    await client.next('stdin', ({ header }) => header.msg_type === 'input_request');
    await client.send('stdin', 'input_reply', { value: 'yes' });
    const { published } = await client.finished('shell', id);
    expect(printed(published)).toBe('told\nover\n');
  });

  it('goes on printing when a cell has closed an output', async () => {
    const own = await Client.start();
    const closing = await own.execute(
      `import { closeSync } from 'node:fs'; closeSync(1); console.log('a'); console.log('b'); 1`,
    );
    expect(printed(closing.published)).toBe('a\nb\n');
    const next = await own.execute(`console.log('c'); console.error('d'); 2`);
    expect(printed(next.published)).toBe('c\n');
    expect(result(next)).toBe('2');
    await own.close();
  });

  it('writes to process.stdout as Node does, and refuses what is no text', async () => {
    const { published, reply } = await client.execute(
      `process.stdout.write('4f4b', 'hex'); process.stdout.write(new Uint8Array([10]));
       await new Promise<void>((resolve) => process.stdout.write('then', () => resolve()));
       process.stdout.write(5 as any);`,
    );
    expect(printed(published)).toBe('OK\nthen');
    expect(reply.content.evalue).toBe(
      'process.stdout.write: expected a string or bytes, got number',
    );
  });

  it('delivers a hundred thousand lines complete', async () => {
    const { published } = await client.execute(
      `for (let i = 0; i < 100_000; i++) console.log('line ' + i);`,
    );
    const lines = printed(published).trimEnd().split('\n');
    expect(lines.length).toBe(100_000);
    expect(lines.at(-1)).toBe('line 99999');
  });

  it('publishes nothing but its status for a silent cell, which is not counted', async () => {
    const before = await client.execute('1');
    const { reply, published } = await client.execute(`console.log('quiet'); 2`, { silent: true });
    expect(types(published)).toEqual(['status', 'status']);
    expect(reply.content.execution_count).toBe(before.reply.content.execution_count);
  });

  it('does not count a cell that is not to be stored', async () => {
    const before = await client.execute('1');
    const { reply, published } = await client.execute('"unstored"', { store_history: false });
    expect(types(published)).toEqual(['status', 'execute_input', 'execute_result', 'status']);
    expect(reply.content.execution_count).toBe(before.reply.content.execution_count);
    const tail = { hist_access_type: 'tail', n: 1, output: false, raw: true };
    const history = await client.request('shell', 'history_request', tail);
    expect(history.reply.content.history).toMatchObject([[1, expect.anything(), '1']]);
  });

  it('evaluates user_expressions after the cell', async () => {
    const { reply } = await client.execute('const width = 4;', {
      user_expressions: { area: 'width ** 2', wrong: 'width.nope' },
    });
    expect(reply.content.user_expressions).toMatchObject({
      area: { status: 'ok', data: { 'text/plain': '16' } },
      wrong: { status: 'error', ename: 'TypeScriptError' },
    });
  });

  it('aborts the cells that wait behind one that fails', async () => {
    const ids = [];
    for (const code of [`throw new Error('boom')`, 'globalThis.ran = 1', '2']) {
      ids.push(await client.send('shell', 'execute_request', cell(code)));
    }
    const [failed, second, third] = await Promise.all(
      ids.map((id) => client.finished('shell', id)),
    );
    expect(failed!.reply.content).toMatchObject({
      status: 'error',
      ename: 'Error',
      evalue: 'boom',
    });
    expect(types(failed!.published)).toEqual(['status', 'execute_input', 'error', 'status']);
    expect(second!.reply.content.status).toBe('aborted');
    expect(third!.reply.content.status).toBe('aborted');
    expect(result(await client.execute(`'ran' in globalThis`))).toBe('false');
  });

  it('goes on after a failure when stop_on_error is off', async () => {
    const first = await client.send(
      'shell',
      'execute_request',
      cell(`throw 1`, { stop_on_error: false }),
    );
    const second = await client.send('shell', 'execute_request', cell('"went on"'));
    expect((await client.finished('shell', first)).reply.content.status).toBe('error');
    expect(result(await client.finished('shell', second))).toBe("'went on'");
  });

  it('drops messages that are malformed or wrongly signed, says so, and goes on', async () => {
    const forged = client.frames('execute_request', cell(`globalThis.forged = true`));
    forged[1] = Buffer.from('0'.repeat(64));
    const notJson = client.frames('kernel_info_request', {});
    await client.sendFrames('shell', forged);
    await client.sendFrames('shell', [...notJson.slice(0, 3)]);
    await client.sendFrames('shell', [Buffer.from('nonsense')]);
    await client.sendFrames('control', [Buffer.alloc(0)]);
    expect(result(await client.execute(`'forged' in globalThis`))).toBe('false');
    await expect.poll(() => client.log).toContain('wrong signature');
    await expect.poll(() => client.log).toContain('no <IDS|MSG> delimiter');
  });

  it('answers on the control channel while a cell runs', async () => {
    const id = await client.send(
      'shell',
      'execute_request',
      cell(`console.log('busy'); for (;;) {}`),
    );
    await client.next('iopub', ({ header }) => header.msg_type === 'stream');
    const { reply } = await client.request('control', 'kernel_info_request');
    expect(reply.content.status).toBe('ok');
    await client.request('control', 'interrupt_request');
    expect((await client.finished('shell', id)).reply.content.ename).toBe('KeyboardInterrupt');
  });

  it('asks for input and gives the answer to the cell', async () => {
    const id = await client.send(
      'shell',
      'execute_request',
      cell(`const answer = await prompt('Name? '); answer.toUpperCase()`, { allow_stdin: true }),
    );
    const asked = await client.next('stdin', ({ header }) => header.msg_type === 'input_request');
    expect(asked.content).toEqual({ prompt: 'Name? ', password: false });
    await client.send('stdin', 'input_reply', { value: 'ada' });
    expect(result(await client.finished('shell', id))).toBe("'ADA'");
  });

  it('hides what is typed as a password, and refuses where nobody can answer', async () => {
    const id = await client.send(
      'shell',
      'execute_request',
      cell(`(await prompt('Secret: ', { password: true })).length`, { allow_stdin: true }),
    );
    const asked = await client.next('stdin', ({ header }) => header.msg_type === 'input_request');
    expect(asked.content).toEqual({ prompt: 'Secret: ', password: true });
    expect(asked.parent.msg_id).toBe(id);
    await client.send('stdin', 'input_reply', { value: 'xyz' });
    expect(result(await client.finished('shell', id))).toBe('3');
    const { reply } = await client.execute(`await prompt('?')`);
    expect(String(reply.content.evalue)).toContain('does not take input');
  });

  it('forgets a question that was interrupted, and its late answer', async () => {
    const ask = (): Promise<string> =>
      client.send(
        'shell',
        'execute_request',
        cell(`await prompt('Again? ')`, { allow_stdin: true }),
      );
    const isQuestion = ({ header }: { header: { msg_type: string } }): boolean =>
      header.msg_type === 'input_request';
    const id = await ask();
    await client.next('stdin', isQuestion);
    client.interrupt();
    expect((await client.finished('shell', id)).reply.content.ename).toBe('KeyboardInterrupt');
    await client.send('stdin', 'input_reply', { value: 'too late' });
    const second = await ask();
    await client.next('stdin', isQuestion);
    await client.send('stdin', 'input_reply', { value: 'in time' });
    expect(result(await client.finished('shell', second))).toBe("'in time'");
  });

  it('gives every message of a cell that cell as its parent', async () => {
    const { reply, published } = await client.execute(
      `console.log(1); display(2); console.error(3); await null; 4`,
    );
    const ids = new Set(published.map(({ parent }) => parent.msg_id));
    expect([...ids]).toEqual([reply.parent.msg_id]);
    const all = [reply, ...published].map(({ header }) => header.msg_id);
    expect(new Set(all).size).toBe(all.length);
    expect(new Set([reply, ...published].map(({ header }) => header.session)).size).toBe(1);
  });

  it('gives late output to the cell that made it', async () => {
    const first = await client.execute(
      `setTimeout(() => console.log('timer'), 60);
       setTimeout(() => { throw new Error('late failure'); }, 70);
       void (async () => { await new Promise((r) => setTimeout(r, 80)); console.log('awaited'); })();`,
    );
    const second = await client.execute(
      `await new Promise((r) => setTimeout(r, 200)); console.log('mine');`,
    );
    expect(printed(second.published)).toBe('mine\n');
    const { msg_id } = first.reply.parent;
    const late = (text: string) =>
      client.next(
        'iopub',
        ({ parent, content }) => parent.msg_id === msg_id && String(content.text).includes(text),
      );
    await late('timer');
    await late('late failure');
    await late('awaited');
  });

  it('does not answer what it does not know, and goes on', async () => {
    const published = await client.notify('no_such_request', {});
    expect(types(published)).toEqual(['status', 'status']);
    await expect.poll(() => client.log).toContain('unknown message no_such_request');
    expect(result(await client.execute('1 + 1'))).toBe('2');
  });

  it('aborts only cells: other requests that wait behind a failure are answered', async () => {
    const failing = await client.send('shell', 'execute_request', cell('throw 1'));
    const asking = await client.send('shell', 'kernel_info_request');
    const waiting = await client.send('shell', 'execute_request', cell('1'));
    await client.finished('shell', failing);
    expect((await client.finished('shell', asking)).reply.content.status).toBe('ok');
    expect((await client.finished('shell', waiting)).reply.content.status).toBe('aborted');
  });

  it('leaves out the middle of a giant text and the end of endless output, with a word', async () => {
    const { published } = await client.execute(`console.log('a'.repeat(100_000_000));`);
    expect(printed(published).length).toBeLessThan(1_100_000);
    expect(printed(published)).toContain('characters are left out here');
    const value = await client.execute(`'b'.repeat(100_000_000)`);
    expect(String(result(value)).length).toBeLessThan(1_100_000);
    const flood = await client.execute(
      `for (let i = 0; i < 50; i++) process.stdout.write('c'.repeat(999_999));`,
    );
    expect(printed(flood.published).length).toBeLessThan(33_000_000);
    expect(printed(flood.published)).toContain('the rest is left out');
  });

  it('performs magics', async () => {
    const shell = await client.execute('%sh echo from the shell');
    expect(printed(shell.published)).toBe('from the shell\n');
    const failed = await client.execute('%sh exit 3');
    expect(String(failed.reply.content.evalue)).toContain('exit code 3');
    const timed = await client.execute('%time\n1 + 1');
    expect(printed(timed.published)).toMatch(/^[\d.e-]+ s, compiling included/);
    expect(result(timed)).toBe('2');
    await client.execute('const visible: number = 1;');
    expect(result(await client.execute('%who'))).toContain('const visible: number');
    await client.execute('%typecheck off');
    expect(result(await client.execute(`const loose: number = 'a'; loose`))).toBe("'a'");
    await client.execute('%typecheck on');
    expect(result(await client.execute('%help'))).toContain('%sh');
    expect((await client.execute('%nope')).reply.content.ename).toBe('MagicError');
    await client.execute('%reset');
    expect((await client.execute('visible')).reply.content.ename).toBe('TypeScriptError');
  });

  it('completes, inspects and judges completeness', async () => {
    await client.execute('/** How long it took. */\nconst elapsed = { seconds: 3, minutes: 0 };');
    const code = '"😀"; elapsed.sec';
    const points = [...code].length;
    const completion = await client.request('shell', 'complete_request', {
      code,
      cursor_pos: points,
    });
    expect(completion.reply.content).toMatchObject({
      matches: ['seconds'],
      cursor_start: points - 3,
      cursor_end: points,
    });
    await client.execute(
      `import * as path from 'node:path'; let elapsedLet = 1; function elapsedFunction() {}
       class ElapsedClass {} interface ElapsedShape { a: 1 } type ElapsedType = 1; enum ElapsedEnum { A }`,
    );
    const kindsIn = async (code: string): Promise<Fields> => {
      const asked = { code, cursor_pos: code.length };
      const { reply } = await client.request('shell', 'complete_request', asked);
      const metadata = reply.content.metadata as Record<string, { text: string; type: string }[]>;
      const kinds = metadata._jupyter_types_experimental!.map(({ text, type }) => [text, type]);
      return Object.fromEntries(kinds);
    };
    expect(await kindsIn('elapsed')).toEqual({
      elapsed: 'const',
      elapsedLet: 'let',
      elapsedFunction: 'function',
      ElapsedClass: 'class',
      ElapsedEnum: 'enum',
    });
    expect(await kindsIn('let x: Elapsed')).toEqual({
      ElapsedClass: 'class',
      ElapsedEnum: 'enum',
      ElapsedShape: 'interface',
      ElapsedType: 'type',
    });
    const inspection = await client.request('shell', 'inspect_request', {
      code: 'elapsed',
      cursor_pos: 3,
      detail_level: 0,
    });
    const found = inspection.reply.content.data as Fields;
    expect(found['text/plain']).toMatch(/^const elapsed: \{[^}]*\}\n\nHow long it took\.$/);
    expect(found['text/markdown']).toMatch(/^```typescript\nconst elapsed/);
    const open = await client.request('shell', 'is_complete_request', { code: 'if (true) {' });
    expect(open.reply.content).toEqual({ status: 'incomplete', indent: '  ' });
    const nested = { code: 'class A {\n  m() {\n    for (;;) {' };
    const deep = await client.request('shell', 'is_complete_request', nested);
    expect(deep.reply.content).toEqual({ status: 'incomplete', indent: ' '.repeat(6) });
    const asks = await client.request('shell', 'is_complete_request', { code: 'Math.max?' });
    expect(asks.reply.content).toEqual({ status: 'complete' });
  });

  it('keeps the history and answers comm_info', async () => {
    await client.execute('const last = "of all";');
    const history = await client.request('shell', 'history_request', {
      hist_access_type: 'tail',
      n: 1,
      output: false,
      raw: true,
    });
    expect(history.reply.content.history).toMatchObject([[1, {}, 'const last = "of all";']]);
    const comms = await client.request('shell', 'comm_info_request');
    expect(comms.reply.content).toEqual({ status: 'ok', comms: {} });
    const inThisSession = await client.request('shell', 'history_request', {
      hist_access_type: 'range',
      session: 0,
      start: 1,
      stop: 2,
      output: true,
    });
    expect(inThisSession.reply.content.history).toHaveLength(1);
  });

  it('answers requests whose content is not what it should be', async () => {
    for (const [type, content] of [
      ['execute_request', {}],
      ['execute_request', { code: '1', user_expressions: 5 }],
      ['complete_request', { code: 'Math.', cursor_pos: 99 }],
      ['complete_request', { code: 5, cursor_pos: -1 }],
      ['inspect_request', { code: 'Math', cursor_pos: 'x' }],
      ['is_complete_request', {}],
      ['history_request', { hist_access_type: 'nothing' }],
      ['comm_info_request', { target_name: 5 }],
    ] as const) {
      const { reply } = await client.request('shell', type, content);
      expect(reply.content.status, type).toMatch(/^(ok|complete)$/);
    }
    for (const [type, content] of [
      ['comm_msg', { comm_id: 'nobody', data: {} }],
      ['comm_open', {}],
      ['comm_close', { comm_id: 5 }],
    ] as const) {
      expect(types(await client.notify(type, content)).at(-1)).toBe('status');
    }
    expect(result(await client.execute('1 + 1'))).toBe('2');
  });
});

describe('a process for cells that dies', () => {
  let client: Client;
  beforeAll(async () => {
    client = await Client.start();
  });
  afterAll(() => client.close());

  for (const [what, code, how] of [
    ['aborts', 'process.abort();', 'was ended by SIGABRT'],
    [
      'reads where it may not',
      `process.kill(process.pid, 'SIGSEGV'); for (;;) {}`,
      'was ended by SIGSEGV',
    ],
    [
      'aborts while its child still prints',
      `import { spawn } from 'node:child_process';
       spawn('sleep', ['30'], { stdio: 'inherit' }).unref(); process.abort();`,
      'was ended by SIGABRT',
    ],
    ['ends itself', '(process as any).reallyExit(4);', 'exited with code 4'],
  ] as const) {
    it(`and ${what} is the error of its cell, and another one runs the next`, async () => {
      await client.execute('const lost = 1;');
      const { reply, published } = await client.execute(code);
      const evalue = `The process that runs the cells ${how}. Its variables are lost; a new one starts.`;
      expect(reply.content).toMatchObject({ status: 'error', ename: 'RuntimeDied', evalue });
      expect(types(published).slice(-2)).toEqual(['error', 'status']);
      expect(result(await client.execute('1 + 1'))).toBe('2');
      expect((await client.execute('lost')).reply.content.ename).toBe('TypeScriptError');
    });
  }

  it('after its cell says so below that', async () => {
    const id = await client.send(
      'shell',
      'execute_request',
      cell('setTimeout(() => process.abort(), 100); "done"'),
    );
    expect(result(await client.finished('shell', id))).toBe("'done'");
    const notice = ({ parent, content }: Message): boolean =>
      parent.msg_id === id && String(content.text).includes('was ended by SIGABRT');
    expect((await client.next('iopub', notice)).content.name).toBe('stderr');
    expect(result(await client.execute('1 + 1'))).toBe('2');
  });

  it('takes its comms with it', async () => {
    await client.execute(`comms.open('t', {}, { id: 'gone' });`);
    await client.execute('process.abort();');
    const { reply } = await client.request('shell', 'comm_info_request');
    expect(reply.content.comms).toEqual({});
  });

  it('and cannot start again is started once more for the next cell', async () => {
    const own = await Client.start();
    await own.execute('1');
    renameSync(own.folder, `${own.folder}-away`);
    const { reply } = await own.execute('process.abort();');
    expect(reply.content.ename).toBe('RuntimeDied');
    const second = await own.execute('1');
    expect(second.reply.content).toMatchObject({ status: 'error', ename: 'RuntimeDied' });
    expect(String(second.reply.content.evalue)).toContain('could not start');
    renameSync(`${own.folder}-away`, own.folder);
    expect(result(await own.execute('1 + 1'))).toBe('2');
    await own.close();
  });
});

describe('shutdown', () => {
  it('replies, then ends the process, also while a cell is busy', async () => {
    const client = await Client.start();
    await client.send('shell', 'execute_request', cell(`console.log('busy'); for (;;) {}`));
    await client.next('iopub', ({ header }) => header.msg_type === 'stream');
    const ended = new Promise((resolve) => client.process.once('exit', resolve));
    const id = await client.send('control', 'shutdown_request', { restart: true });
    const reply = await client.next('control', ({ parent }) => parent.msg_id === id);
    expect(reply.content).toEqual({ status: 'ok', restart: true });
    expect(await ended).toBe(0);
    await client.close();
  });
});
