import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fields, Message } from '../../kernel/wire/message.js';
import { Client, printed, result, types } from './client.js';

const of = (messages: Message[], type: string): Message[] =>
  messages.filter(({ header }) => header.msg_type === type);

describe('comms', () => {
  let client: Client;
  beforeAll(async () => {
    client = await Client.start();
  });
  afterAll(() => client.close());

  const info = async (content: Fields = {}): Promise<unknown> =>
    (await client.request('shell', 'comm_info_request', content)).reply.content;

  it('that a cell opens reach the front end, and messages come back to it', async () => {
    const { published } = await client.execute(
      `const heard: unknown[] = [];
       const comm = comms.open('my.target', { first: 1 }, { id: 'c1' });
       comm.onMessage = ({ data, buffers }) => {
         heard.push(data, buffers.map((b) => b.length));
         console.log('got', data);
         comm.send({ echo: data }, [new Uint8Array([7, 8])]);
       };
       comm.onClose = () => { heard.push('closed'); };`,
    );
    const [opened] = of(published, 'comm_open');
    expect(opened!.content).toEqual({
      comm_id: 'c1',
      target_name: 'my.target',
      data: { first: 1 },
    });
    expect(await info()).toEqual({ status: 'ok', comms: { c1: { target_name: 'my.target' } } });
    expect(await info({ target_name: 'other' })).toEqual({ status: 'ok', comms: {} });

    const content = { comm_id: 'c1', data: { n: 5 } };
    const answered = await client.notify('comm_msg', content, [Buffer.from([1, 2, 3])]);
    expect(types(answered)).toEqual(['status', 'stream', 'comm_msg', 'status']);
    expect(printed(answered)).toBe('got { n: 5 }\n');
    const [echo] = of(answered, 'comm_msg');
    expect(echo!.content).toEqual({ comm_id: 'c1', data: { echo: { n: 5 } } });
    expect([...echo!.buffers[0]!]).toEqual([7, 8]);

    await client.notify('comm_close', { comm_id: 'c1', data: {} });
    expect(await info()).toEqual({ status: 'ok', comms: {} });
    expect(result(await client.execute('heard'))).toBe("[ { n: 5 }, [ 3 ], 'closed' ]");
  });

  it('that the front end opens reach the target of a cell', async () => {
    await client.execute(
      `comms.register('from.front', (comm, { data }) => { comm.send({ sum: data.a + data.b }); });`,
    );
    const content = { comm_id: 'f1', target_name: 'from.front', data: { a: 1, b: 2 } };
    const published = await client.notify('comm_open', content);
    expect(of(published, 'comm_msg')[0]!.content).toEqual({ comm_id: 'f1', data: { sum: 3 } });
    expect(await info()).toMatchObject({ comms: { f1: { target_name: 'from.front' } } });
  });

  it('to a target that nobody knows are closed', async () => {
    const content = { comm_id: 'u1', target_name: 'nobody', data: {} };
    const published = await client.notify('comm_open', content);
    expect(of(published, 'comm_close')[0]!.content).toMatchObject({ comm_id: 'u1' });
    expect(JSON.stringify(await info())).not.toContain('u1');
  });

  it('that nobody opened, or whose listener fails, do no harm', async () => {
    expect(types(await client.notify('comm_msg', { comm_id: 'none', data: {} }))).toEqual([
      'status',
      'status',
    ]);
    await client.execute(
      `const bad = comms.open('t', {}, { id: 'bad' });
       bad.onMessage = () => { throw new Error('listener fails'); };`,
    );
    const published = await client.notify('comm_msg', { comm_id: 'bad', data: {} });
    expect(printed(published, 'stderr')).toContain('listener fails');
    expect(result(await client.execute('1 + 1'))).toBe('2');
  });

  it('are forgotten with the process that opened them', async () => {
    await client.execute(`comms.open('t', {}, { id: 'gone' });`);
    await client.execute(`process.kill(process.pid, 'SIGKILL'); for (;;) {}`);
    expect(await info()).toEqual({ status: 'ok', comms: {} });
  });
});

