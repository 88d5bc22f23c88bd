import { statSync } from 'node:fs';
import { CheckpointError } from './errors.js';
import { readGguf } from './gguf.js';
import { type HuggingFaceFolder, readHuggingFaceFolder } from './huggingface.js';
import { readSafetensors, readShardedSafetensors } from './safetensors.js';
import { reason } from './source.js';
import type { TensorFile } from './tensor-file.js';

/**
 * Reads and checks the header of a checkpoint: a GGUF file, a safetensors file, the index of
 * sharded ones, or a Hugging Face folder.
 *
 * @throws CheckpointError when there is none or it is not valid.
 */
export function readCheckpoint(path: string): TensorFile | HuggingFaceFolder {
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (error) {
    throw new CheckpointError(path, 'file', 'a checkpoint', reason(error));
  }
  if (isFolder) return readHuggingFaceFolder(path);
  if (path.endsWith('.safetensors')) return readSafetensors(path);
  if (path.endsWith('.index.json')) return readShardedSafetensors(path);
  return readGguf(path);
}
