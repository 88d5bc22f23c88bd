import { join } from 'node:path';
import { parquetWriteFile } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { loadChoices } from '../../lib/data/index.js';
import { fileWith, folderWith } from './temporary.js';

const lines = (...values: unknown[]) =>
  values.map((value) => `${JSON.stringify(value)}\n`).join('');

describe('loadChoices', () => {
  it('reads MMLU as JSON Lines, Parquet and the original CSV', async () => {
    const row = { question: 'What is\n"2 + 2", say? ', choices: ['3', '4', '5', '6'], answer: 1 };
    const jsonl = fileWith('test.jsonl', lines({ ...row, subject: 'sums' }));
    const want = { question: 'What is\n"2 + 2", say?', choices: row.choices, answer: 1 };
    expect(await loadChoices('mmlu', jsonl)).toEqual([
      { ...want, id: 'mmlu-sums-0', subject: 'sums' },
    ]);

    const parquet = join(folderWith(), 'test-00000-of-00001.parquet');
    parquetWriteFile({
      filename: parquet,
      columnData: [
        { name: 'question', data: [row.question], type: 'STRING' },
        { name: 'subject', data: ['sums'], type: 'STRING' },
        { name: 'choices', data: [row.choices], type: 'JSON' },
        { name: 'answer', data: [1n], type: 'INT64' },
      ],
    });
    expect(await loadChoices('mmlu', parquet)).toEqual(await loadChoices('mmlu', jsonl));

    const csv = fileWith(
      'high_school_sums_test.csv',
      '"What is\n""2 + 2"", say?",3,4,5,6,B\nAnd 1?,1,01,1.0,one,A\n',
    );
    expect(await loadChoices('mmlu', csv)).toEqual([
      { ...want, id: 'mmlu-high_school_sums-0', subject: 'high_school_sums' },
      expect.objectContaining({ choices: ['1', '01', '1.0', 'one'], answer: 0 }),
    ]);
  });

  it("reads ARC as AI2's JSON Lines and CSV, and Hugging Face's", async () => {
    const texts = ['dry palms', 'wet palms', 'cold palms'];
    const labels = ['A', 'B', 'C'];
    const want = { id: 'Mercury_1', question: 'Which skin?', choices: texts, answer: 1 };
    const choices = texts.map((text, i) => ({ text, label: labels[i] }));
    const ai2 = { id: 'Mercury_1', question: { stem: 'Which skin?', choices }, answerKey: 'B' };
    const face = {
      id: 'Mercury_1',
      question: 'Which skin?',
      choices: { text: texts, label: ['1', '2', '3'] },
      answerKey: '2',
    };
    const csv =
      'questionID,AnswerKey,question\n' +
      'Mercury_1,B,Which skin? (A) dry palms (B) wet palms (C) cold palms\n';
    const files = [
      fileWith('a.jsonl', lines(ai2)),
      fileWith('b.jsonl', lines(face)),
      fileWith('c.csv', csv),
    ];
    for (const file of files) expect(await loadChoices('arc-challenge', file)).toEqual([want]);
  });

  it('names the file and row that is not as published', async () => {
    const row = { question: 'q', choices: ['a', 'b', 'c', 'd'], answer: 1 };
    const load = (...values: unknown[]) =>
      loadChoices('mmlu', fileWith('x.jsonl', lines(...values)));
    await expect(load(row, { ...row, answer: 4 })).rejects.toThrow(
      /x\.jsonl: line 2: expected .*answer/,
    );
    await expect(load({ ...row, choices: ['a', 2] })).rejects.toThrow(/line 1: expected .*choices/);
    await expect(load([row])).rejects.toThrow(/line 1: expected an object/);
    await expect(load()).rejects.toThrow(/expected questions, found none/);
    const arc = fileWith(
      'y.jsonl',
      lines({ question: 'q', choices: { text: ['a', 'b'], label: ['A', 'B'] } }),
    );
    await expect(loadChoices('arc-challenge', arc)).rejects.toThrow(/line 1: .*answerKey/);
    await expect(loadChoices('mmlu', '/no/x.csv')).rejects.toThrow(/no such file/);
    await expect(loadChoices('mmlu', fileWith('x.parquet', 'PAR'))).rejects.toThrow(
      /a Parquet file/,
    );
    await expect(loadChoices('mmlu', 'x.txt')).rejects.toThrow(/\.jsonl, \.csv or \.parquet/);
    await expect(loadChoices('gpqa' as never, 'x.csv')).rejects.toThrow(/mmlu or arc-challenge/);
  });
});
