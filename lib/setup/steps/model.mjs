import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SetupFailure } from '../failure.mjs';
import { hashOf } from '../files.mjs';
import { venvIn } from '../places.mjs';
import { clearStamp, readStamp, writeStamp } from '../stamps.mjs';
import { findPython } from '../tools.mjs';

const id = 'smollm2-135m-instruct';
const fetcherOf = (root) => join(root, 'dist', 'lib', 'data', 'fetch.js');
const keyOf = (root) => hashOf(root, [join(root, 'data', 'manifest.json')]);

/** Size and time stand for the content once its hash was checked: hashing 98 MB anew each time is not needed. */
function sameFile({ path, size, mtimeMs }) {
  if (!existsSync(path)) return false;
  const now = statSync(path);
  return now.size === size && now.mtimeMs === mtimeMs;
}

function isDone({ root, folder, cache }) {
  const stamp = readStamp(folder, 'model');
  return stamp?.key === keyOf(root) && stamp.cache === cache && stamp.files.every(sameFile);
}

async function run({ root, folder, cache, env, progress }) {
  if (!existsSync(fetcherOf(root))) {
    throw new SetupFailure(`${fetcherOf(root)} is not there yet`, [
      'run the step before: npm run setup -- --only build',
    ]);
  }
  const key = keyOf(root);
  clearStamp(folder, 'model');
  const own = venvIn(folder)('python');
  const python = existsSync(own) ? { program: own, before: [] } : findPython(env);
  const { fetch } = await import(pathToFileURL(fetcherOf(root)).href);
  let paths;
  try {
    paths = await fetch(id, {
      cache,
      python: python ? [python.program, ...python.before] : undefined,
      env,
      onProgress: progress,
    });
  } catch (error) {
    const [first, ...lines] = error.message.split('\n');
    throw new SetupFailure(first, lines);
  }
  const files = paths.map((path) => {
    const { size, mtimeMs } = statSync(path);
    return { path, size, mtimeMs };
  });
  writeStamp(folder, 'model', { key, cache, files });
  return paths.join(', ');
}

export const model = {
  name: 'model',
  title: 'SmolLM2 weights',
  doing: 'fetching SmolLM2-135M-Instruct (93 MB) and checking its SHA-256',
  isDone,
  run,
};
