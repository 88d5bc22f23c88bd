"""Computes what test/ compares SmolLM2-135M-Instruct with, by Python's transformers.

Weights come from the same GGUF file that mambalab reads, decoded to float32, so that nothing but
arithmetic can differ. The tokenizer is built on the tokenizers library as SmolLM2's own
tokenizer.json describes it (digits apart, then byte-level byte-pair encoding).

    pip install -r test/goldens/requirements.txt
    python test/goldens/smollm2.py path/to/SmolLM2-135M-Instruct.Q4_1.gguf

writes beside this file: smollm2-tokenizer.jsonl.gz, smollm2-logits.json, smollm2-greedy.json,
dequantize.json. --only tokenizer, logits, greedy or dequantize narrows it.
"""

import argparse
import base64
import gzip
import json
import pathlib

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFReader, dequantize, quants
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent

# Split pattern of Llama 3's tokenizer, tried here on SmolLM2's vocabulary.
LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

GREEDY_PROMPTS = [
    "What is 7 plus 5?",
    "Tom has 3 apples and buys 4 more. How many apples does he have?",
    "Name the capital of France.",
    "Write one sentence about the sea.",
    "Count from 1 to 10.",
    "What colour is the sky on a clear day?",
    "def add(a, b):\n    return",
    "Explain in one sentence why leaves are green.",
    "A train travels 60 miles in 2 hours. What is its speed?",
    "List three kinds of fruit.",
    "Translate 'good morning' into French.",
    "Is 17 a prime number?",
]

LENGTHS = [1, 2, 7, 16, 31, 64, 127, 200, 256, 384, 512, 700]

LAYER_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def field(reader, name):
    return reader.fields[name].contents()


def half_rotated(weight, heads):
    """Rows of a q or k projection from neighbouring pairs (GGUF) to pairs half a head apart."""
    rows, columns = weight.shape
    pairs = weight.reshape(heads, rows // heads // 2, 2, columns)
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(rows, columns))


def load_model(reader):
    heads = field(reader, "llama.attention.head_count")
    key_heads = field(reader, "llama.attention.head_count_kv")
    state = {}
    for tensor in reader.tensors:
        shape = [int(size) for size in tensor.shape[::-1]]
        value = dequantize(tensor.data, tensor.tensor_type).reshape(shape).astype(np.float32)
        if tensor.name == "token_embd.weight":
            state["model.embed_tokens.weight"] = state["lm_head.weight"] = torch.tensor(value)
        elif tensor.name == "output_norm.weight":
            state["model.norm.weight"] = torch.tensor(value)
        else:
            _, layer, kind, _ = tensor.name.split(".")
            if kind in ("attn_q", "attn_k"):
                value = half_rotated(value, heads if kind == "attn_q" else key_heads)
            state[f"model.layers.{layer}.{LAYER_NAMES[kind]}.weight"] = torch.tensor(value)
    config = LlamaConfig(
        vocab_size=field(reader, "llama.vocab_size"),
        hidden_size=field(reader, "llama.embedding_length"),
        intermediate_size=field(reader, "llama.feed_forward_length"),
        num_hidden_layers=field(reader, "llama.block_count"),
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
        rms_norm_eps=field(reader, "llama.attention.layer_norm_rms_epsilon"),
        rope_theta=field(reader, "llama.rope.freq_base"),
        max_position_embeddings=field(reader, "llama.context_length"),
        tie_word_embeddings=True,
        attn_implementation="eager",
    )
    model = LlamaForCausalLM(config)
    model.load_state_dict(state, strict=True)
    return model.float().eval()


def load_tokenizer(reader, pre_tokenizer):
    tokens = field(reader, "tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ")) for merge in field(reader, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    kinds = field(reader, "tokenizer.ggml.token_type")
    special = [AddedToken(t, special=True) for t, kind in zip(tokens, kinds) if kind == 3]
    tokenizer.add_special_tokens(special)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=tokens[field(reader, "tokenizer.ggml.bos_token_id")],
        eos_token=tokens[field(reader, "tokenizer.ggml.eos_token_id")],
        unk_token=tokens[field(reader, "tokenizer.ggml.unknown_token_id")],
        chat_template=field(reader, "tokenizer.chat_template"),
        clean_up_tokenization_spaces=False,
    )


def smollm_tokenizer(reader):
    return load_tokenizer(
        reader,
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        ),
    )


def llama3_tokenizer(reader):
    return load_tokenizer(
        reader,
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(LLAMA3_PATTERN), behavior="isolated", invert=False),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        ),
    )


def hard_lines():
    with open(HERE / "hard-lines.jsonl", encoding="utf-8") as file:
        return [json.loads(row) for row in file]


def conversation(lines, i):
    """Four kinds of conversation, by the line's number."""
    user = {"role": "user", "content": lines[i]}
    if i % 4 == 0:
        return [user], True
    if i % 4 == 1:
        return [{"role": "system", "content": lines[i - 1]}, user], True
    if i % 4 == 2:
        return [user, {"role": "assistant", "content": lines[i - 1]}], False
    answer = {"role": "assistant", "content": lines[i - 2]}
    return [{"role": "user", "content": lines[i - 1]}, answer, user], True


