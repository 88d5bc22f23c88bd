// Makes the bundle: a folder that appears whole, then an archive of it that appears whole.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SetupFailure } from '../failure.mjs';
import { listFiles } from '../files.mjs';
import { startOf } from '../lock.mjs';
import { addonFile, localFolder, root } from '../places.mjs';
import { seconds } from '../report.mjs';
import { setup } from '../setup.mjs';
import { readStamp } from '../stamps.mjs';
import { addonKey } from '../steps/addon.mjs';
import { ask } from '../tools.mjs';
import { pack, packing } from './archive.mjs';
import { copyContents, copyNode, machineCodeIn, settleModes } from './contents.mjs';
import { bundleJavaScript, folders, withImports } from './javascript.mjs';
import { glibcOf } from './machine-code.mjs';
import { noticesOf } from './notices.mjs';

/** A bundle that is sent around is to stay below this many bytes, packed. */
export const largest = 30_000_000;

const json = (value) => `${JSON.stringify(value, null, 2)}\n`;
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

async function sha256(file) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** The commit, whether files differ from it, and its time in seconds: what the archive's files are dated. */
function sourceState() {
  const git = (...args) => ask('git', ['-C', root, ...args]);
  const asked = process.env.SOURCE_DATE_EPOCH;
  if (asked !== undefined && !/^\d+$/.test(asked)) {
    throw new SetupFailure(`SOURCE_DATE_EPOCH: expected seconds since 1970, found '${asked}'`);
  }
  return {
    commit: git('rev-parse', 'HEAD'),
    modified: Boolean(git('status', '--porcelain', '--untracked-files=no')),
    time: Number(asked ?? git('log', '-1', '--format=%ct') ?? 0),
  };
}

function checkMachine() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new SetupFailure(
      `a bundle is for Linux x86-64 and is made there, not on ${process.platform} ${process.arch}`,
    );
  }
  if (!existsSync(addonFile)) {
    throw new SetupFailure('the Rust engine is not built', [
      'build it: npm run setup -- --only addon',
    ]);
  }
}

/** package.json without what only a checkout has. */
function ownPackage() {
  const { name, version, description, license, type, engines, imports, dependencies } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  return {
    name,
    version,
    description,
    license,
    private: true,
    type,
    engines,
    imports,
    dependencies,
  };
}

async function manifestOf(folder, { commit, modified }, withNode) {
  const { version, dependencies } = ownPackage();
  const paths = listFiles(folder, () => true);
  const files = {};
  for (const path of paths) files[relative(folder, path).split(sep).join('/')] = await sha256(path);
  return {
    name: 'mambalab',
    version,
    commit,
    modified,
    platform: 'linux-x64',
    glibc: glibcOf(machineCodeIn(folder)),
    node: withNode ? process.versions.node : null,
    versions: { tfjs: dependencies['@tensorflow/tfjs'], typescript: dependencies.typescript },
    files,
  };
}

/** The program has to start where nothing else is, before anybody is sent it. */
function tryOut(folder, withNode) {
  const path = `/usr/bin:/bin${withNode ? '' : `:${dirname(process.execPath)}`}`;
  const { status, stderr } = spawnSync(join(folder, 'mambalab'), ['--version'], {
    cwd: '/',
    encoding: 'utf8',
    env: { PATH: path },
  });
  if (status !== 0) {
    throw new SetupFailure('the bundle does not start', [(stderr ?? '').slice(-2000)]);
  }
}

async function fill(folder, state, withNode) {
  const { packages, setup: imported } = await bundleJavaScript(root, folder);
  copyContents(root, folder, withImports(join(root, 'lib', 'setup'), imported));
  if (withNode) copyNode(folder);
  const whole = [...packages, ...folders.map((name) => join(root, 'node_modules', name))].sort();
  writeFileSync(join(folder, 'NOTICES.txt'), noticesOf(root, whole, withNode));
  writeFileSync(join(folder, 'package.json'), json(ownPackage()));
  settleModes(folder);
  writeFileSync(join(folder, 'bundle.json'), json(await manifestOf(folder, state, withNode)));
  settleModes(folder);
  tryOut(folder, withNode);
}

/** Puts a folder or file in the place of an older one, which stays until the new one is whole. */
function put(from, to) {
  if (existsSync(to) && statSync(to).isDirectory()) {
    const old = `${from}.old`;
    renameSync(to, old);
    renameSync(from, to);
    rmSync(old, { recursive: true });
  } else {
    renameSync(from, to);
  }
}

/** Removes what bundlings that were killed left in `out`. */
function sweep(out) {
  for (const entry of readdirSync(out)) {
    const pid = Number(/^\.mambalab-.*\.(\d+)(\.(old|archive))?$/.exec(entry)?.[1]);
    if (!(pid > 0) || startOf(pid) !== null) continue;
    rmSync(join(out, entry), { recursive: true, force: true });
  }
}

const bytesIn = (folder) =>
  listFiles(folder, () => true).reduce((sum, path) => sum + statSync(path).size, 0);

/**
 * Makes the bundle of this checkout.
 * @param options.out the folder that gets it
 * @param options.archive whether it is packed too
 * @param options.node `true`, `false`, or `undefined`: with Node.js where the archive stays small enough
 * @param say called with a line for each thing that is done
 */
export async function makeBundle({ out: asked, archive, node }, say) {
  checkMachine();
  const build = await setup({ only: ['node', 'build'], quiet: true });
  const failed = build.steps.find(({ error }) => error);
  if (failed) throw failed.error;
  if (readStamp(localFolder, 'addon')?.key !== addonKey(root)) {
    say(
      'note: lib/native/mambalab.node was not built by set-up out of these sources (npm run setup)',
    );
  }
  const out = resolve(asked);
  const state = sourceState();
  const name = `mambalab-${ownPackage().version}-linux-x64`;
  const work = join(out, `.${name}.${process.pid}`);
  mkdirSync(out, { recursive: true });
  sweep(out);
  const packed = `${work}.archive`;
  try {
    const kind = archive ? await packing() : undefined;
    const attempt = async (withNode) => {
      await fill(work, state, withNode);
      const which = withNode ? `with Node.js ${process.version}` : 'without Node.js';
      say(`${name}: ${megabytes(bytesIn(work))}, ${which}`);
      if (!kind) return 0;
      const began = Date.now();
      await pack(work, packed, { name, mtime: state.time, kind });
      const { size } = statSync(packed);
      say(`packed with ${kind}: ${megabytes(size)} in ${seconds(Date.now() - began)}`);
      return size;
    };
    const size = await attempt(node ?? true);
    if (size > largest && node === undefined) {
      say(`above ${megabytes(largest)}: again without Node.js (--node keeps it)`);
      rmSync(work, { recursive: true });
      await attempt(false);
    }
    const folder = join(out, name);
    put(work, folder);
    say(folder);
    if (!kind) return;
    const file = join(out, `${name}.tar.${kind}`);
    put(packed, file);
    say(`${file} (SHA-256 ${await sha256(file)})`);
  } finally {
    rmSync(work, { recursive: true, force: true });
    rmSync(packed, { force: true });
  }
}
