/** Everything that a training run needs to go on bit for bit, in a folder that is there whole or not at all. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs-core';
import { assign } from '../../backend/index.js';
import { readSafetensors } from '../../models/files/safetensors.js';
import { type TensorToWrite, writeSafetensors } from '../../models/files/safetensors-writer.js';
import { requireTensor, type TensorFile } from '../../models/files/tensor-file.js';
import type { AdamW } from '../adamW.js';

/** Where a run is. */
export interface Progress {
  /** Updates that were made. */
  readonly step: number;
  /** Tokens that were read. */
  readonly tokens: number;
  /** Labels that counted. */
  readonly lossTokens: number;
  /** Where the data goes on. */
  readonly position: unknown;
  /** The best value so far of what picks the best checkpoint, and its step. */
  readonly best?: { readonly step: number; readonly value: number };
}

const TENSORS = 'tensors.safetensors';
const STATE = 'state.json';

const nameOf = (step: number) => `step-${String(step).padStart(8, '0')}`;
const NAME = /^step-(\d{8})$/;

/** Checkpoints of a run. */
export class Checkpoints {
  constructor(private readonly folder: string) {
    mkdirSync(folder, { recursive: true });
    for (const name of readdirSync(folder)) {
      if (name.startsWith('.new-')) rmSync(join(folder, name), { recursive: true, force: true });
    }
  }

  /** Steps of which there is a checkpoint, from the first to the last. */
  steps(): number[] {
    return readdirSync(this.folder)
      .flatMap((name) => (NAME.exec(name) ? [Number(NAME.exec(name)?.[1])] : []))
      .sort((a, b) => a - b);
  }

  path(step: number): string {
    return join(this.folder, nameOf(step));
  }

  /**
   * Writes a checkpoint; until it is whole there is none of this step.
   *
   * @throws Error naming the folder and the cause, such as a full disk; older checkpoints stay.
   */
  save(
    parameters: ReadonlyMap<string, tf.Tensor>,
    optimizer: AdamW,
    progress: Progress,
    keep: number,
  ): string {
    const path = this.path(progress.step);
    if (!existsSync(path)) {
      const work = join(this.folder, `.new-${process.pid}`);
      try {
        rmSync(work, { recursive: true, force: true });
        mkdirSync(work);
        writeSafetensors(join(work, TENSORS), tensorsOf(parameters, optimizer));
        const state = { ...progress, updates: optimizer.steps };
        writeFileSync(join(work, STATE), `${JSON.stringify(state, undefined, 2)}\n`, {
          flush: true,
        });
        renameSync(work, path);
      } catch (cause) {
        rmSync(work, { recursive: true, force: true });
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new Error(`${path}: the checkpoint could not be written: ${reason}`, { cause });
      }
    }
    const older = this.steps().filter((step) => step < progress.step);
    for (const step of older.slice(0, Math.max(0, older.length - keep + 1))) {
      rmSync(this.path(step), { recursive: true, force: true });
    }
    return path;
  }

  /** Reads a checkpoint into parameters and optimizer. */
  restore(step: number, parameters: ReadonlyMap<string, tf.Tensor>, optimizer: AdamW): Progress {
    const folder = this.path(step);
    const { updates, ...progress } = JSON.parse(readFileSync(join(folder, STATE), 'utf8'));
    const file = readSafetensors(join(folder, TENSORS));
    const handle = openSync(file.path, 'r');
    try {
      const read = (name: string, shape: readonly number[]) => numbersOf(handle, file, name, shape);
      for (const [path, tensor] of parameters) {
        assign(tensor, read(`parameters/${path}`, tensor.shape));
      }
      const moments = (kind: string) =>
        Object.fromEntries(
          optimizer.paths.map((path) => {
            const tensor = parameters.get(path) as tf.Tensor;
            return [path, read(`${kind}/${path}`, tensor.shape)];
          }),
        );
      optimizer.restore({
        steps: updates,
        first: moments('first'),
        second: moments('second'),
        ...(optimizer.masters.size > 0 && { masters: moments('masters') }),
      });
    } finally {
      closeSync(handle);
    }
    return progress;
  }
}

function tensorsOf(parameters: ReadonlyMap<string, tf.Tensor>, optimizer: AdamW): TensorToWrite[] {
  const storage = 'F32' as const;
  const { first, second } = optimizer.moments;
  const of = (kind: string, tensors: Iterable<readonly [string, tf.Tensor]>) =>
    [...tensors].map(([path, tensor]) => ({
      name: `${kind}/${path}`,
      shape: tensor.shape,
      storage,
      read: () => tensor.dataSync() as Float32Array,
    }));
  return [
    ...of('parameters', parameters),
    ...of('first', first),
    ...of('second', second),
    ...of('masters', optimizer.masters),
  ];
}

function numbersOf(
  handle: number,
  file: TensorFile,
  name: string,
  shape: readonly number[],
): Float32Array {
  const { byteOffset, byteLength } = requireTensor(file, name, shape);
  const bytes = new Uint8Array(byteLength);
  for (let at = 0; at < byteLength; ) {
    const count = readSync(handle, bytes, at, Math.min(1 << 30, byteLength - at), byteOffset + at);
    if (count === 0) throw new Error(`${file.path}: tensor ${name}: the file ends inside it`);
    at += count;
  }
  return new Float32Array(bytes.buffer);
}