def write_tokenizer(reader):
    lines = hard_lines()
    tokenizer = smollm_tokenizer(reader)
    llama3 = llama3_tokenizer(reader)
    with gzip.GzipFile(HERE / "smollm2-tokenizer.jsonl.gz", "wb", mtime=0) as file:
        for i, line in enumerate(lines):
            ids = tokenizer.encode(line, add_special_tokens=False)
            messages, prompt = conversation(lines, i)
            chat = tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=prompt
            )
            row = {
                "ids": ids,
                "decoded": tokenizer.decode(ids),
                "plain": tokenizer.decode(ids, skip_special_tokens=True),
                "llama3Ids": llama3.encode(line, add_special_tokens=False),
                "messages": messages,
                "addGenerationPrompt": prompt,
                "chat": chat,
                "chatIds": tokenizer.encode(chat, add_special_tokens=False),
            }
            file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())


def ask(tokenizer, question):
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
    )
    return tokenizer.encode(text, add_special_tokens=False)


def summary(logits):
    """A row of logits as its 64 largest, every 192nd, and three sums over all of it."""
    row = logits.double().numpy()
    top = np.argsort(-row, kind="stable")[:64]
    return {
        "top": [[int(i), float(f"{row[i]:.7g}")] for i in top],
        "strided": [float(f"{x:.7g}") for x in row[::192]],
        "max": float(row.max()),
        "mean": float(row.mean()),
        "logSumExp": float(torch.logsumexp(logits.double(), 0)),
    }


def write_logits(reader):
    tokenizer, model = smollm_tokenizer(reader), load_model(reader)
    lines = hard_lines()
    prompts = []
    for n, length in enumerate(LENGTHS):
        ids = ask(tokenizer, GREEDY_PROMPTS[n]) if n % 2 == 0 else []
        for line in lines[n * 60 :]:
            if len(ids) >= length:
                break
            ids = ids + tokenizer.encode(line + "\n", add_special_tokens=False)
        ids = ids[:length]
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0]
        prompts.append(
            {"tokens": ids, "first": summary(logits[0]), "last": summary(logits[-1])}
        )
    write_json("smollm2-logits.json", {"stride": 192, "prompts": prompts})


def write_greedy(reader):
    tokenizer, model = smollm_tokenizer(reader), load_model(reader)
    prompts = []
    for question in GREEDY_PROMPTS:
        ids = ask(tokenizer, question)
        tokens, margins, state, step = [], [], None, torch.tensor([ids])
        with torch.no_grad():
            for _ in range(24):
                output = model(step, past_key_values=state, use_cache=True)
                best = torch.topk(output.logits[0, -1], 2)
                tokens.append(int(best.indices[0]))
                margins.append(round(float(best.values[0] - best.values[1]), 5))
                state, step = output.past_key_values, best.indices[:1].reshape(1, 1)
        prompts.append(
            {"question": question, "prompt": ids, "tokens": tokens, "margins": margins}
        )
    write_json("smollm2-greedy.json", {"prompts": prompts})


def write_dequantize():
    """Blocks of random bytes with sane scales, and the numbers that gguf-py reads in them."""
    random = np.random.default_rng(20)
    types = {}
    for name, scales in {
        "F16": [],
        "BF16": [],
        "Q8_0": [0],
        "Q4_0": [0],
        "Q4_1": [0, 2],
        "Q4_K": [0, 2],
        "Q6_K": [208],
    }.items():
        kind = GGMLQuantizationType[name]
        if scales:
            size = quants.GGML_QUANT_SIZES[kind][1]
            blocks = random.integers(0, 256, (4, size), dtype=np.uint8)
            for at in scales:
                half = random.normal(0, 0.05, (4, 1)).astype(np.float16)
                blocks[:, at : at + 2] = half.view(np.uint8)
        else:
            values = random.normal(0, 1, (1, 64)).astype(np.float32)
            values[0, :4] = [0, -0.0, 6e-8, -1000]
            blocks = quants.quantize(values, kind).view(np.uint8)
        numbers = quants.dequantize(blocks, kind).astype("<f4").ravel()
        types[name] = {
            "bytes": base64.b64encode(blocks.tobytes()).decode(),
            "float32": base64.b64encode(numbers.tobytes()).decode(),
        }
    write_json("dequantize.json", types)


def write_json(name, value):
    (HERE / name).write_text(json.dumps(value, indent=None, separators=(",", ":")) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("gguf", help="SmolLM2-135M-Instruct.Q4_1.gguf")
    parser.add_argument("--only", choices=["tokenizer", "logits", "greedy", "dequantize"])
    arguments = parser.parse_args()
    reader = GGUFReader(arguments.gguf)
    jobs = {
        "tokenizer": lambda: write_tokenizer(reader),
        "logits": lambda: write_logits(reader),
        "greedy": lambda: write_greedy(reader),
        "dequantize": write_dequantize,
    }
    for name, job in jobs.items():
        if arguments.only in (None, name):
            print(f"{name} ...", flush=True)
            job()


if __name__ == "__main__":
    main()
