"""What bench train is held against: a training step of eager PyTorch on the CPU, float32. Prints a JSON line.

Usage: torch_train.py llamba|hybrid|sft BATCH LENGTH STEPS THREADS
The shape is SmolLM2-135M's. The recurrences are written in PyTorch's own operations: Mamba-2 over chunks of
64 tokens as products, Mamba-1 token by token.
"""
import json
import os
import resource
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

D, LAYERS, FF, H, KV, HD, N, V = 576, 30, 1536, 9, 3, 64, 64, 49152
CHUNK = 64


def linear(i, o):
    layer = nn.Linear(i, o, bias=False)
    nn.init.normal_(layer.weight, std=0.02)
    return layer


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.o = linear(D, (H + 2 * KV) * HD), linear(H * HD, D)

    def forward(self, x):
        b, l, _ = x.shape
        angle = torch.outer(torch.arange(l), 1e5 ** (-torch.arange(0, HD, 2) / HD))
        cos, sin = angle.cos(), angle.sin()

        def turn(t):
            p, q = t.chunk(2, -1)
            return torch.cat([p * cos - q * sin, q * cos + p * sin], -1)

        q, k, v = self.qkv(x).view(b, l, -1, HD).transpose(1, 2).split([H, KV, KV], 1)
        y = F.scaled_dot_product_attention(turn(q), turn(k), v, is_causal=True, enable_gqa=True)
        return self.o(y.transpose(1, 2).reshape(b, l, -1))


