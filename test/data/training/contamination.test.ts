import { describe, expect, it } from 'vitest';
import { contamination, type Overlap, type TrainingText } from '../../../lib/data/index.js';
import { wordsOf } from '../../../lib/data/training/words.js';

const words = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => `w${from + i}`).join(' ');
const text = (id: string, content: string): TrainingText => ({ id, text: content });

async function overlaps(
  texts: readonly TrainingText[],
  problems: readonly { id: string; question: string }[],
  n?: number,
): Promise<Overlap[]> {
  const found: Overlap[] = [];
  const options = n === undefined ? {} : { n };
  for await (const overlap of contamination(texts, problems, options)) found.push(overlap);
  return found;
}

describe('contamination', () => {
  const problem = { id: 'p', question: words(0, 20) };

  it('finds thirteen words in a row and not twelve', async () => {
    const texts = [text('12', `x ${words(3, 12)} y`), text('13', `x ${words(3, 13)} y`)];
    expect(await overlaps(texts, [problem])).toEqual([
      { id: '13', problem: 'p', words: 13, share: 1 / 8, run: words(3, 13) },
    ]);
    expect(await overlaps(texts, [problem], 12)).toHaveLength(2);
  });

  it('says how long the longest run is and how much of the problem is there', async () => {
    const twice = text('a', `${words(0, 13)} gap ${words(4, 15)} gap ${words(4, 15)}`);
    const [found] = await overlaps([twice], [problem]);
    expect(found).toMatchObject({ words: 15, share: 4 / 8, run: words(4, 15) });
    expect((await overlaps([text('b', words(0, 20))], [problem]))[0]?.share).toBe(1);
  });

  it('compares words whatever their case, punctuation and markup', async () => {
    const question = 'Let $\\frac{1}{2} x = 3$, and find the Value of "x", please: what IS it?';
    const same = 'LET  \\frac{1}{2}*x=3 and find the value of x -- please. What is it';
    expect(wordsOf(same)).toEqual(wordsOf(question));
    expect(await overlaps([text('a', same)], [{ id: 'p', question }])).toHaveLength(1);
    expect(wordsOf('ﬁve Ⅻ ½')).toEqual(['five', 'xii', '1', '2']);
  });

  it('takes a short problem whole', async () => {
    const short = { id: 's', question: 'Compute 2 + 3.' };
    const texts = [text('yes', 'Now compute 2+3 here'), text('no', 'compute 2, then 3')];
    const found = await overlaps(texts, [short]);
    expect(found).toEqual([{ id: 'yes', problem: 's', words: 3, share: 1, run: 'compute 2 3' }]);
  });

  it('does not join turns of a conversation', async () => {
    const turns = (...contents: string[]): TrainingText => ({
      id: 'c',
      messages: contents.map((content) => ({ role: 'user', content })),
    });
    expect(await overlaps([turns(words(0, 10), words(10, 10))], [problem])).toEqual([]);
    expect(await overlaps([turns('hi', words(0, 20))], [problem])).toHaveLength(1);
  });

  it('agrees with comparing every run with every run', async () => {
    // Few words, so that runs meet often.
    let state = 1;
    const draw = (below: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 16) % below;
    };
    const some = (count: number) => Array.from({ length: count }, () => `v${draw(3)}`);
    const problems = Array.from({ length: 30 }, (_, i) => ({ id: i, words: some(1 + draw(9)) }));
    const rows = Array.from({ length: 60 }, (_, i) => ({ id: i, words: some(draw(14)) }));
    const n = 5;
    const runs = (list: readonly string[], length: number) =>
      Array.from({ length: Math.max(0, list.length - length + 1) }, (_, i) =>
        list.slice(i, i + length).join(' '),
      );
    const expected = rows.flatMap((row) =>
      problems.flatMap((p) => {
        const length = Math.min(n, p.words.length);
        const own = runs(p.words, length);
        const there = own.filter((run) => runs(row.words, length).includes(run)).length;
        return there > 0 ? [[`${row.id}`, `${p.id}`, there / own.length]] : [];
      }),
    );
    const found = await overlaps(
      rows.map((row) => text(`${row.id}`, row.words.join(' '))),
      problems.map((p) => ({ id: `${p.id}`, question: p.words.join(' ') })),
      n,
    );
    expect(expected.length).toBeGreaterThan(100);
    expect(found.map(({ id, problem: p, share }) => [id, p, share])).toEqual(expected);
  });

  it('refuses what makes no sense', async () => {
    await expect(overlaps([], [problem], 0)).rejects.toThrow(
      'n: expected a positive integer, got 0',
    );
    await expect(overlaps([], [])).rejects.toThrow('expected problems, got none');
  });
});
