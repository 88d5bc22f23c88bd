import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadTokenizer, miniProblems, type Tokenizer } from '../../../lib/data/index.js';
import {
  type Batch,
  conversationDocument,
  type DocumentStream,
  packed,
  type StreamOptions,
  type StreamSource,
  streamed,
} from '../../../lib/distill/index.js';
import { writeRows } from '../../data/training/files.js';

const tokenizer = loadTokenizer(
  fileURLToPath(new URL('../../../data/mini/tokenizer', import.meta.url)),
);
const problems = miniProblems({ family: 'stories', split: 'train', seed: 1, count: 150 });

let folder: string;
let sources: readonly StreamSource[];
const open: DocumentStream[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mambalab-stream-'));
  const rows = problems.map(({ question, solution }) => ({ problem: question, solution }));
  for (let i = 0; i < 4; i++) {
    const ending = i % 2 === 0 ? 'parquet' : 'jsonl';
    writeRows(folder, `shards/train-${i}.${ending}`, rows.slice(25 * i, 25 * (i + 1)), 10);
  }
  const texts = problems.slice(100).map(({ solution }) => ({ text: solution }));
  const path = writeRows(folder, 'texts.jsonl.gz', texts);
  sources = [
    { dataset: 'math', path: join(folder, 'shards'), weight: 3 },
    { path, weight: 1 },
  ];
});

afterEach(async () => {
  for (const stream of open.splice(0)) await stream.close();
  rmSync(folder, { recursive: true });
});

function make(options: Partial<StreamOptions> = {}, from = sources, by: Tokenizer = tokenizer) {
  const settings = { length: 160, batch: 2, seed: 5, shuffle: 16, workers: 0, ...options };
  const stream = streamed(by, from, settings);
  open.push(stream);
  return stream;
}

async function take(stream: DocumentStream, count: number): Promise<Batch[]> {
  const batches: Batch[] = [];
  while (batches.length < count) batches.push(await stream.next());
  return batches;
}

const messages = ({ question, solution }: (typeof problems)[number]) => [
  { role: 'user', content: question },
  { role: 'assistant', content: solution },
];

describe('streamed', () => {
  it('gives the batches of packed documents where nothing is shuffled', async () => {
    const path = writeRows(
      folder,
      'all.jsonl',
      problems.map((problem) => ({ messages: messages(problem) })),
    );
    const stream = make({ shuffle: 0, loss: 'answer', length: 400 }, [{ path }]);
    const documents = problems.map((problem, i) =>
      conversationDocument(tokenizer, `${path}:${i + 1}`, messages(problem), 'answer'),
    );
    const byId = new Map(documents.map((document) => [document.id, document]));
    const seen: string[] = [];
    while (seen.length < documents.length) {
      const batch = await stream.next();
      const starts = [...batch.resets.keys()].filter((i) => batch.resets[i]);
      for (const [n, id] of (batch.ids ?? []).entries()) {
        // Padding at a row's end has a start of its own; a document's first token is none.
        const { tokens, labels, mask } = byId.get(id) as (typeof documents)[number];
        const at = starts.find((start) => same(batch.tokens, start, tokens)) as number;
        expect(at, `${n} ${id}`).toBeDefined();
        expect([...batch.labels.subarray(at, at + labels.length)]).toEqual(labels);
        expect([...batch.mask.subarray(at, at + mask.length)]).toEqual(mask);
      }
      seen.push(...(batch.ids ?? []));
    }
    expect(seen.slice(0, documents.length)).toEqual(documents.map(({ id }) => id));
  });

  it('is the same whatever the number of threads', async () => {
    const [here, one, three] = [0, 1, 3].map((workers) => make({ workers }));
    const expected = await take(here as DocumentStream, 120);
    expect(await take(one as DocumentStream, 120)).toEqual(expected);
    expect(await take(three as DocumentStream, 120)).toEqual(expected);
    expect(three?.position()).toEqual(here?.position());
    const [shards, texts] = here?.position().sources ?? [];
    expect(shards?.taken).toBeGreaterThan(100);
    expect(texts?.taken).toBeGreaterThan(50);
  });

  it.each(['drop', 'split'] as const)('goes on from a position: %s', async (long) => {
    // Rows that most documents are longer than, so that positions lie amid documents.
    const options = { long, length: long === 'split' ? 40 : 90 };
    const whole = make(options);
    const positions = [];
    const batches: Batch[] = [];
    for (let i = 0; i < 80; i++) {
      positions.push(JSON.stringify(whole.position()));
      batches.push(await whole.next());
    }
    expect(Math.max(...positions.map((text) => text.length))).toBeLessThan(300);
    const amid = positions.filter((text) => JSON.parse(text).piece > 0);
    expect(amid.length > 0).toBe(long === 'split');
    const other = make({ ...options, workers: 2 });
    for (const at of [0, 1, 7, 30, 61, 70, 12]) {
      await other.seek(JSON.parse(positions[at] as string));
      expect(other.position()).toEqual(JSON.parse(positions[at] as string));
      expect(await take(other, 8)).toEqual(batches.slice(at, at + 8));
    }
    expect(other.counts()).toEqual(JSON.parse(positions[20] as string).counts);
  });

  it('counts documents, and those longer than a row', async () => {
    const isLong = (i: number) => {
      const problem = problems[i % 100] as (typeof problems)[number];
      return conversationDocument(tokenizer, '', messages(problem), 'all').tokens.length > 90;
    };
    const [source] = sources as [StreamSource];
    for (const long of ['drop', 'split'] as const) {
      const stream = make({ long, length: 90, batch: 1, shuffle: 0 }, [source]);
      const read = () => stream.position().sources[0]?.taken as number;
      while (read() < 130) await stream.next();
      const longer = Array.from({ length: read() }, (_, i) => i).filter(isLong).length;
      expect(longer).toBeGreaterThan(20);
      const drops = long === 'drop';
      expect(stream.counts()).toEqual({
        documents: drops ? read() - longer : read(),
        dropped: drops ? longer : 0,
        split: drops ? 0 : longer,
      });
    }
  });

  it('splits a document without losing a token or a label', async () => {
    const text = problems.map(({ solution }) => solution).join('\n');
    const path = writeRows(folder, 'long.jsonl', [{ text }]);
    const stream = make({ length: 50, batch: 1, long: 'split' }, [{ path }]);
    const tokens: number[] = [];
    const labels: number[] = [];
    const whole = [...tokenizer.encode(text), tokenizer.eosIds[0] as number];
    while (tokens.length < whole.length) {
      const batch = await stream.next();
      const used = Math.min(50, whole.length - tokens.length);
      expect(batch.resets[0]).toBe(1);
      tokens.push(...batch.tokens.subarray(0, used));
      labels.push(...batch.labels.subarray(0, used));
    }
    expect(tokens).toEqual(whole);
    expect(labels.slice(0, -1)).toEqual(whole.slice(1));
  });
});

