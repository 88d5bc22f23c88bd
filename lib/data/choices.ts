/** Multiple-choice benchmarks: MMLU and ARC-Challenge, from the files that are published. */
import { readFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { fromCSV } from 'arquero';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { CheckpointError, show } from '../models/files/errors.js';
import { isObject, type JsonObject } from '../models/files/json.js';
import { reason } from '../models/files/source.js';
import { readJsonl } from './jsonl.js';

/** A question with choices, one of them right. */
export interface ChoiceQuestion {
  /** Unique within its file. */
  readonly id: string;
  readonly question: string;
  readonly choices: readonly string[];
  /** The index of the right one. */
  readonly answer: number;
  /** What it is about, where the file says so: `abstract_algebra`. */
  readonly subject?: string;
}

/** The benchmarks that {@link loadChoices} reads. */
export type ChoiceTask = 'mmlu' | 'arc-challenge';

/** A row of a file, and where it stands. */
interface Row {
  readonly value: unknown;
  readonly where: string;
}

/**
 * Loads the questions of a multiple-choice benchmark. The files are the published ones:
 *
 * - MMLU (Hendrycks et al. 2021): Hugging Face's Parquet or JSON Lines (`question`, `subject`, `choices`,
 *   `answer`), or the original CSV files without a header, one for a subject (`anatomy_test.csv`).
 * - ARC-Challenge (Clark et al. 2018): AI2's JSON Lines (`question.stem`) or CSV, or Hugging Face's
 *   Parquet or JSON Lines (`choices.text`).
 *
 * @throws CheckpointError naming the file and row that is not as published; RangeError for another task
 *   or a file of another kind.
 */
export async function loadChoices(task: ChoiceTask, path: string): Promise<ChoiceQuestion[]> {
  const read = { mmlu: mmluQuestion, 'arc-challenge': arcQuestion }[task];
  if (read === undefined) {
    throw new RangeError(`loadChoices: expected mmlu or arc-challenge, got ${show(task)}`);
  }
  const questions: ChoiceQuestion[] = [];
  for (const { value, where } of await rowsOf(task, path)) {
    const fail = (expected: string): never => {
      throw new CheckpointError(path, where, expected, show(value));
    };
    if (!isObject(value)) fail('an object');
    questions.push(read(value as JsonObject, questions.length, fail, path));
  }
  if (questions.length === 0) throw new CheckpointError(path, 'file', 'questions', 'none');
  return questions;
}

async function rowsOf(task: ChoiceTask, path: string): Promise<Row[]> {
  switch (extname(path).toLowerCase()) {
    case '.jsonl':
      return Array.from(readJsonl(path), ({ value, line }) => ({ value, where: `line ${line}` }));
    case '.csv':
      return csvRows(path, task === 'arc-challenge');
    case '.parquet':
      return parquetRows(path);
    default:
      throw new RangeError(`loadChoices: expected a .jsonl, .csv or .parquet file, got ${path}`);
  }
}

async function parquetRows(path: string): Promise<Row[]> {
  try {
    const file = await asyncBufferFromFile(path);
    const rows = await parquetReadObjects({ file, compressors });
    return rows.map((value, i) => ({ value, where: `row ${i}` }));
  } catch (error) {
    throw new CheckpointError(path, 'file', 'a Parquet file', reason(error));
  }
}

/** Rows by column name; MMLU's files have no header, only columns in a fixed order. */
function csvRows(path: string, header: boolean): Row[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CheckpointError(path, 'file', 'a readable file', reason(error));
  }
  const names = { names: ['question', 'A', 'B', 'C', 'D', 'answer'] };
  const table = fromCSV(text, { header, autoType: false, ...(header ? {} : names) });
  return table.objects().map((value, i) => ({ value, where: `row ${i}` }));
}

type Fail = (expected: string) => never;

const LETTERS = ['A', 'B', 'C', 'D'];

function mmluQuestion(row: JsonObject, index: number, fail: Fail, path: string): ChoiceQuestion {
  const subject =
    typeof row.subject === 'string'
      ? row.subject
      : basename(path).replace(/_(?:test|dev|val)?\.\w+$/, '');
  const choices = Array.isArray(row.choices) ? row.choices : LETTERS.map((letter) => row[letter]);
  const { question } = row;
  const right = Number(row.answer);
  const answer = typeof row.answer === 'string' ? LETTERS.indexOf(row.answer.trim()) : right;
  if (typeof question !== 'string' || !areTexts(choices) || choices[answer] === undefined) {
    fail('question, four choices and the answer (0 to 3, or A to D)');
  }
  return {
    id: `mmlu-${subject}-${index}`,
    question: (question as string).trim(),
    choices: choices as string[],
    answer,
    subject,
  };
}

function arcQuestion(row: JsonObject, index: number, fail: Fail): ChoiceQuestion {
  const { labels, texts, stem } = arcParts(row);
  const key = String(row.answerKey ?? row.AnswerKey ?? '').trim();
  let answer = labels.indexOf(key);
  // Some questions are numbered 1 to 4 in one of the two places and lettered in the other.
  if (answer < 0) answer = LETTERS.indexOf(key) >= 0 ? LETTERS.indexOf(key) : Number(key) - 1;
  if (typeof stem !== 'string' || !areTexts(texts) || texts[answer] === undefined) {
    fail('a question, its choices with labels, and the label of the right one (answerKey)');
  }
  const id = row.id ?? row.questionID;
  return {
    id: typeof id === 'string' ? id : `arc-${index}`,
    question: (stem as string).trim(),
    choices: texts as string[],
    answer,
  };
}

function arcParts(row: JsonObject): { stem: unknown; texts: unknown[]; labels: unknown[] } {
  const { question, choices } = row;
  if (isObject(question)) {
    const list = (Array.isArray(question.choices) ? question.choices : []).filter(isObject);
    return {
      stem: question.stem,
      texts: list.map(({ text }) => text),
      labels: list.map(({ label }) => label),
    };
  }
  if (isObject(choices)) {
    const { text, label } = choices;
    return {
      stem: question,
      texts: Array.isArray(text) ? text : [],
      labels: Array.isArray(label) ? label : [],
    };
  }
  // AI2's CSV has the choices in the question: "Which one? (A) this (B) that".
  const [stem, ...parts] = String(question ?? '').split(/\s*\(([A-E1-5])\)\s*/);
  return {
    stem,
    labels: parts.filter((_, i) => i % 2 === 0),
    texts: parts.filter((_, i) => i % 2 === 1).map((text) => text.trim()),
  };
}

function areTexts(values: readonly unknown[]): boolean {
  return values.length >= 2 && values.every((value) => typeof value === 'string' && value !== '');
}
