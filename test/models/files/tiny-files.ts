import { ggufFile, type TestPair, type TestTensor, text, uint32 } from './gguf-bytes.js';

const float32 = (key: string, value: number): TestPair => ({
  key,
  type: 6,
  write: (to) => to.f32(value),
});

const strings = (key: string, values: readonly string[]): TestPair => ({
  key,
  type: 9,
  write: (to) => values.reduce((t, value) => t.string(value), to.u32(8).u64(values.length)),
});

/** Metadata of a Llama of two layers, width 8, two heads of 4, one key-value head. */
export function tinyLlamaPairs(): TestPair[] {
  return [
    text('general.architecture', 'llama'),
    uint32('llama.vocab_size', 5),
    uint32('llama.embedding_length', 8),
    uint32('llama.block_count', 2),
    uint32('llama.attention.head_count', 2),
    uint32('llama.attention.head_count_kv', 1),
    uint32('llama.feed_forward_length', 12),
    uint32('llama.context_length', 64),
    uint32('llama.rope.dimension_count', 4),
    float32('llama.rope.freq_base', 10000),
    float32('llama.attention.layer_norm_rms_epsilon', 1e-5),
    uint32('tokenizer.ggml.bos_token_id', 1),
    uint32('tokenizer.ggml.eos_token_id', 2),
  ];
}

/** Tensors of that Llama, all F32, embeddings tied. */
export function tinyLlamaTensors(): { tensors: TestTensor[]; dataBytes: number } {
  const tensors: TestTensor[] = [];
  let offset = 0;
  const add = (name: string, ...dims: number[]): void => {
    tensors.push({ name, dims, type: 0, offset });
    const bytes = dims.reduce((a, b) => a * b, 4);
    offset += Math.ceil(bytes / 32) * 32;
  };
  add('token_embd.weight', 8, 5);
  for (const i of [0, 1]) {
    add(`blk.${i}.attn_norm.weight`, 8);
    add(`blk.${i}.attn_q.weight`, 8, 8);
    add(`blk.${i}.attn_k.weight`, 8, 4);
    add(`blk.${i}.attn_v.weight`, 8, 4);
    add(`blk.${i}.attn_output.weight`, 8, 8);
    add(`blk.${i}.ffn_norm.weight`, 8);
    add(`blk.${i}.ffn_gate.weight`, 8, 12);
    add(`blk.${i}.ffn_up.weight`, 8, 12);
    add(`blk.${i}.ffn_down.weight`, 12, 8);
  }
  add('output_norm.weight', 8);
  return { tensors, dataBytes: offset };
}

export function tinyLlamaGguf(): Uint8Array {
  const { tensors, dataBytes } = tinyLlamaTensors();
  return ggufFile(tinyLlamaPairs(), tensors, dataBytes);
}

/** Byte tokens of a few letters, three merges and two added tokens. */
const tinyTokens = ['<s>', '</s>', 'h', 'e', 'l', 'o', 'H', '4', '2', 'Ġ', ',', '!', "'"].concat([
  'i',
  't',
  's',
  'Ċ',
  'Ã',
  '©',
  'll',
  'he',
  'llo',
  '<',
  '>',
]);
const tinyMerges = ['l l', 'h e', 'll o'];

export function tinyTokenizerPairs(): TestPair[] {
  const types = tinyTokens.map((_, i) => (i < 2 ? 3 : 1));
  return [
    text('tokenizer.ggml.model', 'gpt2'),
    text('tokenizer.ggml.pre', 'smollm'),
    strings('tokenizer.ggml.tokens', tinyTokens),
    strings('tokenizer.ggml.merges', tinyMerges),
    {
      key: 'tokenizer.ggml.token_type',
      type: 9,
      write: (to) => types.reduce((t, type) => t.u32(type), to.u32(5).u64(types.length)),
    },
    uint32('tokenizer.ggml.bos_token_id', 0),
    uint32('tokenizer.ggml.eos_token_id', 1),
    text('tokenizer.chat_template', '{% for m in messages %}<s>{{ m.content }}{% endfor %}'),
  ];
}

export function tinyTokenizerGguf(): Uint8Array {
  return ggufFile(tinyTokenizerPairs(), [], 0);
}

/** The same tokenizer as a tokenizer.json. */
export function tinyTokenizerJson(): Record<string, unknown> {
  return {
    version: '1.0',
    added_tokens: ['<s>', '</s>'].map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Digits', individual_digits: true },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tinyTokens.map((token, id) => [token, id])),
      merges: tinyMerges,
    },
  };
}
