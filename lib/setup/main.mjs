#!/usr/bin/env node
// Set-up of a checkout: `node lib/setup/main.mjs --help`.

const names = ['node', 'npm', 'addon', 'build', 'venv', 'kernelspec', 'model'];

const help = `Usage: node lib/setup/main.mjs [options]

Brings a checkout to the point where tests and notebooks run. What is done already is skipped; a set-up
that was stopped goes on where it was. Writes only to the checkout and to the cache folder
(MAMBALAB_CACHE, or mambalab in the user's cache folder).

Steps, in order:
  node         checks the version of Node.js
  npm          installs the packages of package-lock.json
  addon        builds the Rust engine with cargo
  build        compiles TypeScript to dist/
  venv         makes a Python environment with JupyterLab and nbconvert in .mambalab/venv
  kernelspec   installs the Jupyter kernel into that environment
  model        fetches SmolLM2-135M-Instruct into the cache

Options:
  --only <steps>   run only these steps (names with commas)
  --skip <steps>   leave these steps out
  --json           print one JSON object at the end instead of lines
  --quiet          print nothing unless a step fails
  --help           print this

Examples:
  node lib/setup/main.mjs
  node lib/setup/main.mjs --skip venv,kernelspec,model
  node lib/setup/main.mjs --only addon`;

function usageError(message) {
  process.stderr.write(`set-up: ${message}\n(--help lists the options)\n`);
  process.exit(2);
}

function stepNames(option, value) {
  if (!value || value.startsWith('--')) usageError(`${option} needs the names of steps`);
  const chosen = value.split(',').filter(Boolean);
  for (const name of chosen) {
    if (names.includes(name)) continue;
    usageError(`${option}: there is no step '${name}'; the steps are ${names.join(', ')}`);
  }
  return chosen;
}

function parse(args) {
  const options = { only: [], skip: [], json: false, quiet: false };
  for (let i = 0; i < args.length; i += 1) {
    const [option, inline] = args[i].split('=', 2);
    if (option === '--help' || option === '-h') {
      process.stdout.write(`${help}\n`);
      process.exit(0);
    } else if (option === '--json' || option === '--quiet') {
      options[option.slice(2)] = true;
    } else if (option === '--only' || option === '--skip') {
      if (inline === undefined) i += 1;
      options[option.slice(2)].push(...stepNames(option, inline ?? args[i]));
    } else {
      usageError(`unknown option '${args[i]}'`);
    }
  }
  return options;
}

const options = parse(process.argv.slice(2));
// Imported late, so that an old Node.js that cannot read these files still prints the help above.
const { setup, explain } = await import('./setup.mjs');
let outcome;
try {
  outcome = await setup({ ...options, quiet: options.quiet || options.json });
} catch (error) {
  outcome = { ok: false, seconds: 0, steps: [{ step: 'lock', status: 'failed', error }] };
}
const failed = outcome.steps.find((step) => step.error);
if (options.json) {
  const steps = outcome.steps.map(({ error, ...step }) => ({
    ...step,
    ...(error
      ? {
          fix: explain(error)
            .slice(1)
            .map((line) => line.trim()),
        }
      : {}),
  }));
  process.stdout.write(`${JSON.stringify({ ...outcome, steps }, null, 2)}\n`);
} else if (failed) {
  process.stderr.write(
    `\nSet-up stopped at '${failed.step}': ${explain(failed.error).join('\n')}\n`,
  );
}
process.exitCode = outcome.ok ? 0 : 1;
