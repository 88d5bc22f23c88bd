import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SetupFailure, toolFailure } from '../failure.mjs';
import { hashOf } from '../files.mjs';
import { venvIn } from '../places.mjs';
import { runProgram } from '../programs.mjs';
import { clearStamp, readStamp, writeStamp } from '../stamps.mjs';
import { ask, findPython, pythonFrom } from '../tools.mjs';

const requirementsOf = (root) => join(root, 'lib', 'setup', 'requirements.txt');

/** Makes JupyterLab's own scripts CommonJS, which this package's `type` would take from them. */
const scopeOf = (folder) => join(folder, 'package.json');

/** The pins, and the folder: the programs of a virtual environment name it in their first line. */
const keyOf = (root) => hashOf(root, [requirementsOf(root)], root);

function isDone({ root, folder }) {
  const venv = venvIn(folder);
  return (
    existsSync(venv('python')) &&
    existsSync(venv('jupyter')) &&
    existsSync(scopeOf(folder)) &&
    readStamp(folder, 'venv')?.key === keyOf(root)
  );
}

function choosePython(context) {
  const python = findPython(context.env);
  if (!python) throw toolFailure('python', 'python3 is not installed (or not on PATH)');
  if (python.good) return python;
  const lacks = python.lacks.filter((module) => module !== 'pip');
  throw toolFailure(
    'python',
    lacks.length > 0
      ? `Python ${python.text} (${python.program}) lacks its ${lacks.join(' and ')} module`
      : `Python ${python.text} (${python.program}) is older than ${pythonFrom.join('.')}`,
  );
}

async function run(context) {
  const { root, folder, env } = context;
  if (!existsSync(requirementsOf(root))) {
    throw new SetupFailure('lib/setup/requirements.txt is missing: the checkout is incomplete');
  }
  const python = choosePython(context);
  const venv = venvIn(folder);
  const made = readStamp(folder, 'venv-base');
  const whole =
    made?.root === root &&
    made.python === python.text &&
    ask(venv('python'), ['-m', 'pip', '--version'], env) !== null;
  clearStamp(folder, 'venv');
  if (!whole) {
    clearStamp(folder, 'venv-base');
    const args = [...python.before, '-m', 'venv', '--clear', join(folder, 'venv')];
    await runProgram(context, python.program, args, { step: 'venv', tool: 'python' });
    writeStamp(folder, 'venv-base', { root, python: python.text });
  }
  const install = ['-m', 'pip', 'install', '--progress-bar', 'off', '-r', requirementsOf(root)];
  await runProgram(context, venv('python'), install, { step: 'venv', log: 'pip' });
  writeFileSync(scopeOf(folder), '{ "type": "commonjs" }\n');
  writeStamp(folder, 'venv', { key: keyOf(root) });
  return `Python ${python.text} with JupyterLab in .mambalab/venv`;
}

export const venv = {
  name: 'venv',
  title: 'Python environment',
  doing: 'making the Python environment with JupyterLab and nbconvert',
  isDone,
  run,
};
