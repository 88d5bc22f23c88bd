import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fields } from '../../kernel/wire/message.js';
import { Client, cell, type Exchange, printed, result } from './client.js';

describe('subshells', () => {
  let client: Client;
  let subshell: string;
  beforeAll(async () => {
    client = await Client.start();
    await client.execute(
      'let gate = () => {}; const opened = () => new Promise<void>((r) => { gate = r; });',
    );
  });
  afterAll(() => client.close());

  const control = async (type: string, content: Fields = {}): Promise<Fields> =>
    (await client.request('control', type, content)).reply.content;
  const start = (code: string, more: { subshell?: string; cell?: Fields } = {}): Promise<string> =>
    client.send('shell', 'execute_request', cell(code, more.cell), more);
  const beside = async (code: string): Promise<Exchange> =>
    client.finished('shell', await start(code, { subshell }));
  /** Starts a cell in the main shell that waits until another one calls `gate`. */
  const waiting = async (before = '', after = ''): Promise<string> => {
    const id = await start(`${before}; console.log('waits'); await opened(); ${after}`);
    await client.next(
      'iopub',
      ({ parent, header }) => parent.msg_id === id && header.msg_type === 'stream',
    );
    return id;
  };

  it('are announced, made, listed and deleted', async () => {
    const { supported_features } = await control('kernel_info_request');
    expect(supported_features).toContain('kernel subshells');
    const first = await control('create_subshell_request');
    const second = await control('create_subshell_request');
    expect(first).toMatchObject({ status: 'ok' });
    const both = [first.subshell_id, second.subshell_id];
    expect(await control('list_subshell_request')).toEqual({ status: 'ok', subshell_id: both });
    expect(await control('delete_subshell_request', { subshell_id: both[1] })).toEqual({
      status: 'ok',
    });
    expect(await control('delete_subshell_request', { subshell_id: both[1] })).toMatchObject({
      status: 'error',
      ename: 'UnknownSubshell',
    });
    subshell = String(both[0]);
  });

  it('run cells while one of the main shell waits, each with its own output and names', async () => {
    const id = await waiting('const before = 1', `console.log('went on'); const after = 2; after`);
    const exchange = await beside(`console.log('beside'); const mine = { deep: [1] }; mine`);
    expect(printed(exchange.published)).toBe('beside\n');
    expect(result(exchange)).toBe('{ deep: [ 1 ] }');
    await beside('gate()');
    const main = await client.finished('shell', id);
    expect(printed(main.published)).toBe('went on\n');
    expect(result(main)).toBe('2');
    expect(result(await client.execute('[before, after, mine.deep[0]]'))).toBe('[ 1, 2, 1 ]');
  });

  it('keep types of names that are declared again meanwhile', async () => {
    await client.execute(`const shared = 'text'; type Kind = 'a' | 'b';`);
    const id = await waiting(`const length = shared.length; const kind: Kind = 'a'`);
    await beside(`const shared = 5; type Kind = 1;`);
    await beside('gate()');
    await client.finished('shell', id);
    expect(result(await client.execute('[length, kind === "a", shared + 1]'))).toBe(
      '[ 4, true, 6 ]',
    );
  });

  it('deliver comm messages while a cell waits', async () => {
    await client.execute(
      `const heard: number[] = [];
       comms.open('t', {}, { id: 'c' }).onMessage = ({ data }) => { heard.push(data.n); console.log('heard', data.n); };`,
    );
    const id = await waiting();
    const content = { comm_id: 'c', data: { n: 7 } };
    const message = await client.send('shell', 'comm_msg', content, { subshell });
    expect(printed(await client.publishedFor(message))).toBe('heard 7\n');
    await beside('gate()');
    await client.finished('shell', id);
  });

  it('abort their own queue only', async () => {
    const id = await waiting();
    const failing = await start('throw new Error("here")', { subshell });
    const behind = await start('1', { subshell });
    const next = await start('"main goes on"');
    const status = async (of: string) => (await client.finished('shell', of)).reply.content.status;
    expect(await status(failing)).toBe('error');
    expect(await status(behind)).toBe('aborted');
    await beside('gate()');
    expect(await status(id)).toBe('ok');
    expect(result(await client.finished('shell', next))).toBe("'main goes on'");
  });

  it('ask the front end that sent the cell, one question at a time', async () => {
    const ask = { cell: { allow_stdin: true } };
    const main = await start(`await prompt('main? ')`, ask);
    const isQuestion = ({ header }: { header: { msg_type: string } }): boolean =>
      header.msg_type === 'input_request';
    const first = await client.next('stdin', isQuestion);
    expect(first.parent.msg_id).toBe(main);
    const side = await start(`await prompt('side? ')`, { ...ask, subshell });
    await client.send('stdin', 'input_reply', { value: 'one' });
    expect(result(await client.finished('shell', main))).toBe("'one'");
    const second = await client.next('stdin', isQuestion);
    expect(second.parent.msg_id).toBe(side);
    await client.send('stdin', 'input_reply', { value: 'two' });
    expect(result(await client.finished('shell', side))).toBe("'two'");
  });

  it('are interrupted with the main shell, and what comes then runs', async () => {
    for (const busy of ['await new Promise(() => {});', 'for (;;) {}']) {
      const main = await waiting('let survived = 1');
      const side = await start(`console.log('runs'); ${busy}`, { subshell });
      await client.next(
        'iopub',
        ({ parent, header }) => parent.msg_id === side && header.msg_type === 'stream',
      );
      await control('interrupt_request');
      for (const id of [main, side]) {
        const { reply } = await client.finished('shell', id);
        expect(reply.content).toMatchObject({ status: 'error', ename: 'KeyboardInterrupt' });
      }
      expect(result(await beside('survived + 1'))).toBe('2');
      expect(result(await client.execute('survived'))).toBe('1');
    }
  });

  it('end with the process that ran their cells', async () => {
    const main = await waiting();
    const side = await beside(`process.kill(process.pid, 'SIGKILL'); for (;;) {}`);
    expect(side.reply.content.ename).toBe('RuntimeDied');
    expect((await client.finished('shell', main)).reply.content.ename).toBe('RuntimeDied');
    expect(result(await beside('1 + 1'))).toBe('2');
  });

  it('that are not there are an error of the request', async () => {
    const id = await client.send('shell', 'execute_request', cell('1'), { subshell: 'nowhere' });
    const { reply } = await client.finished('shell', id);
    expect(reply.content).toMatchObject({
      status: 'error',
      ename: 'UnknownSubshell',
      evalue: 'there is no subshell "nowhere"',
    });
  });
});
