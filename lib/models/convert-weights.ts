import * as tf from '@tensorflow/tfjs-core';
import type { WeightSource } from '../layers/index.js';
import { seedOf, uniformByFanIn } from '../layers/initial-values.js';
import type { ConversionReport } from './conversion-report.js';
import type { Llama } from './llama.js';
import type { LlambaConfig } from './llamba-config.js';
import type { MambaInLlamaConfig } from './mamba-in-llama-config.js';
import { valuesOf } from './parameter-values.js';

/** Rows of a student's matrix. */
interface Rows {
  name: string;
  count: number;
  /** The teacher's projection that they start from; none where they are new. */
  from?: 'q' | 'k' | 'v' | 'o';
}

/** What the matrices of a mixer start from; the parameters that are not here are new. */
function origins(
  teacher: Llama,
  student: LlambaConfig | MambaInLlamaConfig,
): Record<string, readonly Rows[]> {
  if (student.family === 'llamba') {
    const { nHeads, nQkHeads, headDim, stateDim } = student;
    const { config } = teacher;
    // Rows of q and k mean something only in the heads that they were made for.
    const sameHeads = nHeads === config.nHeads && stateDim === config.headDim;
    const inner = nHeads * headDim;
    const wide = nQkHeads * stateDim;
    return {
      xBC: [
        { name: 'x', count: inner, from: 'v' },
        { name: 'B', count: wide, ...(sameHeads && { from: 'k' as const }) },
        { name: 'C', count: wide, ...(sameHeads && { from: 'q' as const }) },
      ],
      out: [{ name: 'out', count: student.dModel, from: 'o' }],
    };
  }
  const { dInner, dXb, type } = student.mixer;
  const x: Rows = { name: 'x', count: dXb, from: 'v' };
  const B: Rows = { name: 'B', count: dXb, from: 'k' };
  const C: Rows = { name: 'C', count: dInner, from: 'q' };
  const out: Rows = { name: 'out', count: student.dModel, from: 'o' };
  if (type === 'mamba2') return { xBC: [x, B, C], out: [out] };
  return { x: [x], B: [B], C: [C], out: [out] };
}

/**
 * A student's parameters out of its teacher's, as float32. Those that it does not supply are new.
 *
 * @param report is told of every parameter.
 */
export function studentWeights(
  teacher: Llama,
  student: LlambaConfig | MambaInLlamaConfig,
  seed: number,
  report: ConversionReport,
): WeightSource {
  const given = teacher.parameters();
  const read = (path: string) => valuesOf(teacher, path, given.get(path) as tf.Tensor);
  const from = origins(teacher, student);
  const { nHeads, nKvHeads, headDim, dModel } = teacher.config;

  /** A projection of the teacher with so many rows: its heads repeated where it has fewer. */
  const projection = (layer: string, { name, count, from: part }: Rows): Float32Array => {
    const path = `${layer}.attention.${part}`;
    const values = read(path);
    const [rows, columns] = (given.get(path) as tf.Tensor).shape as [number, number];
    if (rows === count) {
      report.add('copied', `${name} from ${part}`, values.length);
      return values;
    }
    report.add('expanded', `${name} from ${part}, ${nKvHeads} heads to ${nHeads}`, count * columns);
    return repeatHeads(values, headDim * columns, nHeads / nKvHeads);
  };

  const source = (path: string, shape: readonly number[]): tf.Tensor | undefined => {
    const size = tf.util.sizeFromShape([...shape]);
    const [, layer, rest] = /^(layers\.\d+)\.(.+)$/.exec(path) ?? [];
    const same = path.replace('.mixerNorm.', '.attentionNorm.');
    if (given.has(same)) {
      report.add('copied', kindOf(rest ?? path), size);
      return tf.tensor(read(same), [...shape]);
    }
    const part = rest?.replace('mixer.', '') as string;
    const rows = from[part];
    if (!rows) {
      report.add('new', part, size);
      return undefined;
    }
    const values = new Float32Array(size);
    let at = 0;
    for (const piece of rows) {
      const pieceSize = piece.count * (shape[1] as number);
      if (piece.from) values.set(projection(layer as string, piece), at);
      else {
        report.add('new', piece.name, pieceSize);
        values.set(newRows(`${path}.${piece.name}`, piece.count, dModel, seed), at);
      }
      at += pieceSize;
    }
    return tf.tensor(values, [...shape]);
  };
  return Object.assign(source, { seed });
}

/** What a copied parameter is called in the report. */
function kindOf(path: string): string {
  if (path.startsWith('attention.')) return 'kept attention';
  if (path.startsWith('mlp.')) return 'MLPs';
  if (path.startsWith('embedding.')) return 'embedding';
  return path.startsWith('head.') ? 'head' : 'norms';
}

/** Each head of `headSize` numbers, `times` times side by side. */
function repeatHeads(values: Float32Array, headSize: number, times: number): Float32Array {
  const out = new Float32Array(values.length * times);
  for (let at = 0, to = 0; at < values.length; at += headSize) {
    const head = values.subarray(at, at + headSize);
    for (let i = 0; i < times; i++, to += headSize) out.set(head, to);
  }
  return out;
}

function newRows(path: string, rows: number, columns: number, seed: number): Float32Array {
  const values = uniformByFanIn(columns)([rows, columns], seedOf(path, seed));
  try {
    return values.dataSync() as Float32Array;
  } finally {
    values.dispose();
  }
}
