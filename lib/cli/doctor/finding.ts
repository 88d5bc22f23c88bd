import { installCommand, type ToolName, tools } from '#setup/tools.mjs';

/** One line of `mambalab doctor`. */
export interface Finding {
  readonly name: string;
  readonly status: 'ok' | 'missing' | 'none';
  /** What was found, or what is wrong. */
  readonly found: string;
  /** For `missing`: the command that mends it. */
  readonly fix?: string;
}

export const ok = (name: string, found: string): Finding => ({ name, status: 'ok', found });

/** Something that mambalab can do without, and that is not here. */
export const none = (name: string, found: string): Finding => ({ name, status: 'none', found });

export const missing = (name: string, found: string, fix: string): Finding => ({
  name,
  status: 'missing',
  found,
  fix,
});

/** A tool that is absent or too old, with the command that installs it here. */
export function missingTool(name: string, tool: ToolName, found: string): Finding {
  return missing(name, `${found}; needed: ${tools[tool].needs}`, installCommand(tool).command);
}
