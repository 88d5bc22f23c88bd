/** What the rows of published data sets hold, as texts to train on. */
import { CheckpointError, show } from '../../models/files/errors.js';
import { isObject } from '../../models/files/json.js';
import type { ChatMessage } from '../chat-template.js';
import { goldAnswer, textFields } from '../problem.js';
import { solvedMessages } from '../prompts.js';
import type { Row } from './row.js';

/** A conversation or a plain text, with where it comes from. */
export type TrainingText = { readonly id: string } & TextContent;

/** What a model reads: a conversation by its chat template, or a text as it is. */
export type TextContent = { readonly messages: readonly ChatMessage[] } | { readonly text: string };

/** How rows of a kind are read. */
export interface RowFormat {
  /**
   * The columns that are needed, chosen from those that a file has.
   *
   * @throws CheckpointError naming the file and the columns that it lacks.
   */
  columns(path: string, names: readonly string[]): readonly string[];
  /** @throws CheckpointError naming the file, the row and the field that is not there or wrong. */
  content(path: string, where: string, row: unknown): TextContent;
}

function format<K extends string>(
  keys: readonly K[],
  content: (fields: Record<K, string>, path: string, where: string) => TextContent,
): RowFormat {
  return {
    columns(path, names) {
      const missing = keys.filter((key) => !names.includes(key));
      if (missing.length === 0) return keys;
      throw new CheckpointError(path, 'columns', keys.join(', '), names.join(', '));
    },
    content: (path, where, row) => content(textFields(path, where, row, keys), path, where),
  };
}

const asked = (prompt: string, answer: string): TextContent => ({
  messages: [
    { role: 'user', content: prompt },
    { role: 'assistant', content: answer },
  ],
});

/** ShareGPT's names of those who speak. */
const speakers: Readonly<Record<string, string>> = {
  system: 'system',
  human: 'user',
  user: 'user',
  gpt: 'assistant',
  assistant: 'assistant',
};

const conversations: RowFormat = {
  columns: format(['conversations'], () => ({ text: '' })).columns,
  content(path, where, row) {
    const turns = isObject(row) ? row.conversations : undefined;
    const expected = `conversations of turns with from (${Object.keys(speakers).join(', ')}) and value`;
    if (!Array.isArray(turns) || turns.length === 0) {
      throw new CheckpointError(path, where, expected, show(turns));
    }
    const messages = turns.map((turn: unknown) => {
      const { from, value } = isObject(turn) ? turn : {};
      const role =
        typeof from === 'string' && Object.hasOwn(speakers, from) ? speakers[from] : undefined;
      if (role === undefined || typeof value !== 'string') {
        throw new CheckpointError(path, where, expected, show(turn));
      }
      return { role, content: value };
    });
    return { messages };
  },
};

const formats = {
  'openmathinstruct-2': format(['problem', 'generated_solution'], (row) =>
    asked(row.problem, row.generated_solution),
  ),
  'finemath-4plus': format(['text'], ({ text }) => ({ text })),
  'openhermes-2.5': conversations,
  gsm8k: format(['question', 'answer'], ({ question, answer: solution }, path, where) => {
    const problem = { id: '', question, solution, answer: goldAnswer(path, where, solution) };
    return { messages: solvedMessages(problem, { style: 'question', answers: 'gsm8k' }) };
  }),
  math: format(['problem', 'solution'], (row) => asked(row.problem, row.solution)),
} satisfies Record<string, RowFormat>;

/** A published data set whose rows are known. */
export type DatasetName = keyof typeof formats;

/** Every name of a data set. */
export const datasetNames = Object.keys(formats) as readonly DatasetName[];

const expectedOfRows = 'messages, prompt and answer, or text';

/** Rows of no data set in particular: `messages`, or `prompt` and `answer`, or `text`. */
const generic: RowFormat = {
  columns(path, names) {
    const known = ['messages', 'prompt', 'answer', 'text'].filter((name) => names.includes(name));
    if (known.length > 0) return known;
    throw new CheckpointError(path, 'columns', expectedOfRows, names.join(', '));
  },
  content(path, where, row) {
    const { messages, prompt, answer, text } = isObject(row) ? row : {};
    if (Array.isArray(messages)) {
      for (const message of messages as unknown[]) {
        const { role, content } = isObject(message) ? message : {};
        if (typeof role !== 'string' || typeof content !== 'string') {
          throw new CheckpointError(path, where, 'messages with role and content', show(message));
        }
      }
      if (messages.length > 0) return { messages: messages as ChatMessage[] };
    }
    if (typeof prompt === 'string' && typeof answer === 'string') return asked(prompt, answer);
    if (typeof text === 'string') return { text };
    throw new CheckpointError(path, where, expectedOfRows, show(row));
  },
};

/**
 * How the rows of a data set are read, or of any file.
 *
 * @throws RangeError where there is no such data set.
 */
export function formatOf(dataset: DatasetName | undefined): RowFormat {
  if (dataset === undefined) return generic;
  if (Object.hasOwn(formats, dataset)) return formats[dataset];
  throw new RangeError(`there is no data set '${dataset}'; there are ${datasetNames.join(', ')}`);
}

/** The text of a row. */
export async function textOfRow(row: Row, { content }: RowFormat): Promise<TrainingText> {
  const { file, number, unit } = row;
  return { id: `${file}:${number}`, ...content(file, `${unit} ${number}`, await row.read()) };
}
