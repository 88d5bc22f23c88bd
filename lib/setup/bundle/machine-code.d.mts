export declare function copyStripped(from: string, to: string): void;
export declare function glibcOf(files: readonly string[]): string | undefined;
export declare function gccLibraries(): string[];
