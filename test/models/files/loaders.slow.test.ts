import { beforeAll, describe, expect, it } from 'vitest';
import { loadGsm8k } from '../../../lib/data/gsm8k.js';
import { parseJsonl } from '../../../lib/data/jsonl.js';
import { buildTokenizer } from '../../../lib/data/tokenizer.js';
import { CheckpointError } from '../../../lib/models/files/errors.js';
import { parseGguf } from '../../../lib/models/files/gguf.js';
import { parseJsonObject } from '../../../lib/models/files/json.js';
import { llamaConfigFromGguf } from '../../../lib/models/files/llama-gguf.js';
import { llamaConfigFromHf } from '../../../lib/models/files/llama-hf.js';
import { llamaLayout } from '../../../lib/models/files/llama-layout.js';
import { modelTensors } from '../../../lib/models/files/model-tensors.js';
import { parseSafetensors } from '../../../lib/models/files/safetensors.js';
import { type ByteSource, memorySource } from '../../../lib/models/files/source.js';
import type { TensorFile } from '../../../lib/models/files/tensor-file.js';
import { tokenizerFromGguf } from '../../../lib/models/files/tokenizer-gguf.js';
import { fileWith } from '../../data/temporary.js';
import { richGguf } from './gguf-bytes.js';
import { mutateBytes, mutateJson, randomInts } from './random.js';
import { richSafetensors } from './safetensors-bytes.js';
import { tinyLlamaGguf, tinyTokenizerGguf, tinyTokenizerJson } from './tiny-files.js';

const utf8 = new TextEncoder();

/** A source that fails the test when more is asked of it than the file can justify. */
function watched(bytes: Uint8Array): ByteSource {
  const source = memorySource('mutated', bytes);
  return {
    path: source.path,
    size: source.size,
    read(offset, target) {
      if (target.length > bytes.length) {
        throw new Error(`read of ${target.length} bytes from a file of ${bytes.length}`);
      }
      source.read(offset, target);
    },
  };
}

/** Every tensor must lie in the file, touch no other, and have the bytes that its shape needs. */
function checkTensors(file: TensorFile, size: number): void {
  let end = 0;
  const entries = [...file.tensors.values()].sort((a, b) => a.byteOffset - b.byteOffset);
  for (const { name, byteOffset, byteLength, shape } of entries) {
    expect(byteOffset, name).toBeGreaterThanOrEqual(end);
    end = byteOffset + byteLength;
    expect(shape.every((x) => Number.isSafeInteger(x) && x >= 0)).toBe(true);
  }
  expect(end).toBeLessThanOrEqual(size);
}

/**
 * Runs `count` mutations through a reader. Each must be read or refused by a CheckpointError;
 * anything else fails with the number of the case. Returns how many were read.
 */
function fuzz<T>(
  seed: number,
  count: number,
  mutate: (random: (bound: number) => number) => T,
  read: (mutated: T) => void,
): number {
  const random = randomInts(seed);
  let accepted = 0;
  for (let i = 0; i < count; i++) {
    const mutated = mutate(random);
    try {
      read(mutated);
      accepted++;
    } catch (error) {
      if (error instanceof CheckpointError) {
        // An error that does not name its file, or that prints half of it, is no help.
        if (error.message.startsWith('mutated') && error.message.length < 2000) continue;
      }
      throw new Error(`case ${i} of seed ${seed}: ${(error as Error).stack}`, { cause: error });
    }
  }
  return accepted;
}

