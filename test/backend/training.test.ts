/** Models of tf.layers train on `native` as they do on tfjs' own CPU backend. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';

beforeAll(() => {
  backend.init({ threads: 2 });
});

/** Images whose class is the half that is brighter. */
function data(count: number): { x: tf.Tensor4D; y: tf.Tensor2D } {
  const x = tf.randomUniform([count, 8, 8, 1], 0, 1, 'float32', 5) as tf.Tensor4D;
  const [top, bottom] = tf.split(x, 2, 1) as [tf.Tensor, tf.Tensor];
  const label = tf.greater(tf.sum(top, [1, 2, 3]), tf.sum(bottom, [1, 2, 3]));
  return { x, y: tf.oneHot(tf.cast(label, 'int32'), 2, 1, 0, 'float32') as tf.Tensor2D };
}

function convolutional(): tf.Sequential {
  const init = (seed: number) => tf.initializers.glorotUniform({ seed });
  return tf.sequential({
    layers: [
      tf.layers.conv2d({
        inputShape: [8, 8, 1],
        filters: 4,
        kernelSize: 3,
        activation: 'relu',
        kernelInitializer: init(1),
      }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 2, activation: 'softmax', kernelInitializer: init(2) }),
    ],
  });
}

function dense(): tf.Sequential {
  const init = (seed: number) => tf.initializers.glorotUniform({ seed });
  return tf.sequential({
    layers: [
      tf.layers.flatten({ inputShape: [8, 8, 1] }),
      tf.layers.dense({ units: 16, activation: 'tanh', kernelInitializer: init(3) }),
      tf.layers.layerNormalization(),
      tf.layers.dense({ units: 2, activation: 'softmax', kernelInitializer: init(4) }),
    ],
  });
}

async function losses(backendName: string, build: () => tf.Sequential): Promise<number[]> {
  await tf.setBackend(backendName);
  const { x, y } = tf.tidy(() => data(64));
  const model = build();
  const optimizer = tf.train.adam(0.02);
  model.compile({ optimizer, loss: 'categoricalCrossentropy' });
  const history = await model.fit(x, y, { epochs: 6, batchSize: 16, shuffle: false, verbose: 0 });
  tf.dispose([x, y]);
  model.dispose();
  optimizer.dispose();
  return history.history.loss as number[];
}

for (const [name, build] of Object.entries({ dense, convolutional })) {
  it(`${name}: the same falling losses`, async () => {
    const native = await losses('native', build);
    const cpu = await losses('cpu', build);
    await tf.setBackend('native');
    expect(native.at(-1)).toBeLessThan((native[0] as number) * 0.8);
    native.forEach((loss, i) => {
      expect(loss).toBeCloseTo(cpu[i] as number, 3);
    });
  });
}

it('training leaves no tensors behind', async () => {
  await losses('native', dense);
  const { tensors, buffers } = backend.memory();
  await losses('native', dense);
  expect(backend.memory()).toMatchObject({ tensors, buffers });
});
