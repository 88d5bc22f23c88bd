"""Losses of whole models and their gradients by PyTorch's autograd, in float64.

The models are the checkpoints of test/goldens/students and test/goldens/reward; their equations are written
out here once more, one token after the other, with no kernels and no code shared with mambalab. Each row of
tokens is two documents, which are computed apart: where mambalab packs them into one row, it must come to
the same.

    pip install -r test/goldens/requirements.txt
    python test/goldens/gradients.py

writes test/goldens/training/gradients.json: for each model and loss the value, and of each tensor's gradient
the norm and some numbers.
"""

import json
import pathlib

import torch
from safetensors.torch import load_file
from torch.nn.functional import log_softmax, silu, softplus

HERE = pathlib.Path(__file__).parent
ROWS = [[11, 8], [7, 12]]
LENGTH = 19
SHOWN = 6


def rms_norm(x, weight, eps=1e-5):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps) * weight


def causal_conv(x, weight, bias):
    width = weight.shape[-1]
    padded = torch.cat([torch.zeros(width - 1, x.shape[1], dtype=x.dtype), x])
    taps = torch.stack([padded[j : j + len(x)] for j in range(width)])
    return bias + torch.einsum("jtc,cj->tc", taps, weight[:, 0])


def heads_of(t, width, times):
    return t.reshape(len(t), -1, width).repeat_interleave(times, 1)


