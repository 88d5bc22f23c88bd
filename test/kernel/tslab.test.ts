import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Fields } from '../../kernel/wire/message.js';
import { Client, printed, result } from './client.js';

interface Ran {
  status: unknown;
  result: unknown;
  stdout: string;
  /** MIME types of what was displayed. */
  shown: string[];
}

/** Runs the code cells of a notebook that was written for tslab, as they are. */
async function run(name: string): Promise<Ran[]> {
  const file = new URL(`./tslab/${name}.ipynb`, import.meta.url);
  const { cells } = JSON.parse(readFileSync(file, 'utf8')) as {
    cells: { cell_type: string; source: string[] }[];
  };
  const client = await Client.start();
  try {
    const ran: Ran[] = [];
    for (const { cell_type, source } of cells) {
      if (cell_type !== 'code') continue;
      const exchange = await client.execute(source.join(''));
      const { reply, published } = exchange;
      if (reply.content.status === 'error' && !source[0]!.startsWith('throw')) {
        throw new Error((reply.content.traceback as string[]).join('\n'));
      }
      ran.push({
        status: reply.content.status,
        result: result(exchange),
        stdout: printed(published),
        shown: published
          .filter(({ header }) => header.msg_type.endsWith('display_data'))
          .flatMap(({ content }) => Object.keys(content.data as Fields)),
      });
    }
    return ran;
  } finally {
    await client.close();
  }
}

describe('notebooks written for tslab', () => {
  it('run: the language', async () => {
    const ran = await run('language');
    expect(ran.map((cell) => cell.result)).toEqual([
      "'hello, world'",
      undefined,
      "[ 'triangle: 3', 'square: 4' ]",
      '2',
      'true',
      "[ true, 'kept on disk' ]",
      '0',
      undefined,
      "'High'",
    ]);
    expect(ran[1]!.stdout).toBe('3.142\n');
    expect(ran[7]!.stdout).toBe('3\n2\n1\n');
  });

  it('run: the display API', async () => {
    const ran = await run('display');
    expect(ran.flatMap(({ shown }) => shown)).toEqual([
      'text/html',
      'text/markdown',
      'text/latex',
      'image/svg+xml',
      'image/png',
      'text/javascript',
      'application/json',
      'text/plain',
      'text/plain',
      'text/plain',
      'text/plain',
    ]);
    expect(ran.at(-1)!.result).toBe('true');
  });

  it('run: modules made of cells', async () => {
    const ran = await run('modules');
    expect(ran.map((cell) => cell.result)).toEqual([
      undefined,
      '10',
      undefined,
      '902',
      undefined,
      "'area 100'",
      "'b.txt'",
      "'round trip'",
      undefined,
      "'the next one runs'",
    ]);
    expect(ran[8]!.status).toBe('error');
  });
});
