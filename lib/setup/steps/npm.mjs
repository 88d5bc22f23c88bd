import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SetupFailure } from '../failure.mjs';
import { runProgram } from '../programs.mjs';
import { npmCommand } from '../tools.mjs';

function packagesOf(file) {
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? null;
  } catch {
    return null;
  }
}

/**
 * npm writes node_modules/.package-lock.json last, with what it really installed: that is this step's stamp.
 * It lacks only the root and the optional packages of other platforms.
 */
function isDone({ root }) {
  const wanted = packagesOf(join(root, 'package-lock.json'));
  const installed = packagesOf(join(root, 'node_modules', '.package-lock.json'));
  if (!wanted || !installed) return false;
  for (const [path, want] of Object.entries(wanted)) {
    if (path === '') continue;
    const have = installed[path];
    if (!have) {
      if (want.optional) continue;
      return false;
    }
    if (have.version !== want.version || have.integrity !== want.integrity) return false;
    if (!existsSync(join(root, path, 'package.json'))) return false;
  }
  return true;
}

async function run(context) {
  if (!existsSync(join(context.root, 'package-lock.json'))) {
    throw new SetupFailure('package-lock.json is missing, and it says which versions to install', [
      'restore it: git checkout package-lock.json',
    ]);
  }
  const [program, ...before] = npmCommand(context.env);
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  await runProgram(context, program, [...before, ...args], { step: 'npm', tool: 'npm' });
  return 'packages of package-lock.json installed';
}

export const npm = {
  name: 'npm',
  title: 'npm packages',
  doing: 'installing the npm packages of package-lock.json',
  isDone,
  run,
};
