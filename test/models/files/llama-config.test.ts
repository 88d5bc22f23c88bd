import { describe, expect, it } from 'vitest';
import * as backend from '../../../lib/backend/index.js';
import { parseGguf } from '../../../lib/models/files/gguf.js';
import { llamaConfigFromGguf } from '../../../lib/models/files/llama-gguf.js';
import { llamaConfigFromHf } from '../../../lib/models/files/llama-hf.js';
import { llamaLayout } from '../../../lib/models/files/llama-layout.js';
import { ggufName, modelTensors } from '../../../lib/models/files/model-tensors.js';
import { memorySource } from '../../../lib/models/files/source.js';
import type { TensorFile } from '../../../lib/models/files/tensor-file.js';
import { type Llama, type LlamaConfig, load, save } from '../../../lib/models/index.js';
import { fileWith, folderWith } from '../../data/temporary.js';
import { ggufFile, type TestPair, text, uint32 } from './gguf-bytes.js';
import { tinyLlamaGguf, tinyLlamaPairs, tinyLlamaTensors } from './tiny-files.js';

const parse = (bytes: Uint8Array) => parseGguf(memorySource('x.gguf', bytes));

const tensorsOf = (file: TensorFile, config: LlamaConfig) =>
  modelTensors(file, llamaLayout(config), 'a Llama');

/** The tiny Llama with other metadata. */
function withPairs(...changed: TestPair[]): TensorFile {
  const keys = new Set(changed.map(({ key }) => key));
  const pairs = [...tinyLlamaPairs().filter(({ key }) => !keys.has(key)), ...changed];
  const { tensors, dataBytes } = tinyLlamaTensors();
  return parse(ggufFile(pairs, tensors, dataBytes));
}

describe('llamaConfigFromGguf', () => {
  it('reads sizes, constants and ids', () => {
    expect(llamaConfigFromGguf(parse(tinyLlamaGguf()))).toEqual({
      vocabSize: 5,
      dModel: 8,
      nLayers: 2,
      nHeads: 2,
      nKvHeads: 1,
      headDim: 4,
      dMlp: 12,
      normEps: Math.fround(1e-5),
      ropeTheta: 10000,
      ropeScaling: undefined,
      contextLength: 64,
      tieEmbeddings: true,
      bosId: 1,
      eosIds: [2],
    });
  });

  it('lists every field that is wrong at once', () => {
    const file = withPairs(
      text('general.architecture', 'mamba'),
      uint32('llama.block_count', 0),
      uint32('llama.attention.head_count_kv', 3),
      uint32('tokenizer.ggml.eos_token_id', 5),
      text('llama.context_length', 'long'),
    );
    expect(() => llamaConfigFromGguf(file)).toThrow(
      /^x\.gguf: Llama configuration: .*general\.architecture: "llama", not "mamba".*block_count: an integer from 1 to 4096, not 0/,
    );
    expect(() => llamaConfigFromGguf(file)).toThrow(/eos_token_id: token ids below 5, not 5/);
    expect(() => llamaConfigFromGguf(file)).toThrow(/context_length: .* not "long"/);
    expect(() => llamaConfigFromGguf(file)).toThrow(/a divisor of the 2 heads, not 3/);
  });

  it('refuses rotary settings that it does not follow', () => {
    const yarn = withPairs(text('llama.rope.scaling.type', 'yarn'));
    expect(() => llamaConfigFromGguf(yarn)).toThrow(
      /scaling\.type: "none" or "linear", not "yarn"/,
    );
    const partial = withPairs(uint32('llama.rope.dimension_count', 2));
    expect(() => llamaConfigFromGguf(partial)).toThrow(/dimension_count: .* from 4 to 4, not 2/);
  });

  it("takes Llama 3's rotary factors from their tensor", () => {
    const { tensors, dataBytes } = tinyLlamaTensors();
    const factors = { name: 'rope_freqs.weight', dims: [2], type: 0, offset: dataBytes };
    const bytes = ggufFile(tinyLlamaPairs(), [...tensors, factors], dataBytes + 8);
    bytes.set(new Uint8Array(Float32Array.of(1, 8).buffer), bytes.length - 8);
    const file = parseGguf({ ...memorySource('', bytes), path: fileWith('a.gguf', bytes) });
    const config = llamaConfigFromGguf(file);
    expect(config.ropeScaling).toEqual({ type: 'factors', factors: [1, 8] });
    expect(tensorsOf(file, config).has('rope_freqs.weight')).toBe(false);
    bytes.set(new Uint8Array(Float32Array.of(1, Number.NaN).buffer), bytes.length - 8);
    const bad = parseGguf({ ...memorySource('', bytes), path: fileWith('b.gguf', bytes) });
    expect(() => llamaConfigFromGguf(bad)).toThrow(/rope_freqs\.weight: numbers from/);
  });
});

