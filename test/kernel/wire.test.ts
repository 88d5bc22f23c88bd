import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Codec } from '../../kernel/wire/codec.js';
import { readConnection } from '../../kernel/wire/connection.js';
import { Client, freePort, main, result } from './client.js';

const ports = { shell_port: 1, iopub_port: 2, stdin_port: 3, control_port: 4, hb_port: 5 };
const good = {
  ...ports,
  ip: '127.0.0.1',
  transport: 'tcp',
  key: 'k',
  signature_scheme: 'hmac-sha256',
};

describe('a connection file', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mambalab-wire-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const read = (content: unknown) => {
    const file = join(folder, 'connection.json');
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    return readConnection(file);
  };

  it('gives addresses and key', () => {
    expect(read(good)).toEqual({
      transport: 'tcp',
      ip: '127.0.0.1',
      ports: { shell: 1, iopub: 2, stdin: 3, control: 4, hb: 5 },
      key: 'k',
      hash: 'sha256',
    });
  });

  for (const [what, content, message] of [
    ['no JSON', '{', 'is not JSON'],
    ['a list', '[]', 'expected an object'],
    ['another transport', { ...good, transport: 'udp' }, 'field transport'],
    ['no address', { ...good, ip: '' }, 'field ip'],
    ['a key that is no text', { ...good, key: 5 }, 'field key'],
    ['an unknown scheme', { ...good, signature_scheme: 'none' }, 'field signature_scheme'],
    ['a port that is none', { ...good, hb_port: 70_000 }, 'field hb_port'],
    ['a missing port', { ...good, shell_port: undefined }, 'field shell_port'],
  ] as const) {
    it(`is refused with ${what}, naming file and field`, () => {
      expect(() => read(content)).toThrow(message);
      expect(() => read(content)).toThrow('connection.json');
    });
  }

  it('that is missing ends the program with a message', () => {
    const missing = join(folder, 'missing.json');
    const { status, stderr } = spawnSync(process.execPath, [main, missing], { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toContain(`connection file ${missing} cannot be read`);
  });

  it('that is malformed ends the program with the field', () => {
    const file = join(folder, 'malformed.json');
    writeFileSync(file, JSON.stringify({ ...good, key: 5 }), { mode: 0o600 });
    const { status, stderr } = spawnSync(process.execPath, [main, file], { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toBe(
      `mambalab kernel: connection file ${file}: field key: expected a string, got 5\n`,
    );
  });

  it('with a port that is taken ends the program with the address', async () => {
    const server = createServer();
    const taken = await freePort();
    await new Promise<void>((done) => server.listen(taken, '127.0.0.1', done));
    try {
      const others = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
      const [iopub_port, stdin_port, control_port, hb_port] = others;
      const file = join(folder, 'taken.json');
      const content = { ...good, shell_port: taken, iopub_port, stdin_port, control_port, hb_port };
      writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
      const { status, stderr } = spawnSync(process.execPath, [main, file], {
        encoding: 'utf8',
        env: { ...process.env, MAMBALAB_HISTORY: 'off' },
      });
      expect(status).toBe(1);
      expect(stderr).toContain(`cannot bind the shell socket to tcp://127.0.0.1:${taken}`);
    } finally {
      server.close();
    }
  });
});

describe('the codec', () => {
  const codec = new Codec('secret', 'sha256');
  const header = {
    msg_id: 'm',
    msg_type: 't',
    session: 's',
    username: 'u',
    date: 'd',
    version: '5.4',
  };
  const message = {
    identities: [Buffer.from('peer')],
    header,
    parent: {},
    metadata: {},
    content: { text: 'äöü 😀' },
    buffers: [Buffer.from([0, 255])],
  };

  it('reads back what it writes, identities and buffers included', () => {
    expect(codec.decode(codec.encode(message))).toEqual(message);
    const unsigned = new Codec('', 'sha256');
    expect(unsigned.decode(unsigned.encode(message))).toEqual(message);
  });

  it('refuses a change of any signed part, and another key', () => {
    for (let part = 2; part < 7; part += 1) {
      const frames = codec.encode(message);
      frames[part] = Buffer.from(part === 2 ? '0'.repeat(64) : '{"a":1}');
      expect(() => codec.decode(frames)).toThrow('wrong signature');
    }
    expect(() => new Codec('other', 'sha256').decode(codec.encode(message))).toThrow('signature');
  });

  it('refuses frames that are no message', () => {
    const plain = new Codec('', 'sha256');
    const delimiter = Buffer.from('<IDS|MSG>');
    const object = Buffer.from('{}');
    expect(() => plain.decode([])).toThrow('delimiter');
    expect(() => plain.decode([delimiter, object])).toThrow('4 parts');
    const frames = (first: string) => [
      delimiter,
      Buffer.from(''),
      Buffer.from(first),
      object,
      object,
      object,
    ];
    expect(() => plain.decode(frames('nonsense'))).toThrow('header is not JSON');
    expect(() => plain.decode(frames('[]'))).toThrow('header is not an object');
    expect(() => plain.decode(frames('{}'))).toThrow('without msg_id');
    expect(() => new Codec('k', 'no-such-hash')).toThrow('no-such-hash');
  });
});

describe.skipIf(process.platform === 'win32')('transports', () => {
  it('ipc works as tcp does, and a connection file that others can read is closed to them', async () => {
    const client = await Client.start({}, { transport: 'ipc', mode: 0o644 });
    try {
      expect(result(await client.execute('6 * 7'))).toBe('42');
      expect(statSync(join(client.folder, 'connection.json')).mode & 0o777).toBe(0o600);
      await expect.poll(() => client.log).toContain('was readable by others');
    } finally {
      await client.close();
    }
  });
});

describe('the JavaScript kernel', () => {
  it('says that it is JavaScript and does not check types', async () => {
    const client = await Client.start({}, { flags: ['--javascript'] });
    try {
      const { reply } = await client.request('shell', 'kernel_info_request');
      expect(reply.content.language_info).toMatchObject({
        name: 'javascript',
        mimetype: 'text/javascript',
        file_extension: '.js',
      });
      await client.execute('let x = 1; x = "text"; function f(a, b) { return a + b }');
      expect(result(await client.execute('f(x, 1)'))).toBe("'text1'");
      const missing = await client.execute('notThere');
      expect(missing.reply.content.ename).toBe('ReferenceError');
    } finally {
      await client.close();
    }
  });
});
