import { basename } from 'node:path';

/** The last path of a model's reference, without its ending: a name for people. */
export function nameOf(ref: string): string {
  return basename(ref).replace(/\.(gguf|safetensors)$/i, '');
}