describe('llamaConfigFromHf', () => {
  const json = {
    model_type: 'llama',
    hidden_size: 64,
    intermediate_size: 128,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    rms_norm_eps: 1e-5,
    rope_theta: 500000,
    max_position_embeddings: 131072,
    vocab_size: 256,
    bos_token_id: 0,
    eos_token_id: 1,
  };
  const llama3 = {
    rope_type: 'llama3',
    factor: 32,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const scaling = {
    type: 'llama3',
    factor: 32,
    lowFreqFactor: 1,
    highFreqFactor: 4,
    originalContext: 8192,
  };
  const read = (change: object, generation?: { [key: string]: unknown }) =>
    llamaConfigFromHf({ ...json, ...change }, 'config.json', generation);

  it('reads both spellings of the rotary settings', () => {
    const old = read({ rope_scaling: llama3 });
    expect(old).toMatchObject({ ropeTheta: 500000, ropeScaling: scaling, headDim: 16 });
    const later = read({ rope_theta: undefined, rope_parameters: { ...llama3, rope_theta: 7e4 } });
    expect(later).toMatchObject({ ropeTheta: 70000, ropeScaling: scaling });
    expect(read({ rope_scaling: { type: 'linear', factor: 2 } }).ropeScaling).toEqual({
      type: 'linear',
      factor: 2,
    });
    expect(read({ rope_scaling: null }).ropeScaling).toBeUndefined();
  });

  it('takes the ends of text from both files', () => {
    expect(read({}, { eos_token_id: [1, 8, 9] }).eosIds).toEqual([1, 8, 9]);
    expect(() => read({}, { eos_token_id: 256 })).toThrow(/generation_config\.json.*below 256/);
  });

  it('refuses what it would compute wrongly', () => {
    expect(() => read({ attention_bias: true })).toThrow(/attention_bias: false, not true/);
    expect(() => read({ hidden_act: 'gelu' })).toThrow(/hidden_act: "silu", not "gelu"/);
    expect(() => read({ model_type: 'qwen2' })).toThrow(/model_type: "llama", not "qwen2"/);
    expect(() => read({ quantization_config: {} })).toThrow(/unquantised weights/);
    expect(() => read({ rope_scaling: { rope_type: 'dynamic' } })).toThrow(/rope_type: .*dynamic/);
    const turned = { ...llama3, high_freq_factor: 1 };
    expect(() => read({ rope_scaling: turned })).toThrow(/high_freq_factor: more than/);
    expect(() => read({ hidden_size: 66 })).toThrow(/head_dim|head width/);
    expect(() => read({ vocab_size: undefined, num_hidden_layers: 'two' })).toThrow(
      /vocab_size: an integer .* not nothing.*num_hidden_layers: .* not "two"/,
    );
  });
});

describe('modelTensors', () => {
  it('gives GGUF tensors by their Hugging Face names', () => {
    const file = parse(tinyLlamaGguf());
    const config = llamaConfigFromGguf(file);
    const tensors = tensorsOf(file, config);
    expect([...tensors.keys()]).toEqual(llamaLayout(config).map((t) => t.name));
    const rows = [...tensors].filter(([name]) => /[qk]_proj\.weight$/.test(name));
    expect(rows.map(([, entry]) => entry.name)).toEqual(
      ['blk.0', 'blk.1'].flatMap((x) => [`${x}.attn_q.weight`, `${x}.attn_k.weight`]),
    );
    expect(tensors.get('model.layers.1.mlp.down_proj.weight')?.shape).toEqual([8, 12]);
    const named = { ...file, format: 'huggingface', tensors: renamed(file) } as TensorFile;
    expect([...tensorsOf(named, config).keys()]).toEqual([...tensors.keys()]);
  });

  it('has a GGUF file rotate neighbours and a Hugging Face folder halves', () => {
    backend.init({ threads: 2 });
    const folder = folderWith();
    const fromGguf = load(fileWith('x.gguf', tinyLlamaGguf())) as Llama;
    expect(fromGguf.interleavedRope).toBe(true);
    save(fromGguf, folder);
    fromGguf.dispose();
    const fromFolder = load(folder) as Llama;
    expect(fromFolder.interleavedRope).toBe(false);
    fromFolder.dispose();
  });

  function renamed(file: TensorFile): TensorFile['tensors'] {
    const config = llamaConfigFromGguf(file);
    return new Map(
      llamaLayout(config)
        .map((t) => t.name)
        .map((name) => {
          const entry = file.tensors.get(ggufName(name));
          if (entry === undefined) throw new Error(name);
          return [name, { ...entry, name }];
        }),
    );
  }

  it('refuses a missing tensor, another shape, integers, and a tensor of another model', () => {
    const file = parse(tinyLlamaGguf());
    const config = llamaConfigFromGguf(file);
    const change = (
      edit: (
        tensors: Map<
          string,
          TensorFile['tensors'] extends ReadonlyMap<string, infer E> ? E : never
        >,
      ) => void,
    ) => {
      const tensors = new Map(file.tensors);
      edit(tensors);
      return () => tensorsOf({ ...file, tensors }, config);
    };
    const norm = file.tensors.get('output_norm.weight');
    if (norm === undefined) throw new Error('the tiny Llama has a norm');
    expect(change((t) => t.delete('blk.1.ffn_up.weight'))).toThrow(
      /x\.gguf: tensors: expected those of a Llama .*no blk\.1\.ffn_up\.weight \[12, 8\]$/,
    );
    expect(change((t) => t.set('output_norm.weight', { ...norm, shape: [7] }))).toThrow(
      /output_norm\.weight of shape \[7\], not \[8\]/,
    );
    expect(change((t) => t.set('output_norm.weight', { ...norm, storage: 'I32' }))).toThrow(
      /stored as I32, not as real numbers/,
    );
    expect(change((t) => t.set('blk.0.attn_q.bias', norm))).toThrow(
      /"blk\.0\.attn_q\.bias", which it has not/,
    );
    const several = change((t) => {
      t.delete('blk.0.attn_q.weight');
      t.delete('blk.1.ffn_up.weight');
      t.set('blk.0.attn_q.bias', norm);
    });
    expect(several).toThrow(
      /no blk\.0\.attn_q\.weight .*; no blk\.1\.ffn_up.*; "blk\.0\.attn_q\.bias"/,
    );
  });
});