describe('loaders on more than 200,000 mutated files', () => {
  let before = 0;
  const resident = () => {
    (globalThis as { gc?: () => void }).gc?.();
    return process.memoryUsage().rss;
  };
  beforeAll(() => {
    before = resident();
  });

  it('GGUF: 100,000 headers with every kind of value', () => {
    const bytes = richGguf();
    const accepted = fuzz(1, 100_000, mutatedBytes(bytes), (mutated) =>
      checkTensors(parseGguf(watched(mutated)), mutated.length),
    );
    expect(accepted).toBeGreaterThan(1000);
    expect(accepted).toBeLessThan(90_000);
  });

  it('GGUF: 30,000 Llamas, up to configuration and tensors', () => {
    const bytes = tinyLlamaGguf();
    const accepted = fuzz(2, 30_000, mutatedBytes(bytes), (mutated) => {
      const file = parseGguf(watched(mutated));
      const config = llamaConfigFromGguf(file);
      const tensors = modelTensors(file, llamaLayout(config), 'a Llama');
      expect(tensors.size).toBe(3 + 9 * config.nLayers - (config.tieEmbeddings ? 1 : 0));
    });
    expect(accepted).toBeGreaterThan(100);
  });

  it('GGUF: 20,000 tokenizers, up to encoded text', () => {
    const bytes = tinyTokenizerGguf();
    const accepted = fuzz(3, 20_000, mutatedBytes(bytes), (mutated) =>
      useTokenizer(tokenizerFromGguf(parseGguf(watched(mutated)))),
    );
    expect(accepted).toBeGreaterThan(100);
  });

  it('safetensors: 60,000 headers', () => {
    const bytes = richSafetensors();
    const header = new TextDecoder().decode(bytes.subarray(8, bytes.length - 43));
    const mutate = (random: (bound: number) => number): Uint8Array => {
      if (random(2) === 0) return mutateBytes(bytes, random);
      const json = utf8.encode(mutateJson(header, random));
      const file = new Uint8Array(8 + json.length + 43);
      new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
      file.set(json, 8);
      return file;
    };
    const accepted = fuzz(4, 60_000, mutate, (mutated) =>
      checkTensors(parseSafetensors(watched(mutated)), mutated.length),
    );
    expect(accepted).toBeGreaterThan(100);
  });

  it('config.json: 30,000 texts', () => {
    const text = JSON.stringify({
      model_type: 'llama',
      hidden_size: 64,
      intermediate_size: 128,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      rms_norm_eps: 1e-5,
      rope_theta: 500000,
      rope_scaling: {
        rope_type: 'llama3',
        factor: 32,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192,
      },
      max_position_embeddings: 131072,
      vocab_size: 256,
      tie_word_embeddings: true,
      bos_token_id: 0,
      eos_token_id: [1, 2],
    });
    const accepted = fuzz(5, 30_000, mutatedText(text), (mutated) => {
      const config = llamaConfigFromHf(parseJsonObject('mutated', utf8.encode(mutated)), 'mutated');
      expect(config.nHeads % config.nKvHeads).toBe(0);
      expect(config.headDim % 2).toBe(0);
      expect(config.eosIds.every((id) => id >= 0 && id < config.vocabSize)).toBe(true);
    });
    expect(accepted).toBeGreaterThan(1000);
  });

  it('tokenizer.json: 20,000 texts, up to encoded text', () => {
    const text = JSON.stringify(tinyTokenizerJson());
    const accepted = fuzz(6, 20_000, mutatedText(text), (mutated) =>
      useTokenizer({
        path: 'mutated',
        tokenizer: parseJsonObject('mutated', utf8.encode(mutated)),
        chatTemplate: undefined,
        bosToken: undefined,
        eosToken: undefined,
        padToken: undefined,
        eosIds: [],
      }),
    );
    expect(accepted).toBeGreaterThan(1000);
  });

  it('JSON Lines: 20,000 texts', () => {
    const text = '{"question":"How many?","answer":"2 + 3 = 5\\n#### 5"}\n[1,2]\n"é"\n';
    const accepted = fuzz(7, 20_000, mutatedText(text), (mutated) => {
      for (const { line } of parseJsonl(watched(utf8.encode(mutated)))) {
        expect(line).toBeLessThanOrEqual(mutated.length);
      }
    });
    expect(accepted).toBeGreaterThan(1000);
  });

  it('GSM8K: 500 files', () => {
    const row = '{"question":"How many?","answer":"2 + 3 = 5\\n#### 5"}\n';
    const random = randomInts(8);
    for (let i = 0; i < 500; i++) {
      const path = fileWith('gsm8k.jsonl', mutateJson(row + row, random));
      try {
        for (const { answer } of loadGsm8k({ split: 'test', path })) {
          expect(answer).toMatch(/^-?\d+(\.\d+)?$/);
        }
      } catch (error) {
        expect(error, `case ${i}`).toBeInstanceOf(CheckpointError);
        expect((error as Error).message).toContain(path);
      }
    }
  });

  it('leaves no more memory behind than the readers themselves take', () => {
    expect(resident() - before).toBeLessThan(300 * 2 ** 20);
  });
});

function mutatedBytes(bytes: Uint8Array): (random: (bound: number) => number) => Uint8Array {
  return (random) => mutateBytes(bytes, random);
}

function mutatedText(text: string): (random: (bound: number) => number) => string {
  return (random) => mutateJson(text, random);
}

/** What is read must also work: encode, and decode what was encoded. */
function useTokenizer(files: Parameters<typeof buildTokenizer>[0]): void {
  const tokenizer = buildTokenizer(files);
  const ids = tokenizer.encode("Hello hello, it's 42! <s>\n é");
  expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.vocabSize)).toBe(true);
  expect(typeof tokenizer.decode(ids)).toBe('string');
}
