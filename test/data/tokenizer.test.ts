import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../lib/data/index.js';
import { CheckpointError } from '../../lib/models/files/errors.js';
import { ggufFile, type TestPair, text, uint32 } from '../models/files/gguf-bytes.js';
import {
  tinyTokenizerGguf,
  tinyTokenizerJson,
  tinyTokenizerPairs,
} from '../models/files/tiny-files.js';
import { fileWith, folderWith } from './temporary.js';

const template = '{% for m in messages %}<s>{{ m.role }}: {{ m.content }}{% endfor %}';

/** A Hugging Face folder with the tiny tokenizer, its parts changed. */
function folder(tokenizer: object = {}, config: object = {}): string {
  return folderWith({
    'config.json': '{"eos_token_id": 1}',
    'tokenizer.json': JSON.stringify({ ...tinyTokenizerJson(), ...tokenizer }),
    'tokenizer_config.json': JSON.stringify({
      bos_token: '<s>',
      eos_token: { content: '</s>' },
      chat_template: template,
      clean_up_tokenization_spaces: true,
      ...config,
    }),
  });
}

const model = (change: object) => ({
  model: { ...(tinyTokenizerJson().model as object), ...change },
});

/** The tiny tokenizer in a GGUF file, its metadata changed. */
function gguf(...changed: TestPair[]): string {
  const keys = new Set(changed.map(({ key }) => key));
  const pairs = [...tinyTokenizerPairs().filter(({ key }) => !keys.has(key)), ...changed];
  return fileWith('t.gguf', ggufFile(pairs, [], 0));
}

describe('loadTokenizer', () => {
  it('reads the same tokenizer from a folder and from a GGUF file', () => {
    const fromFolder = loadTokenizer(folder());
    const fromGguf = loadTokenizer({ ref: fileWith('t.gguf', tinyTokenizerGguf()) });
    const line = "hello, Hello 42!<s>it's\né</s>";
    const tokens = [
      'he',
      'llo',
      ',',
      'Ġ',
      'H',
      'e',
      'llo',
      'Ġ',
      '4',
      '2',
      '!',
      '<s>',
      'i',
      't',
      "'",
      's',
      'Ċ',
      'Ã',
      '©',
      '</s>',
    ];
    for (const tokenizer of [fromFolder, fromGguf]) {
      const ids = tokenizer.encode(line);
      expect(ids.map((id) => tokenizer.idToToken(id))).toEqual(tokens);
      expect(tokenizer.decode(ids)).toBe(line);
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe("hello, Hello 42!it's\né");
      expect(tokenizer).toMatchObject({ vocabSize: 24, bosId: 0, eosIds: [1], padId: undefined });
      expect([tokenizer.tokenToId('llo'), tokenizer.tokenToId('nope')]).toEqual([21, undefined]);
      expect([tokenizer.isSpecial(1), tokenizer.isSpecial(2)]).toEqual([true, false]);
    }
  });

  it('keeps spaces before punctuation, whatever the configuration asks for', () => {
    const tokenizer = loadTokenizer(folder());
    expect(tokenizer.decode(tokenizer.encode("hello , it 's !"))).toBe("hello , it 's !");
  });

  it('adds the beginning token where the file says so', () => {
    const asks = {
      key: 'tokenizer.ggml.add_bos_token',
      type: 7,
      write: (to: Parameters<TestPair['write']>[0]) => to.u8(1),
    };
    const tokenizer = loadTokenizer(gguf(asks));
    expect(tokenizer.encode('he')).toEqual([0, 20]);
    expect(tokenizer.encode('he', { addSpecialTokens: false })).toEqual([20]);
  });

  it('decodes an empty list, and names the position of an id that is no token', () => {
    const tokenizer = loadTokenizer(folder());
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.encode('')).toEqual([]);
    expect(() => tokenizer.decode([2, 24])).toThrow(
      /ids\[1\]: expected a token id from 0 to 23, got 24/,
    );
    expect(() => tokenizer.decode([-1])).toThrow(RangeError);
    expect(() => tokenizer.decode([0.5])).toThrow(RangeError);
    expect(() => tokenizer.createDecoder().push(99)).toThrow(/push: expected a token id .* got 99/);
    expect(() => tokenizer.encode(7 as unknown as string)).toThrow(
      /text: expected a string, got number/,
    );
  });

  it('streams a character once all its bytes are there', () => {
    const tokenizer = loadTokenizer(folder());
    const decoder = tokenizer.createDecoder();
    const [first, second] = tokenizer.encode('é');
    expect([decoder.push(first as number), decoder.push(second as number)]).toEqual(['', 'é']);
    expect([decoder.push(first as number), decoder.flush()]).toEqual(['', '\ufffd']);
    expect([decoder.push(second as number), decoder.flush()]).toEqual(['\ufffd', '']);
  });

  it.each<[string, object, RegExp]>([
    [
      'a Unigram model',
      model({ type: 'Unigram' }),
      /"model\.type": expected "BPE", found "Unigram"/,
    ],
    ['no vocabulary', model({ vocab: null }), /"model\.vocab": expected an object/],
    ['a negative id', model({ vocab: { a: -1 } }), /"model\.vocab" at "a": expected an id from 0/],
    ['an id twice', model({ vocab: { a: 0, b: 0 }, merges: [] }), /an id that "a" does not have/],
    [
      'a merge of unknown tokens',
      model({ merges: ['l q'] }),
      /"model\.merges\[0\]": expected "q" in the vocabulary/,
    ],
    ['a merge that is no pair', model({ merges: ['l'] }), /two tokens/],
    ['an added token without text', { added_tokens: [{ id: 0 }] }, /"added_tokens\[0\]"/],
    [
      'another decoder',
      { decoder: { type: 'WordPiece' } },
      /"decoder": expected a byte-level decoder/,
    ],
    [
      'an unknown pre-tokenizer',
      { pre_tokenizer: { type: 'Nope' } },
      /parts that are known, found .*Nope/,
    ],
  ])('refuses a tokenizer.json with %s', (_, tokenizer, message) => {
    const path = folder(tokenizer);
    expect(() => loadTokenizer(path)).toThrow(CheckpointError);
    expect(() => loadTokenizer(path)).toThrow(message);
    expect(() => loadTokenizer(path)).toThrow(join(path, 'tokenizer.json'));
  });

  it.each<[string, TestPair, RegExp]>([
    ['another model', text('tokenizer.ggml.model', 'llama'), /ggml\.model": expected "gpt2"/],
    [
      'an unknown split',
      text('tokenizer.ggml.pre', 'qwen2'),
      /ggml\.pre": expected .*found "qwen2"/,
    ],
    [
      'an id beyond the tokens',
      uint32('tokenizer.ggml.eos_token_id', 24),
      /eos_token_id": .* below 24, found 24/,
    ],
    [
      'merges that are no strings',
      uint32('tokenizer.ggml.merges', 1),
      /ggml\.merges": expected a list/,
    ],
    [
      'a template that is no Jinja',
      text('tokenizer.chat_template', '{% for %}'),
      /chat template: expected valid Jinja/,
    ],
  ])('refuses GGUF metadata with %s', (_, pair, message) => {
    expect(() => loadTokenizer(gguf(pair))).toThrow(message);
  });

  it('says what is missing', () => {
    expect(() => loadTokenizer('no-such-model')).toThrow(
      /model no-such-model: not in the cache .*npm run setup/,
    );
    expect(() => loadTokenizer('./no/such.gguf')).toThrow(/found no such path/);
    const empty = folderWith({ 'config.json': '{}' });
    expect(() => loadTokenizer(empty)).toThrow(/tokenizer\.json: .*no such file/);
  });
});

