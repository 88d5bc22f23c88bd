import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { addonFile, cacheFolder, root, venvFolder, venvProgram } from '#setup/places.mjs';
import { ask } from '#setup/tools.mjs';
import { inspect, manifestEntry } from '../../data/manifest.js';
import { loadAddon } from '../../native/addon.js';
import { type Finding, missing, none, ok } from './finding.js';

const step = (name: string) => `npm run setup -- --only ${name}`;

function packages(): Finding {
  const list = join(root, 'node_modules', '.package-lock.json');
  return existsSync(list)
    ? ok('packages', join(root, 'node_modules'))
    : missing('packages', 'node_modules is not installed', step('npm'));
}

/** The engine; `fix` says what mends it where it does not load. */
export function addon(fix = step('addon')): Finding {
  try {
    const engine = loadAddon();
    const what = `${engine.opNames().length} operations, ${engine.detectIsa()} kernels`;
    return ok('addon', `${process.env.MAMBALAB_NATIVE ?? addonFile} (${what})`);
  } catch (error) {
    return missing('addon', (error as Error).message, fix);
  }
}

const versionsScript =
  "from importlib.metadata import version as v; print(f\"JupyterLab {v('jupyterlab')}, nbconvert {v('nbconvert')}\")";

function venv(): Finding {
  const python = venvProgram('python');
  const versions = existsSync(python) ? ask(python, ['-c', versionsScript]) : null;
  return versions
    ? ok('venv', `${venvFolder} (${versions})`)
    : missing('venv', `no JupyterLab and nbconvert in ${venvFolder}`, step('venv'));
}

function kernelspec(): Finding {
  const file = join(venvFolder, 'share', 'jupyter', 'kernels', 'mambalab', 'kernel.json');
  return existsSync(file)
    ? ok('kernelspec', file)
    : missing('kernelspec', `${file} is not there`, step('kernelspec'));
}

/** The cache folder. */
export function cache(): Finding {
  const folder = cacheFolder();
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.R_OK | constants.W_OK);
    return ok('cache', folder);
  } catch (error) {
    const fix = 'set MAMBALAB_CACHE to a folder that can be written';
    return missing('cache', (error as Error).message, fix);
  }
}

async function model(): Promise<Finding> {
  const id = 'smollm2-135m-instruct';
  const [state] = await inspect(id);
  if (state?.state === 'ok') {
    return ok('model', `${state.path} (SHA-256 ${manifestEntry(id).files[0]?.sha256})`);
  }
  const found = state?.state === 'differs' ? `${state.path}: ${state.why}` : `${id} is not here`;
  return missing('model', found, step('model'));
}

/** The datasets, which are optional. */
export async function datasets(): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const id of ['gsm8k', 'math-500']) {
    const states = await inspect(id);
    const absent = states.filter((state) => state.state === 'absent');
    findings.push(
      absent.length > 0
        ? none(
            id,
            `not here: ${absent.map((state) => state.file).join(', ')} (mambalab data fetch ${id})`,
          )
        : ok(id, states.map((state) => state.path).join(', ')),
    );
  }
  return findings;
}

/** What set-up makes, and the datasets, which are optional. */
export async function projectFindings(): Promise<Finding[]> {
  return [packages(), addon(), venv(), kernelspec(), cache(), await model(), ...(await datasets())];
}
