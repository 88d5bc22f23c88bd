"""A tiny reward model in RLHFlow's format, and its scores.

A random Llama over bytes with the chat template of Llama 3.1 (as far as it concerns plain turns). The
scores are worked out as RLHFlow's evaluation does: for each step the conversation so far is written out
with "+" as the last answer, read from its start, and the logits of "+" and "-" are taken where that "+"
is predicted. The Llama is written in PyTorch float64 from its equations, the byte tokens and the turns
by hand: nothing here is shared with mambalab.

    pip install -r test/goldens/requirements.txt
    python test/goldens/reward.py

writes test/goldens/reward: a Hugging Face folder with the weights in bfloat16, and golden.json.
"""

import json
import math
import pathlib

import torch
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).parent / "reward"
SPECIAL = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
]
D, LAYERS, HEADS, KV, HEAD_DIM, MLP = 48, 2, 6, 2, 8, 80
EPS, THETA, VOCAB = 1e-5, 500000.0, 256 + len(SPECIAL)
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim"
    " + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)


def byte_letters():
    """GPT-2's letter for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, extra = {}, 0
    for byte in range(256):
        if byte in plain:
            letters[byte] = chr(byte)
        else:
            letters[byte] = chr(256 + extra)
            extra += 1
    return letters


def weights():
    generator = torch.Generator().manual_seed(11)

    def normal(*shape, scale):
        return (torch.randn(*shape, generator=generator) * scale).to(torch.bfloat16)

    w = {"model.embed_tokens.weight": normal(VOCAB, D, scale=1.0)}
    for i in range(LAYERS):
        at = f"model.layers.{i}."
        for name, rows, columns in [
            ("self_attn.q_proj", HEADS * HEAD_DIM, D),
            ("self_attn.k_proj", KV * HEAD_DIM, D),
            ("self_attn.v_proj", KV * HEAD_DIM, D),
            ("self_attn.o_proj", D, HEADS * HEAD_DIM),
            ("mlp.gate_proj", MLP, D),
            ("mlp.up_proj", MLP, D),
            ("mlp.down_proj", D, MLP),
        ]:
            w[f"{at}{name}.weight"] = normal(rows, columns, scale=1.6 / math.sqrt(columns))
        for name in ["input_layernorm", "post_attention_layernorm"]:
            w[f"{at}{name}.weight"] = 1 + normal(D, scale=0.2)
    w["model.norm.weight"] = 1 + normal(D, scale=0.2)
    w["lm_head.weight"] = normal(VOCAB, D, scale=1.5 / math.sqrt(D))
    return w


def norm(x, weight):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + EPS) * weight


def rotate(x):
    """x [L, heads, head_dim]: pairs are (j, j + head_dim / 2)."""
    half = HEAD_DIM // 2
    angle = torch.arange(len(x), dtype=torch.float64)[:, None] * THETA ** (
        -torch.arange(half, dtype=torch.float64) / half
    )
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def llama(ids, w):
    """Logits of the last token."""
    h = w["model.embed_tokens.weight"][torch.tensor(ids)]
    length = len(ids)
    for i in range(LAYERS):
        p = {k.removeprefix(f"model.layers.{i}."): v for k, v in w.items() if f"layers.{i}." in k}
        x = norm(h, p["input_layernorm.weight"])
        q = rotate((x @ p["self_attn.q_proj.weight"].T).view(length, HEADS, HEAD_DIM))
        k = rotate((x @ p["self_attn.k_proj.weight"].T).view(length, KV, HEAD_DIM))
        v = (x @ p["self_attn.v_proj.weight"].T).view(length, KV, HEAD_DIM)
        k, v = (t.repeat_interleave(HEADS // KV, 1) for t in (k, v))
        scores = torch.einsum("qhd,khd->hqk", q, k) / math.sqrt(HEAD_DIM)
        hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
        attention = scores.masked_fill(hidden, -math.inf).softmax(-1)
        mixed = torch.einsum("hqk,khd->qhd", attention, v).reshape(length, -1)
        h = h + mixed @ p["self_attn.o_proj.weight"].T
        x = norm(h, p["post_attention_layernorm.weight"])
        gate = torch.nn.functional.silu(x @ p["mlp.gate_proj.weight"].T)
        h = h + (gate * (x @ p["mlp.up_proj.weight"].T)) @ p["mlp.down_proj.weight"].T
    return norm(h[-1], w["model.norm.weight"]) @ w["lm_head.weight"].T


BOS, _, HEADER, END_HEADER, EOT = range(256, 256 + len(SPECIAL))


def turn(role, text):
    return [HEADER, *role.encode(), END_HEADER, *b"\n\n", *text.strip().encode(), EOT]


def score(question, steps, w):
    ids, scores = [BOS], []
    for i, step in enumerate(steps):
        ids += turn("user", f"{question} {step}" if i == 0 else step)
        ids += turn("assistant", "+")
        # The last two tokens are "+" and the end of the turn; before them "+" is predicted.
        logits = llama(ids[:-2], w)
        pair = logits[torch.tensor([ord("+"), ord("-")])]
        scores.append(pair.softmax(0)[0].item())
    return scores


def main():
    OUT.mkdir(exist_ok=True)
    w = weights()
    save_file(w, OUT / "model.safetensors", {"format": "pt"})
    letters = byte_letters()
    tokenizer = {
        "version": "1.0",
        "added_tokens": [
            {
                "id": 256 + i,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for i, token in enumerate(SPECIAL)
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": True,
            "use_regex": False,
        },
        "post_processor": None,
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": {letters[b]: b for b in range(256)}, "merges": []},
    }
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": D,
        "intermediate_size": MLP,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV,
        "head_dim": HEAD_DIM,
        "rms_norm_eps": EPS,
        "rope_theta": THETA,
        "max_position_embeddings": 2048,
        "vocab_size": VOCAB,
        "tie_word_embeddings": False,
        "hidden_act": "silu",
        "bos_token_id": BOS,
        "eos_token_id": [EOT],
        "torch_dtype": "bfloat16",
    }
    tokenizer_config = {
        "bos_token": SPECIAL[0],
        "eos_token": SPECIAL[4],
        "chat_template": TEMPLATE,
    }
    for name, content in [
        ("tokenizer.json", tokenizer),
        ("config.json", config),
        ("tokenizer_config.json", tokenizer_config),
    ]:
        (OUT / name).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n")

    question = "Tom has 3 boxes of 12 eggs. How many eggs does he have?"
    cases = [
        ["There are 3 boxes.", "3 * 12 = 36", "The answer is 36."],
        ["There are 3 boxes.", "3 * 12 = 36", "So he has $36$ eggs, \\boxed{36}. Été – ok?"],
        ["15"],
        [
            "Step one\nhas two lines.",
            "Then nothing.",
            "Then more of it, at some length, so that this step is longer than the others are: "
            + "12 + 12 + 12 = 36. " * 20,
            "The final answer is 36",
        ],
    ]
    exact = {name: value.double() for name, value in w.items()}
    golden = {
        "question": question,
        "completions": ["\n\n".join(steps) for steps in cases],
        "process": [score(question, steps, exact) for steps in cases],
        "outcome": [score(question, ["\n\n".join(steps).strip()], exact) for steps in cases],
    }
    (OUT / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")
    print(json.dumps(golden["process"]), json.dumps(golden["outcome"]))


main()
