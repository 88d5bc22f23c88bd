/** Where Jupyter looks for kernelspecs, and which of those there are mambalab's. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { venvFolder } from '#setup/places.mjs';

/** A kernelspec of mambalab's kernel. */
export interface FoundSpec {
  readonly name: string;
  readonly displayName: string;
  /** The folder that holds kernel.json. */
  readonly path: string;
  /** Whether the files that it starts are still there. */
  readonly works: boolean;
}

/** The user's Jupyter data folder, as Jupyter itself chooses it. */
export function userDataFolder(env = process.env): string {
  if (env.JUPYTER_DATA_DIR) return resolve(env.JUPYTER_DATA_DIR);
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Jupyter');
  if (process.platform === 'win32') {
    return join(env.APPDATA || join(homedir(), 'AppData', 'Roaming'), 'jupyter');
  }
  return join(env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'jupyter');
}

/** The Python environment that is active in this shell, else the project's own. */
export function environmentPrefix(env = process.env): string {
  return env.VIRTUAL_ENV || env.CONDA_PREFIX || venvFolder;
}

/** The Jupyter data folder of an installation prefix. */
export const prefixDataFolder = (prefix: string) => join(resolve(prefix), 'share', 'jupyter');

function dataFolders(): string[] {
  const prefixes = [environmentPrefix(), venvFolder, '/usr/local', '/usr'];
  return [...new Set([userDataFolder(), ...prefixes.map(prefixDataFolder)])];
}

/** The mambalab kernelspec in a folder; null where there is none, or one of another kernel. */
export function readSpec(path: string, name: string): FoundSpec | null {
  const file = join(path, 'kernel.json');
  if (!existsSync(file)) return null;
  try {
    const { argv, display_name: displayName, metadata } = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof metadata?.mambalab !== 'object') return null;
    const files = (argv as string[]).filter((part) => /[\\/]/.test(part) && !part.includes('{'));
    return { name, displayName, path, works: files.every((part) => existsSync(part)) };
  } catch {
    return null;
  }
}

/** Every mambalab kernelspec that Jupyter would find from this shell or the project's environment. */
export function listSpecs(): readonly FoundSpec[] {
  return dataFolders().flatMap((folder) => {
    const kernels = join(folder, 'kernels');
    if (!existsSync(kernels)) return [];
    return readdirSync(kernels).flatMap((name) => readSpec(join(kernels, name), name) ?? []);
  });
}
