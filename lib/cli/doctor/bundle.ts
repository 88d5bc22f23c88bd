import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleFile, root } from '#setup/places.mjs';
import { inspect } from '../../data/manifest.js';
import { type Finding, missing, none, ok } from './finding.js';
import { addon, cache, datasets } from './project.js';
import { node } from './tools.js';

/** `bundle.json`, as lib/setup/bundle writes it. */
interface BundleManifest {
  readonly version: string;
  /** Null where the bundle was not made in a repository. */
  readonly commit: string | null;
  /** Whether files differed from the commit. */
  readonly modified: boolean;
  /** The oldest glibc that the compiled parts name. */
  readonly glibc: string;
  /** SHA-256 of every file by its path in the bundle. */
  readonly files: Readonly<Record<string, string>>;
}

const again = 'unpack the archive again';

function bundle(): Finding {
  const { version, commit, modified, glibc, files }: BundleManifest = JSON.parse(
    readFileSync(bundleFile, 'utf8'),
  );
  const changed = Object.entries(files).filter(([path, sha256]) => {
    const file = join(root, path);
    if (!existsSync(file)) return true;
    return createHash('sha256').update(readFileSync(file)).digest('hex') !== sha256;
  });
  if (changed.length > 0) {
    const names = changed.map(([path]) => path).join(', ');
    return missing('bundle', `${root}: not as it was made: ${names}`, again);
  }
  const of = commit ? ` of commit ${commit.slice(0, 9)}${modified ? ', modified' : ''}` : '';
  const count = Object.keys(files).length;
  return ok('bundle', `${root} (${version}${of}; ${count} files as made; glibc ${glibc} or newer)`);
}

async function model(): Promise<Finding> {
  const id = 'smollm2-135m-instruct';
  const [state] = await inspect(id);
  if (state?.state === 'ok') return ok('model', state.path);
  return none('model', `${id} is not here (mambalab data list says where to put it)`);
}

/** What a bundle has, and the model and the datasets, which it runs without. */
export async function bundleFindings(): Promise<Finding[]> {
  return [node(), bundle(), addon(again), cache(), await model(), ...(await datasets())];
}
