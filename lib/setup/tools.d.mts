export type ToolName = 'node' | 'npm' | 'cargo' | 'linker' | 'python';
export interface Tool {
  needs: string;
  debian: string;
  macos: string;
  windows: string;
}
export interface FoundPython {
  program: string;
  before: string[];
  text: string;
  version: number[];
  lacks: string[];
  good: boolean;
}
export declare const tools: Record<ToolName, Tool>;
export declare const rustFrom: number[];
export declare const pythonFrom: number[];
export declare function installCommand(
  tool: ToolName,
  platform?: NodeJS.Platform,
): { platform: string; command: string };
export declare function parseVersion(text: string): number[] | null;
export declare function atLeast(a: number[], b: number[]): boolean;
export declare function nodeIsSupported(version?: string): boolean;
export declare function ask(
  program: string,
  args: string[],
  env?: NodeJS.ProcessEnv,
): string | null;
export declare function npmCommand(env?: NodeJS.ProcessEnv): [string, ...string[]];
export declare function findCargo(
  env?: NodeJS.ProcessEnv,
): { program: string; line: string; version: number[]; folder: string } | null;
export declare function findLinker(env?: NodeJS.ProcessEnv): string | null;
export declare function findPython(env?: NodeJS.ProcessEnv): FoundPython | null;