describe('applyChatTemplate', () => {
  const chat = [{ role: 'user', content: 'hello' }];

  it('prefers a template file, and takes the default one of several', () => {
    const named = [
      { name: 'tool', template: 'T' },
      { name: 'default', template },
    ];
    expect(loadTokenizer(folder({}, { chat_template: named })).applyChatTemplate(chat)).toBe(
      '<s>user: hello',
    );
    expect(() => loadTokenizer(folder({}, { chat_template: [] }))).toThrow(/one named "default"/);
  });

  it('writes the date that it is given, and no other', () => {
    const dated =
      '{% if date_string is defined %}{{ date_string }}{% else %}26 Jul 2024{% endif %}';
    const tokenizer = loadTokenizer(folder({}, { chat_template: dated }));
    expect(tokenizer.applyChatTemplate(chat)).toBe('26 Jul 2024');
    expect(tokenizer.applyChatTemplate(chat, { date: '2025-03-09' })).toBe('09 Mar 2025');
    const late = new Date(Date.UTC(2025, 11, 31, 23, 59));
    expect(tokenizer.applyChatTemplate(chat, { date: late })).toBe('31 Dec 2025');
    expect(() => tokenizer.applyChatTemplate(chat, { date: 'soon' })).toThrow(
      /date: expected a Date/,
    );
  });

  it('says that a template needs the date', () => {
    const asks = "{{ strftime_now('%A, %d %B %Y') }}";
    const tokenizer = loadTokenizer(folder({}, { chat_template: asks }));
    expect(tokenizer.applyChatTemplate(chat, { date: '2024-02-29' })).toBe(
      'Thursday, 29 February 2024',
    );
    expect(() => tokenizer.applyChatTemplate(chat)).toThrow(/pass `date`/);
  });

  it('gives templates the functions that they use, and ends a range that has no end', () => {
    const counts =
      '{% for i in range(1, 6, 2) %}{{ i }}{% endfor %}{% for i in range(2) %}{{ i }}{% endfor %}';
    const tokenizer = loadTokenizer(folder({}, { chat_template: counts }));
    expect(tokenizer.applyChatTemplate(chat)).toBe('13501');
    const endless = folder({}, { chat_template: '{{ range(1000000000000) | length }}' });
    expect(() => loadTokenizer(endless).applyChatTemplate(chat)).toThrow(
      /range of more than 1000000/,
    );
  });

  it('passes on what the template itself refuses, and checks the messages', () => {
    const strict = "{{ raise_exception('roles must alternate') }}";
    const tokenizer = loadTokenizer(folder({}, { chat_template: strict }));
    expect(() => tokenizer.applyChatTemplate(chat)).toThrow(
      /chat template: .*roles must alternate/,
    );
    expect(() => tokenizer.applyChatTemplate([])).toThrow(/messages: expected a list/);
    const bad = [{ role: 'user' }] as unknown as typeof chat;
    expect(() => tokenizer.applyChatTemplate(bad)).toThrow(
      /messages\[0\]\.content: expected a string/,
    );
    const none = loadTokenizer(folder({}, { chat_template: undefined }));
    expect(() => none.applyChatTemplate(chat)).toThrow(/chat template: .*found none/);
  });
});