class Conv(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Conv1d(width, width, 4, groups=width, padding=3)

    def forward(self, x):
        return F.silu(self.inner(x.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2))


def decays(a):
    """exp of sums of a over (s, t], 0 above the diagonal; a is [..., chunk]."""
    sums = a.cumsum(-1)
    apart = sums[..., :, None] - sums[..., None, :]
    seen = torch.ones(a.shape[-1], a.shape[-1], dtype=torch.bool).tril()
    return apart.masked_fill(~seen, -torch.inf).exp()


def ssd(x, a, B, C):
    """y_t = C_t h_t, h_t = exp(a_t) h_(t-1) + B_t x_t; x [b, l, h, p], a [b, l, h], B and C [b, l, h, n]."""
    b, l, h, p = x.shape
    cut = lambda t: t.reshape(b, l // CHUNK, CHUNK, *t.shape[2:])
    x, a, B, C = (cut(t) for t in (x, a, B, C))
    a = a.permute(0, 3, 1, 2)
    sums = a.cumsum(-1)
    inside = torch.einsum("bcthn,bcshn,bhcts,bcshp->bcthp", C, B, decays(a), x)
    ends = torch.einsum("bcshn,bhcs,bcshp->bchpn", B, (sums[..., -1:] - sums).exp(), x)
    before = states_before(ends, sums[..., -1])
    outside = torch.einsum("bcthn,bchpn,bhct->bcthp", C, before, sums.exp())
    return (inside + outside).reshape(b, l, h, p)


def states_before(ends, totals):
    """The state before each chunk, from what each adds; ends [b, c, h, p, n], totals [b, h, c]."""
    state, all_states = torch.zeros_like(ends[:, 0]), []
    for c in range(ends.shape[1]):
        all_states.append(state)
        state = totals[:, :, c].exp()[..., None, None] * state + ends[:, c]
    return torch.stack(all_states, 1)


class Mamba2(nn.Module):
    def __init__(self):
        super().__init__()
        self.sizes = [H * HD + 2 * H * N, H * HD, H]
        self.inner, self.conv, self.o = linear(D, sum(self.sizes)), Conv(self.sizes[0]), linear(H * HD, D)
        self.d = nn.Parameter(torch.ones(H))

    def forward(self, x):
        b, l, _ = x.shape
        xbc, z, a = self.inner(x).split(self.sizes, -1)
        u, B, C = self.conv(xbc).split([H * HD, H * N, H * N], -1)
        u = u.reshape(b, l, H, HD)
        y = ssd(u, -F.softplus(a), B.reshape(b, l, H, N), C.reshape(b, l, H, N)) + u * self.d[:, None]
        return self.o(y.reshape(b, l, -1) * F.silu(z))


class Mamba1(nn.Module):
    def __init__(self, width=H * HD, xb=KV * HD, n=HD, rank=36):
        super().__init__()
        self.sizes, self.groups, self.n = [width, xb, xb, width, rank], width // xb, n
        self.inner, self.dt, self.o = linear(D, sum(self.sizes)), nn.Linear(rank, width), linear(width, D)
        self.conv, self.d = Conv(width), nn.Parameter(torch.ones(width))
        self.a = nn.Parameter(torch.arange(1.0, n + 1).log().expand(width, n).clone())

    def forward(self, x):
        b, l, _ = x.shape
        z, u, B, C, dt = self.inner(x).split(self.sizes, -1)
        repeat = lambda t: t.reshape(b, l, -1, self.n).repeat_interleave(self.groups, 2)
        u = self.conv(repeat(u).reshape(b, l, -1))
        B, C = repeat(B), C.reshape(b, l, -1, self.n)
        heads = B.shape[2]
        split = lambda t: t.reshape(*t.shape[:-1], heads, -1)
        dt, us, a = split(F.softplus(self.dt(dt))), split(u), -self.a.exp().reshape(heads, -1, self.n)
        state, ys = torch.zeros(b, heads, us.shape[-1], self.n), []
        for t in range(l):
            step = dt[:, t, :, :, None]
            state = (step * a).exp() * state + step * us[:, t, :, :, None] * B[:, t, :, None]
            ys.append((state * C[:, t, :, None]).sum(-1))
        y = torch.stack(ys, 1).reshape(b, l, -1) + u * self.d
        return self.o(y * F.silu(z))


class Block(nn.Module):
    def __init__(self, mixer):
        super().__init__()
        self.n1, self.n2 = nn.RMSNorm(D, eps=1e-5), nn.RMSNorm(D, eps=1e-5)
        self.mixer, self.gate, self.up, self.down = mixer, linear(D, FF), linear(D, FF), linear(FF, D)

    def forward(self, x):
        x = x + self.mixer(self.n1(x))
        h = self.n2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Model(nn.Module):
    def __init__(self, mixers):
        super().__init__()
        self.embedding, self.norm = nn.Embedding(V, D), nn.RMSNorm(D, eps=1e-5)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.blocks = nn.ModuleList(Block(mixer()) for mixer in mixers)

    def forward(self, tokens):
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.embedding.weight)


def main():
    case = sys.argv[1]
    batch, length, steps, threads = map(int, sys.argv[2:])
    # As many as the engine takes: cores that this process may use.
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    mixers = dict(
        llamba=[Mamba2] * LAYERS,
        hybrid=[Attention if i % 5 == 2 else Mamba1 for i in range(LAYERS)],
        sft=[Attention] * LAYERS,
    )[case]
    student = Model(mixers)
    teacher = None if case == "sft" else Model([Attention] * LAYERS).requires_grad_(False)
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-5, fused=True)
    tokens = torch.randint(0, V, (batch, length))

    def step():
        start = time.perf_counter()
        logits = student(tokens)
        if teacher is None:
            loss = F.cross_entropy(logits.flatten(0, 1), tokens.roll(-1, 1).flatten())
        else:
            with torch.no_grad():
                theirs = teacher(tokens).log_softmax(-1)
            own = logits.log_softmax(-1)
            loss = (own.exp() * (own - theirs)).sum(-1).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return (time.perf_counter() - start) * 1e3

    step()
    step()
    ms = statistics.median(step() for _ in range(steps))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(dict(ms=ms, peakBytes=peak, about=f"PyTorch {torch.__version__.split('+')[0]}")))


main()
