import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadTokenizer, miniProblems } from '../../lib/data/index.js';
import {
  conversationDocument,
  packed,
  rewardDocuments,
  type TokenDocument,
} from '../../lib/distill/index.js';

const tokenizer = loadTokenizer(
  fileURLToPath(new URL('../../data/mini/tokenizer', import.meta.url)),
);
const text = (ids: readonly number[]) => tokenizer.decode(ids);

const document = (id: number, length: number): TokenDocument => ({
  id: `d${id}`,
  tokens: Array.from({ length }, (_, i) => 10 * id + i),
  labels: Array.from({ length }, (_, i) => 10 * id + i + 1),
  mask: Array.from({ length }, (_, i) => Number(i < length - 1)),
});
const documents = [3, 5, 2, 4, 4].map((length, id) => document(id + 1, length));

describe('packed', () => {
  it('gives whole documents, each once an epoch, with resets where they start', async () => {
    const source = packed(documents, { length: 9, batch: 1, seed: 3 });
    const seen: string[] = [];
    const epochs = () => source.position().epoch;
    while (epochs() < 2) {
      const { tokens, labels, mask, resets, ids = [] } = await source.next();
      const starts = [...resets.keys()].filter((i) => resets[i]);
      ids.forEach((id, n) => {
        const { tokens: own } = documents.find((d) => d.id === id) as TokenDocument;
        const at = starts[n] as number;
        expect([...tokens.subarray(at, at + own.length)]).toEqual(own);
        expect(mask[at + own.length - 1]).toBe(0);
      });
      for (let i = 0; i < tokens.length; i++) {
        if (mask[i]) expect(labels[i]).toBe((tokens[i] as number) + 1);
      }
      seen.push(...ids);
    }
    const epoch = seen.slice(0, 5);
    expect([...epoch].sort()).toEqual(['d1', 'd2', 'd3', 'd4', 'd5']);
    expect(seen.slice(5, 10)).not.toEqual(epoch);
  });

  it('goes on from a position', async () => {
    const make = () => packed(documents, { length: 9, batch: 2, seed: 3 });
    const [a, b] = [make(), make()];
    for (let i = 0; i < 3; i++) await a.next();
    await b.seek(JSON.parse(JSON.stringify(a.position())));
    for (let i = 0; i < 5; i++) expect(await b.next()).toEqual(await a.next());
  });

  it('names a document that no row holds', () => {
    expect(() => packed(documents, { length: 4, batch: 1 })).toThrow(
      '1 documents are longer than a row of 4 tokens, such as d2 of 5',
    );
    expect(() => packed([], { length: 4, batch: 1 })).toThrow('got none');
  });
});

it('conversationDocument counts the answer and its end', () => {
  const messages = [
    { role: 'user', content: 'What is 2 + 3?' },
    { role: 'assistant', content: '2 + 3 = 5' },
  ];
  const { tokens, labels, mask } = conversationDocument(tokenizer, 'x', messages, 'answer');
  expect(text(labels.filter((_, i) => mask[i]))).toBe('2 + 3 = 5<|end|>');
  expect(labels.slice(0, -1)).toEqual(tokens.slice(1));
  expect(mask.at(-1)).toBe(0);
  const all = conversationDocument(tokenizer, 'x', messages, 'all');
  expect(all.mask.filter((m) => m).length).toBe(tokens.length - 1);
});

describe('rewardDocuments', () => {
  const [problem] = miniProblems({
    family: 'stories',
    split: 'train',
    seed: 1,
    count: 1,
    level: 3,
  });
  const { question, solution: completion } = problem as { question: string; solution: string };
  const steps = completion.split('\n\n').length;

  it('asks for a label after each step, of what reads + after every step', () => {
    const labels = Array.from({ length: steps }, (_, i) => i < 2);
    const [made] = rewardDocuments(tokenizer, [{ question, completion, labels }]);
    const { tokens, labels: targets, mask } = made as TokenDocument;
    const counted = targets.filter((_, i) => mask[i]);
    expect(text(counted)).toBe(labels.map((right) => (right ? '+' : '-')).join(''));
    const ends = [...mask.keys()].filter((i) => mask[i]);
    for (const end of ends) expect(text([tokens[end] as number])).toBe('<|assistant|>');
    const plus = tokenizer.tokenToId('+') as number;
    for (const end of ends.slice(0, -1)) expect(tokens[end + 1]).toBe(plus);
    expect(text(tokens).startsWith(`<|user|>${question}`)).toBe(true);
  });

  it('names a solution whose labels are too few', () => {
    const few = [{ question, completion, labels: [true] }];
    expect(() => rewardDocuments(tokenizer, few)).toThrow(
      `solution 0 has ${steps} steps and 1 labels`,
    );
  });
});
