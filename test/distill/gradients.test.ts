import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { losses } from '../../lib/distill/index.js';
import type { ResidualBlock } from '../../lib/layers/index.js';
import * as models from '../../lib/models/index.js';
import { layoutOf } from '../../lib/models/layouts.js';

beforeAll(() => void backend.init({ threads: 2 }));

interface Golden {
  value: number;
  gradients: Record<string, { norm: number; at: number[]; values: number[] }>;
}

const goldens = new URL('../goldens/', import.meta.url);
const { inputs, models: golden } = JSON.parse(
  readFileSync(new URL('training/gradients.json', goldens), 'utf8'),
) as {
  inputs: Record<'tokens' | 'resets' | 'mask' | 'labels', number[][]>;
  models: Record<string, Record<string, Golden>>;
};

const FOLDERS: Record<string, string> = {
  llama: 'reward',
  llamba: 'students/llamba-tied',
  'hybrid of Mamba-1': 'students/m1-mamba',
  'hybrid of Mamba-2': 'students/m1-mamba2',
};

/** sin(1), sin(1 + step), ...: the same numbers as in the script. */
function wave(step: number, ...shape: number[]): tf.Tensor {
  const size = shape.reduce((product, n) => product * n, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(1 + step * i)),
    shape,
  );
}

function lossOf(name: string, model: models.Model, checkpoint: boolean): tf.Scalar {
  const [batch, length] = [inputs.tokens.length, (inputs.tokens[0] as number[]).length];
  const rows = batch * length;
  const tokens = tf.tensor2d(inputs.tokens, [batch, length], 'int32');
  const resets = tf.tensor2d(inputs.resets, [batch, length], 'int32');
  const mask = tf.tensor1d(inputs.mask.flat());
  const labels = tf.tensor1d(inputs.labels.flat(), 'int32');
  const block = model.blocks[0] as ResidualBlock;
  const first = () => model.layerStates(tokens, { resets })[0] as tf.Tensor3D;
  if (name === 'matrixOrientation') {
    const student = block.mixerMatrix(first(), { resets });
    return losses.matrixOrientation({
      student,
      teacher: wave(0.61, ...student.shape) as tf.Tensor4D,
    });
  }
  if (name === 'hiddenAlignment') {
    const student = block.call(first(), model.sequence({ resets }));
    return losses.hiddenAlignment({ student, teacher: wave(0.53, ...student.shape), mask });
  }
  const hidden = model.read(tokens, { resets, checkpoint });
  const flat = tf.reshape(hidden, [rows, model.config.dModel]) as tf.Tensor2D;
  const student = { hidden: flat, weight: model.headWeight };
  if (name === 'crossEntropy') return losses.crossEntropy({ logits: student, labels, mask });
  const teacher = tf.mul(wave(0.37, rows, student.weight.shape[0]), 2) as tf.Tensor2D;
  return losses[name as 'forwardKL' | 'reverseKL']({ student, teacher, mask });
}

/** The value, and the gradient of every parameter that the loss depends on, by path. */
function gradients(name: string, model: models.Model, checkpoint: boolean) {
  const parameters = [...model.parameters()];
  const byPath = new Map<string, Float32Array>();
  let total = Number.NaN;
  tf.tidy(() => {
    const tensors = parameters.map(([, t]) => t);
    const { value, grads } = tf
      .engine()
      .gradients(() => lossOf(name, model, checkpoint), tensors, undefined, true) as {
      value: tf.Tensor;
      grads: (tf.Tensor | undefined)[];
    };
    parameters.forEach(([path], i) => {
      const gradient = grads[i];
      if (gradient) byPath.set(path, Float32Array.from(gradient.dataSync()));
    });
    total = value.dataSync()[0] as number;
  });
  return { value: total, byPath };
}

const cases = Object.entries(golden).flatMap(([model, byLoss]) =>
  Object.keys(byLoss).map((loss) => [model, loss] as const),
);

describe('of packed documents, those of PyTorch for documents computed apart', () => {
  it.each(cases)('%s, %s', (name, loss) => {
    const folder = fileURLToPath(new URL(FOLDERS[name] as string, goldens));
    const model = models.load(folder);
    model.ownParameters();
    const want = golden[name]?.[loss] as Golden;
    for (const checkpoint of [false, true]) {
      const { value, byPath } = gradients(loss, model, checkpoint);
      expect(Math.abs(value / want.value - 1)).toBeLessThan(1e-5);
      let compared = 0;
      for (const { name: tensor, parts } of layoutOf(model.config)) {
        const golden = want.gradients[tensor];
        if (!golden) continue;
        const own = parts.flatMap(({ path, shape }) => {
          const size = shape.reduce((product, n) => product * n, 1);
          return [...(byPath.get(path) ?? new Float32Array(size))];
        });
        const norm = Math.hypot(...own);
        const near = (a: number, b: number, of: number) =>
          expect(Math.abs(a - b), `${tensor}: ${a}, PyTorch ${b}`).toBeLessThanOrEqual(
            1e-3 * of + 1e-9,
          );
        near(norm, golden.norm, golden.norm);
        // Of a typical number, where a single one is next to nothing.
        const typical = golden.norm / Math.sqrt(own.length);
        golden.at.forEach((at, i) => {
          const value = golden.values[i] as number;
          near(own[at] as number, value, Math.max(Math.abs(value), typical));
        });
        compared++;
      }
      expect(compared).toBe(Object.keys(want.gradients).length);
    }
    model.dispose();
  });
});
