// A tar archive whose bytes depend on names, contents and modes alone: owners and times are fixed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream, lstatSync } from 'node:fs';
import { relative, sep } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { SetupFailure } from '../failure.mjs';
import { listFiles } from '../files.mjs';

const block = 512;

/** A number as tar writes it: octal digits, zero-filled, with a closing NUL. */
const octal = (value, width) => `${value.toString(8).padStart(width - 1, '0')}\0`;

/** A name in the two fields of ustar: up to 100 bytes, and up to 155 of folders before them. */
function splitName(name) {
  if (Buffer.byteLength(name) <= 100) return [name, ''];
  for (let at = name.indexOf('/'); at > 0; at = name.indexOf('/', at + 1)) {
    const [prefix, rest] = [name.slice(0, at), name.slice(at + 1)];
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(rest) <= 100) return [rest, prefix];
  }
  throw new SetupFailure(`${name}: too long for a tar archive`);
}

function header(name, mode, size, mtime) {
  const [last, prefix] = splitName(name);
  const bytes = Buffer.alloc(block);
  bytes.write(last, 0);
  bytes.write(octal(mode, 8), 100);
  bytes.write(octal(0, 8), 108);
  bytes.write(octal(0, 8), 116);
  bytes.write(octal(size, 12), 124);
  bytes.write(octal(mtime, 12), 136);
  bytes.write(' '.repeat(8), 148);
  bytes.write('0', 156);
  bytes.write('ustar\x0000', 257);
  bytes.write(prefix, 345);
  const sum = bytes.reduce((a, b) => a + b, 0);
  bytes.write(`${octal(sum, 7)} `, 148);
  return bytes;
}

/** The archive's bytes: every file under `folder`, by name, under `name/`. */
async function* tar(folder, name, mtime) {
  for (const path of listFiles(folder, () => true)) {
    const { size, mode } = lstatSync(path);
    const inside = relative(folder, path).split(sep).join('/');
    yield header(`${name}/${inside}`, mode & 0o111 ? 0o755 : 0o644, size, mtime);
    yield* createReadStream(path);
    if (size % block !== 0) yield Buffer.alloc(block - (size % block));
  }
  yield Buffer.alloc(2 * block);
}

/** xz's own program, fed and emptied; undefined where it is not installed. */
async function startXz() {
  // One thread: with several, blocks are cut and the archive grows. The filter knows x86's calls.
  const args = ['--threads=1', '--x86', '--lzma2=preset=9e', '--stdout'];
  const child = spawn('xz', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    await once(child, 'spawn');
    return child;
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** How an archive is packed on this machine: `xz`, or `gz` where there is no xz. */
export async function packing() {
  const child = await startXz();
  child?.stdin.destroy();
  child?.kill();
  return child ? 'xz' : 'gz';
}

/**
 * Packs a folder.
 * @param options.name the folder's name in the archive; options.mtime of every file, in seconds
 * @param options.kind `xz` or `gz`
 */
export async function pack(folder, file, { name, mtime, kind }) {
  const plain = Readable.from(tar(folder, name, mtime));
  const target = createWriteStream(file);
  if (kind === 'gz') {
    await pipeline(plain, createGzip({ level: 9 }), target);
    return;
  }
  const child = await startXz();
  const closed = once(child, 'close');
  await Promise.all([pipeline(plain, child.stdin), pipeline(child.stdout, target)]);
  const [code] = await closed;
  if (code !== 0) throw new SetupFailure(`xz ended with exit code ${code}`);
}
