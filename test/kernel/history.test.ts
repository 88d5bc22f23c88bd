import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { History, historyFolder } from '../../kernel/server/history.js';

describe('the history', () => {
  let folder: string;
  const warnings: string[] = [];
  const open = (): History => new History(folder, (text) => warnings.push(text));
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'mambalab-history-')), 'history');
    warnings.length = 0;
  });
  afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }));

  const sessionOf = (cells: string[]): History => {
    const history = open();
    cells.forEach((cell, i) => {
      history.add(i + 1, cell);
      history.output(i + 1, `out ${cell}`);
    });
    return history;
  };

  it('outlives the kernel: tail, range and search reach earlier sessions', () => {
    sessionOf(['a', 'b', 'c']);
    const second = sessionOf(['b', 'd']);
    expect(second.answer({ hist_access_type: 'tail', n: 3 })).toEqual([
      [1, 3, 'c'],
      [2, 1, 'b'],
      [2, 2, 'd'],
    ]);
    expect(second.answer({ hist_access_type: 'range', session: 1, start: 2, stop: 4 })).toEqual([
      [1, 2, 'b'],
      [1, 3, 'c'],
    ]);
    expect(second.answer({ hist_access_type: 'range', session: -1, start: 1, stop: 2 })).toEqual([
      [1, 1, 'a'],
    ]);
    expect(
      second.answer({ hist_access_type: 'range', session: 0, start: 1, stop: 2, output: true }),
    ).toEqual([[2, 1, ['b', 'out b']]]);
    expect(second.answer({ hist_access_type: 'search', pattern: 'b' })).toEqual([
      [1, 2, 'b'],
      [2, 1, 'b'],
    ]);
    expect(second.answer({ hist_access_type: 'search', pattern: 'b', unique: true })).toEqual([
      [2, 1, 'b'],
    ]);
    expect(second.answer({ hist_access_type: 'search', pattern: '?', n: 1 })).toEqual([
      [2, 2, 'd'],
    ]);
  });

  it('gives kernels that run at the same time sessions of their own', () => {
    const [first, second] = [open(), open()];
    first.add(1, 'one');
    second.add(1, 'two');
    expect(first.answer({ hist_access_type: 'tail', n: 1 })).toEqual([[1, 1, 'one']]);
    expect(second.answer({ hist_access_type: 'tail', n: 1 })).toEqual([[2, 1, 'two']]);
  });

  it('is readable by its owner only, and leaves nothing where nothing ran', () => {
    open();
    expect(() => readdirSync(folder)).toThrow('ENOENT');
    sessionOf(['a']);
    const mode = statSync(join(folder, '000001.jsonl')).mode & 0o777;
    if (process.platform !== 'win32') expect(mode).toBe(0o600);
  });

  it('survives a half-written line, and a folder that cannot be made', () => {
    sessionOf(['a']);
    writeFileSync(join(folder, '000001.jsonl'), '{"line":1,"input":"a"}\n{"line":2,"inp');
    expect(sessionOf(['z']).answer({ hist_access_type: 'tail', n: 5 })).toEqual([
      [1, 1, 'a'],
      [2, 1, 'z'],
    ]);
    const file = join(folder, '..', 'file');
    writeFileSync(file, '');
    const history = new History(join(file, 'history'), (text) => warnings.push(text));
    history.add(1, 'still here');
    expect(warnings[0]).toContain('the history is not kept');
    expect(history.answer({ hist_access_type: 'tail', n: 1 })).toEqual([[1, 1, 'still here']]);
  });

  it('goes where the cache is, or nowhere', () => {
    expect(historyFolder({ MAMBALAB_CACHE: folder })).toBe(join(folder, 'history'));
    expect(historyFolder({ MAMBALAB_CACHE: folder, MAMBALAB_HISTORY: 'off' })).toBeNull();
    expect(historyFolder({ XDG_CACHE_HOME: '/c' }, 'linux')).toBe(
      join('/c', 'mambalab', 'history'),
    );
  });
});
