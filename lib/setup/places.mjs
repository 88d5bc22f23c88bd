// Where set-up puts things: everything lies in the checkout (`.mambalab/`, `node_modules/`, `dist/`,
// the addon) or in the cache folder. The commands use the same answers through `#setup/places.mjs`.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout: the folder that holds package.json. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');

/** What describes a bundle (`npm run bundle`); a checkout has none. */
export const bundleFile = join(root, 'bundle.json');

/** Whether this runs out of a bundle, which cannot be set up. */
export const isBundle = existsSync(bundleFile);

/** Set-up's own folder in the checkout: virtual environment, stamps, logs, temporary files. */
export const localFolder = join(root, '.mambalab');

/** The Python virtual environment with JupyterLab and nbconvert. */
export const venvFolder = join(localFolder, 'venv');

/** A build of TensorFlow.js's backend `tensorflow`, where `lib/setup/tensorflow.mjs` made one. */
export const tensorflowFolder = join(localFolder, 'tensorflow');

/** The compiled engine. */
export const addonFile = join(root, 'lib', 'native', 'mambalab.node');

/** Finds a program of the virtual environment under `folder` by its name without extension. */
export function venvIn(folder) {
  return (name) =>
    process.platform === 'win32'
      ? join(folder, 'venv', 'Scripts', `${name}.exe`)
      : join(folder, 'venv', 'bin', name);
}

/** A program of this checkout's virtual environment. */
export const venvProgram = venvIn(localFolder);

/** `MAMBALAB_CACHE`, or `mambalab` in the user's cache folder as the platform has it. */
export function cacheFolder(env = process.env, platform = process.platform, home = homedir()) {
  if (env.MAMBALAB_CACHE) return resolve(env.MAMBALAB_CACHE);
  if (platform === 'win32') {
    return join(env.LOCALAPPDATA || join(home, 'AppData', 'Local'), 'mambalab', 'Cache');
  }
  if (platform === 'darwin') return join(home, 'Library', 'Caches', 'mambalab');
  return join(env.XDG_CACHE_HOME || join(home, '.cache'), 'mambalab');
}

/**
 * The environment of the programs that set-up and the commands start: what npm, pip and Jupyter would
 * write into the home folder goes to the cache and the checkout, and settings that would lead Python
 * out of the virtual environment are dropped.
 */
export function childEnvironment(env = process.env) {
  const cache = cacheFolder(env);
  const temporary = join(localFolder, 'tmp');
  const jupyter = join(localFolder, 'jupyter');
  const child = {
    ...env,
    TMPDIR: temporary,
    TEMP: temporary,
    TMP: temporary,
    npm_config_cache: join(cache, 'npm'),
    npm_config_update_notifier: 'false',
    PIP_CACHE_DIR: join(cache, 'pip'),
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
    PIP_NO_INPUT: '1',
    PYTHONNOUSERSITE: '1',
    JUPYTER_CONFIG_DIR: join(jupyter, 'config'),
    JUPYTER_DATA_DIR: join(jupyter, 'data'),
    JUPYTER_RUNTIME_DIR: join(jupyter, 'runtime'),
    IPYTHONDIR: join(jupyter, 'ipython'),
  };
  for (const name of ['PYTHONHOME', 'PYTHONPATH', 'PIP_USER', 'PIP_TARGET', 'PIP_PREFIX']) {
    delete child[name];
  }
  delete child.PIP_REQUIRE_VIRTUALENV;
  return child;
}
