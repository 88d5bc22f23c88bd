"""The recurrences of Mamba-1 and Mamba-2 in PyTorch's plain operations, and transformers' Mamba-2 on the
processor: one JSON line for each time.

Usage: torch_scan.py THREADS. The shapes are those of bench/scan.ts.
"""

import json
import sys
import time

import torch
from torch.nn import functional as F


def best(body, runs=3):
    body()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        body()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def selective_scan(u, delta, A, B, C, D, z):
    """Token by token over expanded decays and inputs."""
    batch, length, channels = u.shape
    delta = F.softplus(delta)
    spread = channels // B.shape[2]
    B, C = (t.repeat_interleave(spread, dim=2) for t in (B, C))
    decay = torch.exp(delta.unsqueeze(-1) * A)
    added = (delta * u).unsqueeze(-1) * B
    state = u.new_zeros(batch, channels, A.shape[1])
    ys = []
    for t in range(length):
        state = decay[:, t] * state + added[:, t]
        ys.append((state * C[:, t]).sum(-1))
    return (torch.stack(ys, 1) + D * u) * F.silu(z)


def segment_sums(g):
    length = g.shape[-1]
    square = g.unsqueeze(-1).expand(*g.shape, length)
    after = torch.ones(length, length, dtype=torch.bool).tril(-1)
    seen = torch.ones(length, length, dtype=torch.bool).tril(0)
    return square.masked_fill(~after, 0).cumsum(-2).masked_fill(~seen, -torch.inf)


def ssd(x, a, B, C, D, chunk=64):
    """Chunks by matrix products, all chunks at once."""
    batch, length, heads, width = x.shape
    chunks = length // chunk
    cut = lambda t: t.reshape(batch, chunks, chunk, *t.shape[2:])
    xs, bs, cs = cut(x), cut(B), cut(C)
    g = cut(-F.softplus(a)).permute(0, 3, 1, 2)
    sums = g.cumsum(-1)
    within = torch.einsum("bclhn,bcshn,bhcls,bcshp->bclhp", cs, bs, segment_sums(g).exp(), xs)
    to_end = (sums[..., -1:] - sums).exp()
    states = torch.einsum("bclhn,bhcl,bclhp->bchpn", bs, to_end, xs)
    states = torch.cat([torch.zeros_like(states[:, :1]), states], 1)
    between = segment_sums(F.pad(sums[..., -1], (1, 0))).exp()
    states = torch.einsum("bhzc,bchpn->bzhpn", between, states)[:, :-1]
    across = torch.einsum("bclhn,bchpn,bhcl->bclhp", cs, states, sums.exp())
    return (within + across).reshape(x.shape) + D.unsqueeze(-1) * x


def ssd_step(x, a, B, C, D, state):
    state.mul_(torch.sigmoid(-a)[..., None, None]).addcmul_(x.unsqueeze(-1), B.unsqueeze(-2))
    return torch.einsum("bhpn,bhn->bhp", state, C) + D.unsqueeze(-1) * x


def conv(x, weight, bias):
    length = x.shape[1]
    turned = F.conv1d(x.transpose(1, 2), weight.unsqueeze(1), bias, padding=3, groups=x.shape[2])
    return F.silu(turned[..., :length]).transpose(1, 2)


def mamba2_mixer(d, heads, n):
    """transformers' mixer between its projections: convolution, SSD, gated norm."""
    from transformers import Mamba2Config
    from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

    sizes = {"hidden_size": d // 2, "expand": 2, "num_heads": heads, "head_dim": d // heads, "state_size": n}
    config = Mamba2Config(**sizes, n_groups=1, num_hidden_layers=1)
    mixer = Mamba2Mixer(config, layer_idx=0).eval()
    mixer.in_proj = mixer.out_proj = torch.nn.Identity()
    return mixer


def main():
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(7)
    normal = torch.randn

    def report(name, op, inputs, gradient=True):
        with torch.no_grad():
            print(json.dumps({"name": f"PyTorch, {name}", "ms": best(lambda: op(*inputs))}), flush=True)
        if gradient:
            leaves = [t.detach().requires_grad_() for t in inputs]
            y = op(*leaves)
            ms = best(lambda: torch.autograd.grad(y.sum(), leaves, retain_graph=True))
            print(json.dumps({"name": "  backward", "ms": ms}), flush=True)

    for b, l, h, p, n in [(2, 1024, 9, 64, 64), (1, 1024, 32, 64, 64)]:
        inputs = normal(b, l, h, p), normal(b, l, h), normal(b, l, h, n), normal(b, l, h, n), normal(h)
        report(f"discreteSSD b {b}, L {l}, {h} heads of {p}, N {n}", ssd, inputs)
    b, h, p, n = 128, 32, 64, 64
    inputs = normal(b, h, p), normal(b, h), normal(b, h, n), normal(b, h, n), normal(h), normal(b, h, p, n)
    report(f"discreteSSDStep b {b}, {h} heads of {p}, N {n}", ssd_step, inputs, gradient=False)
    b, l, d, heads, n = 1, 1024, 2048, 32, 64
    with torch.no_grad():
        mixer, projected = mamba2_mixer(d, heads, n), normal(b, l, 2 * d + 2 * n + heads)
        ms = best(lambda: mixer(projected))
    name = f"transformers, Mamba-2 mixer b {b}, L {l}, {heads} heads of {d // heads}, N {n}"
    print(json.dumps({"name": name, "ms": ms}), flush=True)
    for b, l, d, n, g in [(2, 1024, 576, 16, 36), (1, 512, 2048, 16, 128)]:
        inputs = (
            normal(b, l, d),
            normal(b, l, d),
            -4 * torch.rand(d, n),
            normal(b, l, g, n),
            normal(b, l, g, n),
            normal(d),
            normal(b, l, d),
        )
        report(f"selectiveScan b {b}, L {l}, {d} channels, N {n}, {g} groups", selective_scan, inputs)
    b, l, c = 2, 2048, 1728
    report(f"causalConv1d b {b}, L {l}, {c} channels, width 4", conv, (normal(b, l, c), normal(c, 4), normal(c)))


main()
