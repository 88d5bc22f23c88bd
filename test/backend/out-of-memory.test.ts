/** After an allocation that failed: nothing of what was half made is left, and the process goes on. */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { ModelState } from '../../lib/layers/index.js';
import * as models from '../../lib/models/index.js';
import { folderWith } from '../data/temporary.js';
import { makers } from '../models/students.js';
import { tokensOf } from '../models/tiny.js';
import { held, outOfMemory, withFailing } from './failing-allocations.js';

beforeAll(() => void backend.init({ threads: 2 }));

/** Has each allocation of `body` fail in turn, all of them or about 40. */
async function expectNothingLeft(body: () => void): Promise<void> {
  const { counted } = await withFailing({ at: Number.POSITIVE_INFINITY }, body);
  expect(counted).toBeGreaterThan(0);
  const before = held();
  for (let at = 0; at < counted; at += Math.ceil(counted / 40)) {
    await withFailing({ at }, () => outOfMemory(body));
    expect({ at, ...held() }).toEqual({ at, ...before });
  }
  body();
  expect(held()).toEqual(before);
}

describe.each(Object.keys(makers))('a %s', (kind) => {
  const make = makers[kind] as (changes?: object) => models.Model;
  let model: models.Model;
  beforeAll(() => {
    model = make();
    // Tables of angles are made at the first use, and stay.
    model.forward(tf.tensor2d([tokensOf(1, 8)], [1, 8], 'int32')).dispose();
  });
  afterAll(() => model.dispose());

  it('is made wholly or not at all', () => expectNothingLeft(() => make().dispose()));

  it('is loaded wholly or not at all', async () => {
    const folder = `${folderWith()}/model`;
    models.save(model, folder);
    await expectNothingLeft(() => models.load(folder, { precision: 'bf16' }).dispose());
  });

  it('is captured wholly or not at all', async () => {
    const tokens = tf.tensor2d([tokensOf(2, 8)], [1, 8], 'int32');
    await expectNothingLeft(() => {
      const forward = backend.capture((ids) => model.forward(ids));
      try {
        forward(tokens).dispose();
      } finally {
        forward.dispose();
      }
    });
    tokens.dispose();
  });

  it('goes on from a state that could not grow, be copied or joined', async () => {
    const tokens = tf.tensor2d([tokensOf(3, 6), tokensOf(4, 6)], [2, 6], 'int32');
    const state = model.newState(2, 8);
    const copy = state.clone();
    tf.tidy(() => [model.extend(tokens, state), model.extend(tokens, copy)]);
    const before = held();
    for (const act of [
      () => state.clone(),
      () => ModelState.concat([state, copy]),
      () => model.newState(3, 20),
    ]) {
      await expectNothingLeft(() => act().dispose());
    }
    expect(held()).toEqual(before);
    for (const at of [0, 1, 3]) {
      await withFailing({ at }, () => {
        try {
          state.reserve(16 + at);
        } catch (error) {
          expect(backend.isOutOfMemory(error)).toBe(true);
        }
      });
    }
    const [got, want] = [state, copy].map((s) => tf.tidy(() => model.step([5, 6], s).dataSync()));
    expect(got).toEqual(want);
    state.dispose();
    copy.dispose();
    tokens.dispose();
  });
});
