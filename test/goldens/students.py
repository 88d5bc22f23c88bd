"""Tiny checkpoints in each published layout of Llamba and MambaInLlama, and their logits.

The weights are random, the names, shapes (scaled down) and configuration keys those of the published
files. The logits come from the models' equations, one token after the other in NumPy float64: no
chunks, no kernels, no code shared with mambalab.

    pip install -r test/goldens/requirements.txt
    python test/goldens/students.py

writes a folder for each layout into test/goldens/students, with config.json, the weights in bfloat16
and golden.json.
"""

import json
import pathlib
import shutil

import numpy as np
import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent / "students"
TOKENS = 19


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def softplus(x):
    return np.logaddexp(0, x)


def rms_norm(x, weight, eps):
    return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + eps) * weight


def causal_conv(x, weight, bias):
    """x [L, C], weight [C, 1, K]: y_t = bias + sum_j w_j x_{t - K + 1 + j}."""
    width = weight.shape[-1]
    padded = np.concatenate([np.zeros((width - 1, x.shape[1])), x])
    return np.stack(
        [bias + np.sum(weight[:, 0].T * padded[t : t + width], 0) for t in range(len(x))]
    )


def llamba_mixer(u, w, cfg):
    """Discrete Mamba-2: in_proj rows are [x | B | C | z | a]."""
    ssm = cfg["ssm_cfg"]
    heads, qk, n = ssm["n_v_heads"], ssm["n_qk_heads"], ssm["d_state"]
    inner = ssm["expand"] * cfg["d_model"]
    p = inner // heads
    projected = u @ w["in_proj.weight"].T
    xbc, z, a = np.split(projected, [inner + 2 * qk * n, 2 * inner + 2 * qk * n], 1)
    xbc = causal_conv(xbc, w["conv1d.weight"], w["conv1d.bias"])
    x, b, c = np.split(xbc, [inner, inner + qk * n], 1)
    state = np.zeros((heads, p, n))
    out = []
    for t in range(len(u)):
        xt = x[t].reshape(heads, p)
        bt = np.repeat(b[t].reshape(qk, n), heads // qk, 0)
        ct = np.repeat(c[t].reshape(qk, n), heads // qk, 0)
        decay = np.exp(-softplus(a[t]))
        state = decay[:, None, None] * state + xt[:, :, None] * bt[:, None, :]
        y = np.einsum("hpn,hn->hp", state, ct) + w["D"][:, None] * xt
        out.append(y.reshape(inner))
    gated = np.stack(out) * silu(z + w["z_bias"])
    return gated @ w["out_proj.weight"].T


def repeat_heads(t, width, times):
    length = len(t)
    return np.repeat(t.reshape(length, -1, width), times, 1).reshape(length, -1)


def mamba_mixer(u, w, cfg):
    """Mamba-1 with grouped heads, from M1's one in_proj or MambaInLlama's five projections."""
    inner, xb, n = cfg["d_inner"], cfg["d_xb"], cfg["ssm_cfg"].get("d_state", 16)
    if "in_proj.weight" in w:
        edges = np.cumsum([inner, xb, xb, inner])
        z, x, b, c, dt = np.split(u @ w["in_proj.weight"].T, edges, 1)
    else:
        names = ["in_proj_z", "in_proj_x", "B_proj", "C_proj", "dt_proj_down"]
        z, x, b, c, dt = (u @ w[f"{name}.weight"].T for name in names)
    x = silu(causal_conv(repeat_heads(x, n, inner // xb), w["conv1d.weight"], w["conv1d.bias"]))
    b = repeat_heads(b, n, inner // xb)
    # The bias comes in twice: with the projection, and again in the scan.
    delta = softplus(dt @ w["dt_proj.weight"].T + w["dt_proj.bias"] + w["dt_proj.bias"])
    decay_rate = -np.exp(w["A_log"])
    state = np.zeros((inner, n))
    out = []
    for t in range(len(u)):
        bt = np.repeat(b[t].reshape(-1, n), n, 0)
        ct = np.repeat(c[t].reshape(-1, n), n, 0)
        step = delta[t][:, None]
        state = np.exp(step * decay_rate) * state + step * bt * x[t][:, None]
        out.append(np.sum(ct * state, 1) + w["D"] * x[t])
    return (np.stack(out) * silu(z)) @ w["out_proj.weight"].T


def mamba2_mixer(u, w, cfg):
    """Mamba-2 with grouped heads: in_proj rows are [z | x | B | C | dt], a norm over each head."""
    inner, xb, heads = cfg["d_inner"], cfg["d_xb"], cfg["ssm_cfg"]["ngroups"]
    p = inner // heads
    z, xbc, dt = np.split(u @ w["in_proj.weight"].T, [inner, 2 * inner + 2 * xb], 1)
    xbc = silu(causal_conv(xbc, w["conv1d.weight"], w["conv1d.bias"]))
    x, b, c = np.split(xbc, [xb, 2 * xb], 1)
    x, b = (repeat_heads(t, p, inner // xb) for t in (x, b))
    dt = softplus(dt + w["dt_bias"])
    rate = -np.exp(w["A_log"])
    state = np.zeros((heads, p, p))
    out = []
    for t in range(len(u)):
        xt, bt, ct = (s[t].reshape(heads, p) for s in (x, b, c))
        decay = np.exp(dt[t] * rate)[:, None, None]
        state = decay * state + dt[t][:, None, None] * xt[:, :, None] * bt[:, None, :]
        out.append(np.einsum("hpn,hn->hp", state, ct) + w["D"][:, None] * xt)
    gated = np.stack(out) * silu(z).reshape(len(u), heads, p)
    normed = gated / np.sqrt(np.mean(gated**2, -1, keepdims=True) + 1e-5)
    return (normed.reshape(len(u), inner) * w["norm.weight"]) @ w["out_proj.weight"].T


def rotate(x, theta):
    """x [L, heads, d]: channel i turns with channel i + d/2."""
    length, _, d = x.shape
    angles = np.arange(length)[:, None] * theta ** (-2 * np.arange(d // 2) / d)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    first, second = x[..., : d // 2], x[..., d // 2 :]
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], -1)


def attention(u, w, cfg):
    heads, kv, d = (
        cfg["num_attention_heads"],
        cfg["num_key_value_heads"],
        cfg["head_dim"],
    )
    if "mha.in_proj.weight" in w:
        q, k, v = np.split(u @ w["mha.in_proj.weight"].T, [heads * d, (heads + kv) * d], 1)
        out_proj = w["mha.out_proj.weight"]
    else:
        q, k, v = (u @ w[f"self_attn.{name}_proj.weight"].T for name in "qkv")
        out_proj = w["self_attn.o_proj.weight"]
    length = len(u)
    q = rotate(q.reshape(length, heads, d), cfg["rope_theta"])
    k = np.repeat(rotate(k.reshape(length, kv, d), cfg["rope_theta"]), heads // kv, 1)
    v = np.repeat(v.reshape(length, kv, d), heads // kv, 1)
    scores = np.einsum("thd,shd->hts", q, k) / np.sqrt(d)
    scores = np.where(np.tril(np.ones((length, length), bool)), scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("hts,shd->thd", weights, v).reshape(length, heads * d) @ out_proj.T


def part(weights, prefix):
    return {k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)}


def forward(tokens, weights, names, mixers, eps):
    """Logits [L, V] of a stack of pre-norm residual blocks."""
    h = weights[names["embedding"]][tokens]
    for i, mixer in enumerate(mixers):
        w = part(weights, f"{names['layer']}.{i}.")
        h = h + mixer(rms_norm(h, w["input_layernorm.weight"], eps), w)
        u = rms_norm(h, w["post_attention_layernorm.weight"], eps)
        gate = silu(u @ w["mlp.gate_proj.weight"].T)
        h = h + (gate * (u @ w["mlp.up_proj.weight"].T)) @ w["mlp.down_proj.weight"].T
    h = rms_norm(h, weights[names["norm"]], eps)
    return h @ weights.get("lm_head.weight", weights[names["embedding"]]).T


class Weights(dict):
    """Random weights by name, as bfloat16 holds them."""

    def __init__(self, seed):
        super().__init__()
        self.random = np.random.default_rng(seed)
        self.stored = {}

    def add(self, name, values):
        self.stored[name] = torch.tensor(values, dtype=torch.bfloat16)
        self[name] = self.stored[name].to(torch.float64).numpy()

    def matrix(self, name, rows, columns, gain=1.2):
        self.add(name, self.random.normal(0, gain / np.sqrt(columns), (rows, columns)))

    def vector(self, name, size, mean, spread):
        self.add(name, self.random.normal(mean, spread, size))

    def mlp(self, prefix, d, width):
        for norm in ["input_layernorm", "post_attention_layernorm"]:
            self.vector(f"{prefix}.{norm}.weight", d, 1, 0.2)
        self.matrix(f"{prefix}.mlp.gate_proj.weight", width, d)
        self.matrix(f"{prefix}.mlp.up_proj.weight", width, d)
        self.matrix(f"{prefix}.mlp.down_proj.weight", d, width)

    def conv(self, prefix, channels):
        self.add(f"{prefix}.conv1d.weight", self.random.normal(0, 0.6, (channels, 1, 4)))
        self.vector(f"{prefix}.conv1d.bias", channels, 0, 0.3)


def write(name, config, weights, tokens, logits, mamba=None, shards=1):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    if mamba:
        (folder / "mamba_config.json").write_text(json.dumps(mamba) + "\n")
    if shards == 1:
        save_file(weights.stored, folder / "model.safetensors", {"format": "pt"})
    else:
        files = [f"model-{i + 1:05}-of-{shards:05}.safetensors" for i in range(shards)]
        of = {key: files[i % shards] for i, key in enumerate(weights.stored)}
        for file in files:
            held = {k: t for k, t in weights.stored.items() if of[k] == file}
            save_file(held, folder / file, {"format": "pt"})
        index = {"metadata": {}, "weight_map": of}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index) + "\n")
    rounded = [[float(f"{x:.7g}") for x in row] for row in logits]
    golden = {"tokens": [int(t) for t in tokens], "logits": rounded}
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")


def llamba(name, seed, tied, qk_heads, shards):
    d, heads, n, width, layers, vocab = 24, 4, 5, 28, 2, 30
    config = {
        "model_type": "llamba",
        "vocab_size": vocab,
        "tie_embeddings": tied,
        "pad_vocab_size_multiple": 8,
        "lm_head_bias": False,
        "d_model": d,
        "n_layer": layers,
        "resid_dropout": 0.0,
        "norm_epsilon": 1e-5,
        "mlp_cfg": {"intermediate_size": width, "bias": False, "act_fn": "silu"},
        "ssm_cfg": {
            "d_state": n,
            "n_v_heads": heads,
            "n_qk_heads": qk_heads,
            "expand": 1,
            "chunk_size": 128,
            "activation": "identity",
            "bias": False,
        },
    }
    w = Weights(seed)
    rows = 32
    w.add("backbone.embedding.weight", w.random.normal(0, 1, (rows, d)))
    for i in range(layers):
        prefix = f"backbone.layers.{i}"
        mixer = f"{prefix}.mixer"
        channels = d + 2 * qk_heads * n
        w.mlp(prefix, d, width)
        w.matrix(f"{mixer}.in_proj.weight", channels + d + heads, d)
        w.vector(f"{mixer}.z_bias", d, 0, 0.5)
        w.conv(mixer, channels)
        w.vector(f"{mixer}.D", heads, 1, 0.5)
        w.matrix(f"{mixer}.out_proj.weight", d, d)
    w.vector("backbone.final_layernorm.weight", d, 1, 0.2)
    if not tied:
        w.matrix("lm_head.weight", rows, d)
    tokens = w.random.integers(0, vocab, TOKENS)
    names = {
        "embedding": "backbone.embedding.weight",
        "layer": "backbone.layers",
        "norm": "backbone.final_layernorm.weight",
    }
    mixers = [lambda u, lw: llamba_mixer(u, part(lw, "mixer."), config)] * layers
    logits = forward(tokens, w, names, mixers, 1e-5)
    write(name, config, w, tokens, logits, shards=shards)


def hybrid(name, seed, m1, kind, tied):
    heads, kv, head_dim, width, layers, vocab = 4, 2, 16, 28, 3, 32
    d = heads * head_dim
    xb = kv * head_dim
    kept = [1]
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": d,
        "head_dim": head_dim,
        "intermediate_size": width,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "num_hidden_layers": layers,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": tied,
        "vocab_size": vocab,
        "eos_token_id": 31,
    }
    mamba = {
        "d_model": d,
        "ssm_cfg": {"expand": 1},
        "rms_norm_eps": 1e-5,
        "vocab_size": None,
        "d_inner": d,
        "d_xb": xb,
        "intermediate_size": width,
        "hidden_act": "silu",
        "n_layer": layers,
        "attn_layers": kept,
    }
    if kind == "mamba2":
        mamba["ssm_cfg"].update({"ngroups": heads, "d_state": head_dim})
    rank, n = 4, 16
    w = Weights(seed)
    w.add("model.embed_tokens.weight", w.random.normal(0, 1, (vocab, d)))
    for i in range(layers):
        prefix = f"model.layers.{i}"
        w.mlp(prefix, d, width)
        if i in kept:
            if m1:
                w.matrix(f"{prefix}.mha.in_proj.weight", d + 2 * xb, d)
                w.matrix(f"{prefix}.mha.out_proj.weight", d, d)
            else:
                for p, rows in zip("qkvo", [d, xb, xb, d]):
                    w.matrix(f"{prefix}.self_attn.{p}_proj.weight", rows, d)
            continue
        mixer = f"{prefix}.mamba"
        if kind == "mamba2":
            channels = d + 2 * xb
            w.matrix(f"{mixer}.in_proj.weight", d + channels + heads, d)
            w.conv(mixer, channels)
            w.vector(f"{mixer}.dt_bias", heads, -1, 0.5)
            w.vector(f"{mixer}.A_log", heads, 0.5, 0.5)
            w.vector(f"{mixer}.D", heads, 1, 0.5)
            w.vector(f"{mixer}.norm.weight", d, 1, 0.3)
        else:
            if m1:
                w.matrix(f"{mixer}.in_proj.weight", 2 * d + 2 * xb + rank, d)
            else:
                w.matrix(f"{mixer}.in_proj_x.weight", xb, d)
                w.matrix(f"{mixer}.in_proj_z.weight", d, d)
                w.matrix(f"{mixer}.B_proj.weight", xb, d)
                w.matrix(f"{mixer}.C_proj.weight", d, d)
                w.matrix(f"{mixer}.dt_proj_down.weight", rank, d)
            w.matrix(f"{mixer}.dt_proj.weight", d, rank)
            w.vector(f"{mixer}.dt_proj.bias", d, -1, 0.5)
            w.conv(mixer, d)
            w.add(f"{mixer}.A_log", np.log(np.arange(1, n + 1)) + w.random.normal(0, 0.1, (d, n)))
            w.vector(f"{mixer}.D", d, 1, 0.5)
        w.matrix(f"{mixer}.out_proj.weight", d, d)
    w.vector("model.norm.weight", d, 1, 0.2)
    if not tied:
        w.matrix("lm_head.weight", vocab, d)
    tokens = w.random.integers(0, vocab, TOKENS)
    names = {
        "embedding": "model.embed_tokens.weight",
        "layer": "model.layers",
        "norm": "model.norm.weight",
    }
    mix = mamba2_mixer if kind == "mamba2" else mamba_mixer
    mixers = [
        (lambda u, lw: attention(u, lw, config))
        if i in kept
        else (lambda u, lw: mix(u, part(lw, "mamba."), mamba))
        for i in range(layers)
    ]
    # dt_rank is d / 16, rounded up, and not in the file.
    assert rank == -(-d // 16)
    write(name, config, w, tokens, forward(tokens, w, names, mixers, 1e-5), mamba=mamba)


if __name__ == "__main__":
    llamba("llamba-tied", 1, tied=True, qk_heads=4, shards=1)
    llamba("llamba-untied-sharded", 2, tied=False, qk_heads=2, shards=2)
    hybrid("m1-mamba", 3, m1=True, kind="mamba", tied=True)
    hybrid("mamba-in-llama-mamba", 4, m1=False, kind="mamba", tied=False)
    hybrid("mamba-in-llama-mamba2", 5, m1=False, kind="mamba2", tied=False)
    hybrid("m1-mamba2", 6, m1=True, kind="mamba2", tied=True)
    for folder in sorted(HERE.iterdir()):
        print(folder.name, sum(f.stat().st_size for f in folder.iterdir()), "bytes")