describe('widgets', () => {
  let client: Client;
  beforeAll(async () => {
    client = await Client.start();
  });
  afterAll(() => client.close());

  it('interact makes a slider whose changes call the function', async () => {
    const { reply, published } = await client.execute(
      `interact(({ k, on, word }) => { console.log('k is', k); return k * 2; },
         { k: [1, 64], on: true, word: ['a', 'b'] });`,
    );
    expect(reply.content.status).toBe('ok');
    const opened = of(published, 'comm_open');
    const states = opened.map(({ content }) => (content.data as { state: Fields }).state);
    expect(opened.every(({ metadata }) => metadata.version === '2.1.0')).toBe(true);
    const at = states.findIndex(({ _model_name }) => _model_name === 'IntSliderModel');
    expect(states[at]).toMatchObject({
      _model_module: '@jupyter-widgets/controls',
      _view_name: 'IntSliderView',
      min: 1,
      max: 64,
      value: 33,
      step: 1,
      description: 'k',
    });
    const slider = opened[at]!.content.comm_id as string;
    const output = states.findIndex(({ _model_name }) => _model_name === 'OutputModel');
    const outputId = opened[output]!.content.comm_id;

    const view = of(published, 'display_data')[0]!.content.data as Record<string, Fields>;
    const shown = view['application/vnd.jupyter.widget-view+json']!;
    const box = opened.find(({ content }) => content.comm_id === shown.model_id);
    expect((box!.content.data as { state: Fields }).state.children).toContain(
      `IPY_MODEL_${slider}`,
    );

    // What the function prints and returns is sent while the output widget listens for it.
    const listening = (messages: Message[], request: string): string[] =>
      messages.flatMap(({ header, content }) => {
        const state = (content.data as { state?: Fields } | undefined)?.state;
        const isUpdate = header.msg_type === 'comm_msg' && content.comm_id === outputId;
        if (isUpdate && state && 'msg_id' in state) {
          return [state.msg_id === request ? 'listen' : 'stop'];
        }
        return ['stream', 'display_data', 'clear_output'].includes(header.msg_type)
          ? [header.msg_type]
          : [];
      });
    const parent = (published[0]!.parent as { msg_id: string }).msg_id;
    expect(listening(published, parent)).toEqual([
      'display_data',
      'listen',
      'clear_output',
      'stream',
      'display_data',
      'stop',
    ]);

    const data = { method: 'update', state: { value: 5 }, buffer_paths: [] };
    const changed = await client.notify('comm_msg', { comm_id: slider, data });
    expect(printed(changed)).toBe('k is 5\n');
    expect(of(changed, 'display_data')[0]!.content.data).toMatchObject({ 'text/plain': '10' });
    const echo = of(changed, 'comm_msg').find(({ content }) => content.comm_id === slider);
    expect(echo!.content.data).toMatchObject({ method: 'echo_update', state: { value: 5 } });
  });

  it('give their states to a front end that joins later', async () => {
    const opened = { comm_id: 'ctl', target_name: 'jupyter.widget.control', data: {} };
    await client.notify('comm_open', opened);
    const asked = { comm_id: 'ctl', data: { method: 'request_states' } };
    const [answer] = of(await client.notify('comm_msg', asked), 'comm_msg');
    const { method, states } = answer!.content.data as { method: string; states: Fields };
    expect(method).toBe('update_states');
    expect(JSON.stringify(states)).toContain('IntSliderModel');
  });

  it('refuse controls that make no sense', async () => {
    const { reply } = await client.execute(`interact(() => 1, { k: [64, 1] });`);
    expect(String(reply.content.evalue)).toContain('interact: k: expected a range');
    const typed = await client.execute(`interact(() => 1, { k: 5 });`);
    expect(typed.reply.content.ename).toBe('TypeScriptError');
  });

  it('show the error of a function that fails', async () => {
    const { reply, published } = await client.execute(
      `interact(({ k }) => { throw new Error('k is ' + k); }, { k: [0, 1, 0.5] });`,
    );
    expect(reply.content.status).toBe('ok');
    expect(printed(published, 'stderr')).toContain('k is 0.5');
  });
});
