import { addon } from './addon.mjs';
import { build } from './build.mjs';
import { kernelspec } from './kernelspec.mjs';
import { model } from './model.mjs';
import { node } from './node.mjs';
import { npm } from './npm.mjs';
import { venv } from './venv.mjs';

/** The steps in the order they run; each needs only those before it. */
export const steps = [node, npm, addon, build, venv, kernelspec, model];
