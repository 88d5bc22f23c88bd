import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { resolveModel } from '../../lib/models/resolve.js';
import { folderWith } from '../data/temporary.js';

describe('resolveModel', () => {
  let cache = '';
  const put = (model: string, ...files: string[]): string => {
    const folder = join(cache, 'models', model);
    mkdirSync(folder, { recursive: true });
    for (const file of files) writeFileSync(join(folder, file), '{}');
    return folder;
  };
  beforeEach(() => {
    cache = folderWith();
    vi.stubEnv('MAMBALAB_CACHE', cache);
  });
  afterEach(() => vi.unstubAllEnvs());

  it('finds the file or the folder of a name in the cache', () => {
    const one = put('one', 'weights.gguf', 'notes.txt');
    expect(resolveModel('one')).toBe(join(one, 'weights.gguf'));
    const two = put('two', 'config.json', 'tokenizer.gguf');
    expect(resolveModel('two')).toBe(two);
  });

  it('takes files and folders by their path', () => {
    const folder = folderWith({ 'a.gguf': '' });
    expect(resolveModel(join(folder, 'a.gguf'))).toBe(join(folder, 'a.gguf'));
    expect(resolveModel(folder)).toBe(join(folder, 'a.gguf'));
  });

  it('says what it looked for and what is there', () => {
    expect(() => resolveModel('one')).toThrow(/model one: not in the cache .*has no models yet/);
    put('two', 'a.gguf', 'b.gguf');
    expect(() => resolveModel('one')).toThrow(/it has two\).*npm run setup/);
    expect(() => resolveModel('two')).toThrow(
      /one \.gguf file, found 2 GGUF files: a\.gguf, b\.gguf/,
    );
    put('three');
    expect(() => resolveModel('three')).toThrow(/found neither/);
    expect(() => resolveModel('../two')).toThrow(/found no such path/);
    expect(() => resolveModel('')).toThrow(/expected a name or a path/);
  });
});