function same(tokens: Int32Array, at: number, own: readonly number[]): boolean {
  return own.every((token, i) => tokens[at + i] === token);
}

describe('what goes wrong', () => {
  it('is thrown when its turn comes, and again', async () => {
    const rows = [
      ...problems.slice(0, 60).map(({ solution }) => ({ text: solution })),
      { tex: '' },
    ];
    const path = writeRows(folder, 'bad.jsonl', rows);
    for (const workers of [0, 2]) {
      const stream = make({ workers, shuffle: 0, batch: 1 }, [{ path }]);
      let given = 0;
      const failing = async () => {
        for (;;) given += (await stream.next()).ids?.length ?? 0;
      };
      await expect(failing()).rejects.toThrow(`${path}: line 61: expected messages`);
      expect(given).toBeGreaterThan(55);
      await expect(stream.next()).rejects.toThrow(`${path}: line 61`);
    }
  });

  it('names the document that cannot be tokenised', async () => {
    const rows = [{ text: 'a' }, { messages: [{ role: 'cat', content: 'meow' }] }];
    const path = writeRows(folder, 'roles.jsonl', rows);
    const own = join(folder, 'tokenizer');
    cpSync(tokenizer.ref as string, own, { recursive: true });
    const template = '{{ raise_exception("no cats") }}';
    writeFileSync(join(own, 'chat_template.jinja'), template);
    for (const workers of [0, 1]) {
      const stream = make({ workers, shuffle: 0 }, [{ path }], loadTokenizer(own));
      const failure = take(stream, 1);
      await expect(failure).rejects.toThrow(`${path}:2: `);
      await expect(stream.next()).rejects.toThrow('no cats');
    }
  });

  it('names a source of which nothing fits', async () => {
    await expect(take(make({ length: 3 }), 1)).rejects.toThrow(
      'shards: no document fits into rows of 3 tokens',
    );
  });

  it('refuses positions of other files and options', async () => {
    const stream = make();
    await take(stream, 2);
    const position = stream.position();
    await expect(make({ seed: 6 }).seek(position)).rejects.toThrow('another stream');
    await expect(make({}, [sources[0] as StreamSource]).seek(position)).rejects.toThrow(
      'a position in a stream of 1 sources',
    );
    await expect(stream.seek({ epoch: 0, index: 3 } as never)).rejects.toThrow('a position');
    await make({ batch: 4, workers: 1 }).seek(position);
    writeRows(folder, 'texts.jsonl.gz', [{ text: 'another' }]);
    await expect(make().seek(position)).rejects.toThrow('another stream');
    const memory = packed(
      [conversationDocument(tokenizer, 'x', messages(problems[0] as never), 'all')],
      {
        length: 500,
        batch: 1,
      },
    );
    await expect(memory.seek(position as never)).rejects.toThrow('epoch and index');
  });

  it('refuses options that make no sense', () => {
    expect(() => make({ length: 0 })).toThrow('length: expected an integer from 1 up, got 0');
    expect(() => make({ workers: -1 })).toThrow('workers');
    expect(() => make({}, [])).toThrow('expected sources, got none');
    expect(() => make({}, [{ path: folder, weight: 0 }])).toThrow('sources[0].weight');
    expect(() => make({}, [{ path: join(folder, 'none') }])).toThrow('none');
    const built = { ...tokenizer, ref: undefined };
    expect(() => make({ workers: 1 }, sources, built)).toThrow('expected 0, got 1');
  });

  it('gives nothing once it is closed', async () => {
    const stream = make({ workers: 1 });
    await stream.next();
    await stream.close();
    await stream.close();
    await expect(stream.next()).rejects.toThrow('the stream was closed');
  });
});
