/** A mixer layer of one's own (gated-recurrence.ts) in a plain tf.sequential, trained to recall. */
import * as tf from '@tensorflow/tfjs';
import { init } from 'mambalab/backend';
import { formatPercent } from 'mambalab/plots';
import { GatedRecurrence } from './gated-recurrence.js';
import { options } from './options.js';
import { recallBatch } from './recall.js';

const { steps, rows, length, symbols, units, seed } = options({
  steps: 80,
  rows: 32,
  length: 16,
  symbols: 8,
  units: 32,
  seed: 1,
});

init();
const start = (which: number) => tf.initializers.glorotUniform({ seed: 10 * seed + which });
const vocabulary = { inputDim: 2 * symbols, inputLength: length };
const model = tf.sequential({
  layers: [
    tf.layers.embedding({ ...vocabulary, outputDim: units, embeddingsInitializer: start(0) }),
    new GatedRecurrence({ units, seed }),
    tf.layers.dense({ units: symbols, activation: 'softmax', kernelInitializer: start(1) }),
  ],
});
model.compile({
  optimizer: tf.train.adam(0.01),
  loss: 'sparseCategoricalCrossentropy',
});

console.log(
  `chance: loss ${Math.log(symbols).toPrecision(3)}, right ${formatPercent(1 / symbols)}`,
);
for (let step = 1; step <= steps; step++) {
  const { tokens, targets } = recallBatch({ rows, length, symbols, seed: seed * 1e6 + step });
  const loss = (await model.trainOnBatch(tokens, targets)) as number;
  if (step === 1 || step % 10 === 0) console.log(`step ${step}: loss ${loss.toPrecision(3)}`);
  tf.dispose([tokens, targets]);
}

// Rows that no step has seen.
const { tokens, targets } = recallBatch({ rows: 256, length, symbols, seed: seed * 1e6 });
const right = tf.tidy(() => {
  const said = tf.argMax(model.predict(tokens) as tf.Tensor, -1);
  return tf.mean(tf.cast(tf.equal(said, tf.squeeze(targets, [2])), 'float32')).dataSync()[0];
});
console.log(`right on new rows: ${formatPercent(right as number)}`);
