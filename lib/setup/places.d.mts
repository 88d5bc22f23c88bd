export declare const root: string;
export declare const bundleFile: string;
export declare const isBundle: boolean;
export declare const localFolder: string;
export declare const venvFolder: string;
export declare const tensorflowFolder: string;
export declare const addonFile: string;
export declare function venvIn(folder: string): (name: string) => string;
export declare function venvProgram(name: string): string;
/** `MAMBALAB_CACHE`, or `mambalab` in the user's cache folder as the platform has it. */
export declare function cacheFolder(
  env?: NodeJS.ProcessEnv,
  platform?: NodeJS.Platform,
  home?: string,
): string;
export declare function childEnvironment(env?: NodeJS.ProcessEnv): NodeJS.ProcessEnv;
