export declare function packing(): Promise<'xz' | 'gz'>;
export declare function pack(
  folder: string,
  file: string,
  options: { name: string; mtime: number; kind: 'xz' | 'gz' },
): Promise<void>;
