// What set-up says when it cannot go on: a line for what is wrong, lines for what to do, never a stack.
import { installCommand, tools } from './tools.mjs';

export class SetupFailure extends Error {
  /** @param {string} message what is wrong; @param {string[]} lines what to do about it, or what the program said */
  constructor(message, lines = []) {
    super(message);
    this.name = 'SetupFailure';
    this.lines = lines;
  }
}

/** The failure for a tool that is missing, too old or incomplete. */
export function toolFailure(tool, message) {
  const { platform, command } = installCommand(tool);
  return new SetupFailure(message, [
    `needed:  ${tools[tool].needs}`,
    `install: ${command}   (${platform})`,
    'then run the same command again; steps that are done are skipped',
  ]);
}