def llamba_parts(u, w, cfg):
    ssm = cfg["ssm_cfg"]
    heads, qk, n = ssm["n_v_heads"], ssm["n_qk_heads"], ssm["d_state"]
    inner = ssm["expand"] * cfg["d_model"]
    sizes = [inner + 2 * qk * n, inner, heads]
    xbc, z, a = (u @ w["in_proj.weight"].T).split(sizes, 1)
    xbc = causal_conv(xbc, w["conv1d.weight"], w["conv1d.bias"])
    x, b, c = xbc.split([inner, qk * n, qk * n], 1)
    x = x.reshape(len(u), heads, -1)
    return x, heads_of(b, n, heads // qk), heads_of(c, n, heads // qk), a, z


def llamba_mixer(u, w, cfg):
    x, b, c, a, z = llamba_parts(u, w, cfg)
    state = torch.zeros(*x.shape[1:], b.shape[-1], dtype=u.dtype)
    out = []
    for t in range(len(u)):
        decay = torch.exp(-softplus(a[t]))[:, None, None]
        state = decay * state + x[t][:, :, None] * b[t][:, None, :]
        out.append((torch.einsum("hpn,hn->hp", state, c[t]) + w["D"][:, None] * x[t]).flatten())
    return (torch.stack(out) * silu(z + w["z_bias"])) @ w["out_proj.weight"].T


def llamba_matrix(u, w, cfg):
    """[heads, L, L]: how each head mixes tokens, the skip on the diagonal."""
    _, b, c, a, _ = llamba_parts(u, w, cfg)
    length = len(u)
    rows = []
    for t in range(length):
        row = []
        for s in range(length):
            if s > t:
                row.append(torch.zeros(a.shape[1], dtype=u.dtype))
                continue
            decay = torch.exp(-softplus(a[s + 1 : t + 1]).sum(0))
            own = (c[t] * b[s]).sum(-1) * decay
            row.append(own + w["D"] if s == t else own)
        rows.append(torch.stack(row))
    return torch.stack(rows).permute(2, 0, 1)


def mamba_mixer(u, w, cfg):
    inner, xb, n = cfg["d_inner"], cfg["d_xb"], cfg["ssm_cfg"].get("d_state", 16)
    rank = w["dt_proj.weight"].shape[1]
    z, x, b, c, dt = (u @ w["in_proj.weight"].T).split([inner, xb, xb, inner, rank], 1)
    times = inner // xb
    x = heads_of(x, n, times).reshape(len(u), inner)
    x = silu(causal_conv(x, w["conv1d.weight"], w["conv1d.bias"]))
    b, c = heads_of(b, n, times), c.reshape(len(u), -1, n)
    delta = softplus(dt @ w["dt_proj.weight"].T + 2 * w["dt_proj.bias"])
    rate = -torch.exp(w["A_log"])
    state = torch.zeros(inner, n, dtype=u.dtype)
    out = []
    for t in range(len(u)):
        bt, ct = (s[t].repeat_interleave(n, 0) for s in (b, c))
        step = delta[t][:, None]
        state = torch.exp(step * rate) * state + step * bt * x[t][:, None]
        out.append((ct * state).sum(1) + w["D"] * x[t])
    return (torch.stack(out) * silu(z)) @ w["out_proj.weight"].T


def mamba2_mixer(u, w, cfg):
    inner, xb, heads = cfg["d_inner"], cfg["d_xb"], cfg["ssm_cfg"]["ngroups"]
    p = inner // heads
    z, xbc, dt = (u @ w["in_proj.weight"].T).split([inner, 2 * xb + inner, heads], 1)
    xbc = silu(causal_conv(xbc, w["conv1d.weight"], w["conv1d.bias"]))
    x, b, c = xbc.split([xb, xb, inner], 1)
    x, b = (heads_of(t, p, inner // xb) for t in (x, b))
    c = c.reshape(len(u), heads, p)
    dt = softplus(dt + w["dt_bias"])
    rate = -torch.exp(w["A_log"])
    state = torch.zeros(heads, p, p, dtype=u.dtype)
    out = []
    for t in range(len(u)):
        decay = torch.exp(dt[t] * rate)[:, None, None]
        state = decay * state + dt[t][:, None, None] * x[t][:, :, None] * b[t][:, None, :]
        out.append(torch.einsum("hpn,hn->hp", state, c[t]) + w["D"][:, None] * x[t])
    gated = torch.stack(out) * silu(z).reshape(len(u), heads, p)
    normed = gated / torch.sqrt((gated**2).mean(-1, keepdim=True) + 1e-5)
    return (normed.reshape(len(u), inner) * w["norm.weight"]) @ w["out_proj.weight"].T


def rotate(x, theta):
    length, _, d = x.shape
    at = torch.arange(length, dtype=x.dtype)[:, None]
    angles = at * theta ** (-2 * torch.arange(d // 2, dtype=x.dtype) / d)
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]
    first, second = x[..., : d // 2], x[..., d // 2 :]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def attention(u, w, cfg):
    heads, kv, d = (cfg[k] for k in ("num_attention_heads", "num_key_value_heads", "head_dim"))
    if "mha.in_proj.weight" in w:
        q, k, v = (u @ w["mha.in_proj.weight"].T).split([heads * d, kv * d, kv * d], 1)
        out = w["mha.out_proj.weight"]
    else:
        q, k, v = (u @ w[f"self_attn.{name}_proj.weight"].T for name in "qkv")
        out = w["self_attn.o_proj.weight"]
    length = len(u)
    q = rotate(q.reshape(length, heads, d), cfg["rope_theta"])
    k = rotate(k.reshape(length, kv, d), cfg["rope_theta"]).repeat_interleave(heads // kv, 1)
    v = v.reshape(length, kv, d).repeat_interleave(heads // kv, 1)
    scores = torch.einsum("thd,shd->hts", q, k) / d**0.5
    seen = torch.ones(length, length, dtype=torch.bool).tril()
    weights = torch.where(seen, scores, -torch.inf).softmax(-1)
    return torch.einsum("hts,shd->thd", weights, v).reshape(length, heads * d) @ out.T


def part(weights, prefix):
    return {k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)}


class Model:
    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        stored = load_file(folder / "model.safetensors")
        self.weights = {k: t.to(torch.float64).requires_grad_() for k, t in stored.items()}
        path = folder / "mamba_config.json"
        self.mamba = json.loads(path.read_text()) if path.exists() else None
        self.llamba = self.config["model_type"] == "llamba"
        stem = "backbone" if self.llamba else "model"
        self.layer = f"{stem}.layers"
        self.embedding = f"{stem}.embedding.weight" if self.llamba else "model.embed_tokens.weight"
        self.norm = f"{stem}.final_layernorm.weight" if self.llamba else "model.norm.weight"
        self.layers = self.config["n_layer" if self.llamba else "num_hidden_layers"]
        self.eps = self.config["norm_epsilon" if self.llamba else "rms_norm_eps"]

    def mix(self, i, u, w):
        if self.llamba:
            return llamba_mixer(u, part(w, "mixer."), self.config)
        if self.mamba is None or i in self.mamba["attn_layers"]:
            return attention(u, w, self.config)
        mixer = mamba2_mixer if "ngroups" in self.mamba["ssm_cfg"] else mamba_mixer
        return mixer(u, part(w, "mamba."), self.mamba)

    def block(self, i, h):
        w = part(self.weights, f"{self.layer}.{i}.")
        h = h + self.mix(i, rms_norm(h, w["input_layernorm.weight"], self.eps), w)
        u = rms_norm(h, w["post_attention_layernorm.weight"], self.eps)
        gate = silu(u @ w["mlp.gate_proj.weight"].T) * (u @ w["mlp.up_proj.weight"].T)
        return h + gate @ w["mlp.down_proj.weight"].T

    def embed(self, tokens):
        return self.weights[self.embedding][torch.tensor(tokens)]

    def logits(self, tokens):
        h = self.embed(tokens)
        for i in range(self.layers):
            h = self.block(i, h)
        h = rms_norm(h, self.weights[self.norm], self.eps)
        return h @ self.weights.get("lm_head.weight", self.weights[self.embedding]).T


def wave(*shape, step=0.7):
    """Numbers that look random and are the same everywhere: sin(1), sin(1 + step), ..."""
    size = 1
    for n in shape:
        size *= n
    return torch.sin(1 + step * torch.arange(size, dtype=torch.float64)).reshape(shape)


def documents():
    """(row, first token, tokens) of every document; ids below 29."""
    for row, lengths in enumerate(ROWS):
        at = 0
        for length in lengths:
            yield row, at, [(row * 31 + t * t * 7 + t * 3) % 29 for t in range(at, at + length)]
            at += length


MASK = [[int((t + row) % 4 != 1) for t in range(LENGTH)] for row in range(2)]
LABELS = [[(5 * t + 11 * row) % 29 for t in range(LENGTH)] for row in range(2)]


def whole(model, loss):
    """The mean over unmasked tokens of a loss of logits, documents computed apart."""
    terms, count = [], sum(map(sum, MASK))
    for row, at, tokens in documents():
        logits = model.logits(tokens)
        teacher = 2 * wave(2, LENGTH, logits.shape[1], step=0.37)[row, at : at + len(tokens)]
        p, q = log_softmax(logits, -1), log_softmax(teacher, -1)
        span = range(at, at + len(tokens))
        mask = torch.tensor([MASK[row][t] for t in span], dtype=torch.float64)
        labels = torch.tensor([LABELS[row][t] for t in span])
        each = {
            "crossEntropy": lambda: -p.gather(1, labels[:, None])[:, 0],
            "forwardKL": lambda: (q.exp() * (q - p)).sum(-1),
            "reverseKL": lambda: (p.exp() * (p - q)).sum(-1),
        }[loss]()
        terms.append((each * mask).sum() / count)
    return sum(terms)


def hidden(model):
    """hiddenAlignment of the first block's output on the embeddings."""
    terms, count = [], sum(map(sum, MASK))
    for row, at, tokens in documents():
        out = model.block(0, model.embed(tokens))
        target = wave(2, LENGTH, out.shape[1], step=0.53)[row, at : at + len(tokens)]
        mask = torch.tensor([MASK[row][t] for t in range(at, at + len(tokens))])
        terms.append(((out - target).norm(dim=-1) * mask).sum() / count)
    return sum(terms)


def matrices(model):
    """matrixOrientation of the first block's mixer on the embeddings: documents see themselves alone."""
    heads = model.config["ssm_cfg"]["n_v_heads"]
    own = torch.zeros(2, heads, LENGTH, LENGTH, dtype=torch.float64)
    w = part(model.weights, f"{model.layer}.0.")
    for row, at, tokens in documents():
        u = rms_norm(model.embed(tokens), w["input_layernorm.weight"], model.eps)
        end = at + len(tokens)
        own[row, :, at:end, at:end] = llamba_matrix(u, part(w, "mixer."), model.config)
    target = wave(2, heads, LENGTH, LENGTH, step=0.61)
    return (own - target).flatten(2).norm(dim=-1).mean()


def golden(model, value):
    names = list(model.weights)
    gradients = torch.autograd.grad(value, [model.weights[n] for n in names], allow_unused=True)
    shown = {}
    for name, gradient in zip(names, gradients):
        if gradient is None:
            continue
        flat = gradient.flatten()
        at = [(i * (len(flat) - 1)) // (SHOWN - 1) for i in range(SHOWN)]
        shown[name] = {
            "norm": float(f"{flat.norm().item():.8g}"),
            "at": at,
            "values": [float(f"{flat[i].item():.8g}") for i in at],
        }
    return {"value": float(f"{value.item():.10g}"), "gradients": shown}


def main():
    folders = {
        "llama": HERE / "reward",
        "llamba": HERE / "students" / "llamba-tied",
        "hybrid of Mamba-1": HERE / "students" / "m1-mamba",
        "hybrid of Mamba-2": HERE / "students" / "m1-mamba2",
    }
    made = {}
    for name, folder in folders.items():
        model = Model(folder)
        losses = {l: lambda l=l: whole(model, l) for l in ("crossEntropy", "forwardKL", "reverseKL")}
        losses["hiddenAlignment"] = lambda: hidden(model)
        if model.llamba:
            losses["matrixOrientation"] = lambda: matrices(model)
        made[name] = {loss: golden(model, f()) for loss, f in losses.items()}
        print(name, {loss: g["value"] for loss, g in made[name].items()})
    tokens = [[0] * LENGTH for _ in ROWS]
    resets = [[0] * LENGTH for _ in ROWS]
    for row, at, own in documents():
        tokens[row][at : at + len(own)] = own
        resets[row][at] = 1
    inputs = {"tokens": tokens, "resets": resets, "mask": MASK, "labels": LABELS}
    path = HERE / "training" / "gradients.json"
    path.write_text(json.dumps({"inputs": inputs, "models": made}) + "\n")
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
