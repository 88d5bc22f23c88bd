import { describe, expect, it } from 'vitest';
import { type CompletionRow, columnsOf, tableOf } from '../../lib/results/index.js';

const row: CompletionRow = {
  promptId: 'p0',
  sampleId: 0,
  answer: undefined,
  gold: '4',
  correct: false,
  reward: Number.NaN,
  tokens: 7,
  seconds: 0.25,
  promptSeconds: 0.5,
  stopReason: 'eos',
  model: 'm',
  seed: 0,
  task: 'gsm8k',
  level: undefined,
};

describe('tableOf', () => {
  it('keeps every field of every row', () => {
    const rows: CompletionRow[] = [
      row,
      { ...row, sampleId: 1, answer: '4', correct: true, reward: 0.75, level: 5 },
      { ...row, sampleId: 2, correct: 'undecided', seed: 2 ** 32 - 1 },
    ];
    expect(tableOf(rows).objects()).toEqual(rows);
  });

  it('refuses the same completion twice, and fields of another kind', () => {
    expect(() => tableOf([row, { ...row, promptId: 'p1' }, { ...row, tokens: 9 }])).toThrow(
      /rows 0 and 2 are the same completion: p0, sample 0 of m with seed 0/,
    );
    expect(() => tableOf([row, { ...row, sampleId: 1.5 }])).toThrow(/row 1 has sampleId = 1.5/);
    expect(() => tableOf([{ ...row, correct: 'yes' as never }])).toThrow(/row 0 has correct = yes/);
    expect(() => tableOf([{ ...row, answer: null as never }])).toThrow(/row 0 has answer = null/);
  });
});

describe('columnsOf', () => {
  it('gives the columns in the order of the rows, without what was filtered out', () => {
    const rows = [0, 1, 2, 3].map((sampleId) => ({ ...row, sampleId, tokens: 10 - sampleId }));
    const table = tableOf(rows);
    expect([...(columnsOf(table).tokens as Int32Array)]).toEqual([10, 9, 8, 7]);
    const part = table.filter('d => d.sampleId > 0').orderby('tokens');
    const { tokens, sampleId } = columnsOf(part);
    expect(Array.from(tokens)).toEqual([7, 8, 9]);
    expect(Array.from(sampleId)).toEqual([3, 2, 1]);
  });

  it('names the columns that are missing', () => {
    expect(() => columnsOf(tableOf([row]).select('model', 'task'))).toThrow(
      /lacks promptId, level/,
    );
  });
});
