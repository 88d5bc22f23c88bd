"""What bench gpu-* is held against: PyTorch on one GPU. Prints a JSON line for every case.

Usage: torch_gpu.py scan
       torch_gpu.py decode CONTEXT BATCHES MODELS
       torch_gpu.py distil MODEL BATCH LENGTH
The SSD is the Triton kernel of state-spaces/mamba, from a checkout that MAMBA_SRC names.
"""
import json
import os
import sys
import time
import types

import torch
import torch.nn as nn
import torch.nn.functional as F

BF16 = torch.bfloat16
SHAPES = {
    "smollm2-135m": dict(d=576, layers=30, ff=1536, h=9, kv=3, hd=64, n=64, v=49152),
    "llama-3.2-1b": dict(d=2048, layers=16, ff=8192, h=32, kv=8, hd=64, n=64, v=128256),
    "llama-3.2-3b": dict(d=3072, layers=28, ff=8192, h=24, kv=8, hd=128, n=128, v=128256),
}
ABOUT = f"PyTorch {torch.__version__.split('+')[0]}"


def say(case, ms, about):
    print(json.dumps(dict(case=case, ms=ms, about=f"{ABOUT}, {about}")), flush=True)


def failed(case, error):
    print(json.dumps(dict(case=case, error=str(error)[:400], about=ABOUT)), flush=True)


def chunk_scan():
    source = os.environ.get("MAMBA_SRC")
    if not source:
        raise RuntimeError("MAMBA_SRC names no checkout of state-spaces/mamba")
    # The package's own start imports compiled extensions that the Triton kernels do not need.
    package = types.ModuleType("mamba_ssm")
    package.__path__ = [os.path.join(source, "mamba_ssm")]
    sys.modules.setdefault("mamba_ssm", package)
    from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined
    return mamba_chunk_scan_combined


def timed(body, runs=20):
    for _ in range(5):
        body()
    torch.cuda.synchronize()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(runs):
        body()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / runs


def replayed(body):
    """As `timed`, of a CUDA graph: what the kernels take, without Python between their launches."""
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            body()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        body()
    return timed(graph.replay)


def scan():
    kernel = chunk_scan()
    for b, l in ((4, 2048), (1, 8192), (8, 512)):
        for h, p, n in ((32, 64, 64), (24, 128, 128)):
            case = f"SSD H {h}, P {p}, N {n} {b} {l}"
            x = torch.randn(b, l, h, p, device="cuda", dtype=BF16, requires_grad=True)
            B, C = (torch.randn(b, l, h, n, device="cuda", dtype=BF16, requires_grad=True) for _ in range(2))
            dt = F.softplus(torch.randn(b, l, h, device="cuda") - 4).detach().requires_grad_()
            A = (-torch.rand(h, device="cuda") - 0.1).requires_grad_()
            dy = torch.randn(b, l, h, p, device="cuda", dtype=BF16)
            run = lambda: kernel(x, dt, A, B, C, chunk_size=256 if n <= 64 else 128, D=None)

            def both():
                return torch.autograd.grad(run(), (x, dt, A, B, C), dy)

            try:
                with torch.no_grad():
                    say(f"scan forward {case}", replayed(run), "state-spaces/mamba's Triton SSD, bfloat16")
                say(f"scan forward and backward {case}", replayed(both), "state-spaces/mamba's Triton SSD, bfloat16")
            except Exception as error:  # noqa: BLE001
                failed(case, error)


def rms(x, w):
    v = x.float()
    return (v * torch.rsqrt(v.pow(2).mean(-1, keepdim=True) + 1e-5)).to(x.dtype) * w


def turn(t, cos, sin):
    a, b = t.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def decode(context, batches, models):
    torch.set_default_dtype(BF16)
    torch.set_default_device("cuda")
    torch._dynamo.config.cache_size_limit = 64

    @torch.compile(dynamic=False)
    def layer(x, w, k, v, cos, sin, at, h: int, kv: int, hd: int):
        b = x.shape[0]
        q, key, value = (rms(x, w["n1"]) @ w["qkv"]).split([h * hd, kv * hd, kv * hd], -1)
        k.index_copy_(1, at, turn(key.view(b, kv, hd), cos, sin).unsqueeze(1))
        v.index_copy_(1, at, value.view(b, 1, kv, hd))
        q = turn(q.view(b, h, hd), cos, sin).unsqueeze(2)
        o = F.scaled_dot_product_attention(q, k.transpose(1, 2), v.transpose(1, 2), enable_gqa=True)
        x = x + o.reshape(b, h * hd) @ w["o"]
        gate, up = (rms(x, w["n2"]) @ w["gu"]).chunk(2, -1)
        return x + (F.silu(gate) * up) @ w["down"]

    @torch.compile(dynamic=False)
    def head(x, norm, embedding):
        logits = (rms(x, norm) @ embedding.T).float()
        return (logits - torch.log(-torch.log(torch.rand_like(logits)))).argmax(-1)

    for name in models:
        c = SHAPES[name]
        d, h, kv, hd = c["d"], c["h"], c["kv"], c["hd"]
        normal = lambda *shape: torch.randn(shape) * shape[0] ** -0.5
        ws = [dict(n1=torch.ones(d), n2=torch.ones(d), qkv=normal(d, (h + 2 * kv) * hd), o=normal(h * hd, d),
                   gu=normal(d, 2 * c["ff"]), down=normal(c["ff"], d)) for _ in range(c["layers"])]
        embedding, norm = torch.randn(c["v"], d), torch.ones(d)
        angle = context / 1e5 ** (torch.arange(0, hd, 2, dtype=torch.float32) / hd)
        cos, sin = angle.cos().to(BF16), angle.sin().to(BF16)
        for b in batches:
            try:
                ks, vs = ([torch.randn(b, context + 1, kv, hd) for _ in ws] for _ in range(2))
                token, at = torch.zeros(b, dtype=torch.long), torch.tensor([context])

                def step():
                    x = embedding[token]
                    for w, k, v in zip(ws, ks, vs):
                        x = layer(x, w, k, v, cos, sin, at, h, kv, hd)
                    token.copy_(head(x, norm, embedding))

                with torch.no_grad():
                    side = torch.cuda.Stream()
                    side.wait_stream(torch.cuda.current_stream())
                    with torch.cuda.stream(side):
                        for _ in range(3):
                            step()
                    torch.cuda.current_stream().wait_stream(side)
                    graph = torch.cuda.CUDAGraph()
                    with torch.cuda.graph(graph):
                        step()
                    say(f"{name} {b}", timed(graph.replay, 50), "compiled, one CUDA graph, bfloat16")
                del graph, ks, vs
            except Exception as error:  # noqa: BLE001
                failed(f"{name} {b}", error)
            torch.cuda.empty_cache()
        del ws, embedding


class Norm(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.w = nn.Parameter(torch.ones(d))

    def forward(self, x):
        return F.rms_norm(x.float(), (x.shape[-1],), self.w, 1e-5).to(BF16)


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.up, self.down = nn.Linear(c["d"], 2 * c["ff"], bias=False), nn.Linear(c["ff"], c["d"], bias=False)

    def forward(self, x):
        gate, up = self.up(x).chunk(2, -1)
        return self.down(F.silu(gate) * up)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.qkv = nn.Linear(c["d"], (c["h"] + 2 * c["kv"]) * c["hd"], bias=False)
        self.out = nn.Linear(c["h"] * c["hd"], c["d"], bias=False)

    def forward(self, x):
        c, (b, l) = self.c, x.shape[:2]
        q, k, v = self.qkv(x).view(b, l, -1, c["hd"]).transpose(1, 2).split([c["h"], c["kv"], c["kv"]], 1)
        angle = torch.arange(l, device=x.device)[:, None] / 1e5 ** (torch.arange(0, c["hd"], 2, device=x.device) / c["hd"])
        q, k = (turn(t, angle.cos(), angle.sin()).to(BF16) for t in (q, k))
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.out(o.transpose(1, 2).reshape(b, l, -1))


class Ssd(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c, d, h, n = c, c["h"] * c["hd"], c["h"], c["n"]
        mixed = d + 2 * h * n
        self.inp, self.out = nn.Linear(c["d"], mixed + d + h, bias=False), nn.Linear(d, c["d"], bias=False)
        self.conv, self.skip = nn.Conv1d(mixed, mixed, 4, groups=mixed, padding=3), nn.Parameter(torch.ones(h))
        self.kernel = torch.compiler.disable(chunk_scan())

    def forward(self, x):
        c, (b, l) = self.c, x.shape[:2]
        d, h, n = c["h"] * c["hd"], c["h"], c["n"]
        mixed, z, a = self.inp(x).split([d + 2 * h * n, d, h], -1)
        mixed = self.conv(mixed.transpose(1, 2))[..., :l].transpose(1, 2)
        u, B, C = mixed.split([d, h * n, h * n], -1)
        u, dt = u.reshape(b, l, h, -1), F.softplus(a).float()
        rate = -torch.ones(h, device=x.device)
        y = self.kernel(u / dt.to(u.dtype)[..., None], dt, rate, B.reshape(b, l, h, n), C.reshape(b, l, h, n), chunk_size=256)
        return self.out((y + u * self.skip.to(u.dtype)[:, None]).flatten(2) * F.silu(z))


class Block(nn.Module):
    def __init__(self, c, mixer):
        super().__init__()
        self.n1, self.mix, self.n2, self.mlp = Norm(c["d"]), mixer(c), Norm(c["d"]), Mlp(c)

    def forward(self, x):
        x = x + self.mix(self.n1(x))
        return x + self.mlp(self.n2(x))


class Lm(nn.Module):
    def __init__(self, c, mixer):
        super().__init__()
        self.embedding, self.norm = nn.Embedding(c["v"], c["d"]), Norm(c["d"])
        self.blocks = nn.ModuleList(Block(c, mixer) for _ in range(c["layers"]))

    def forward(self, tokens):
        x = self.embedding(tokens).to(BF16)
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.embedding.weight.to(BF16).T


def distil(name, b, l):
    c = SHAPES[name]

    @torch.compile
    def reverse_kl(student, teacher):
        s, t = student.float().log_softmax(-1), teacher.float().log_softmax(-1)
        return (s.exp() * (s - t)).sum(-1).mean()

    for kind, mixer in (("llamba", Ssd), ("llama", Attention)):
        try:
            with torch.device("cuda"):
                teacher, student = Lm(c, Attention).to(BF16).requires_grad_(False), Lm(c, mixer)
            for block in (*teacher.blocks, *student.blocks):
                block.compile()
            optimizer = torch.optim.AdamW(student.parameters(), lr=1e-5, fused=True)
            tokens = torch.randint(0, c["v"], (b, l), device="cuda")

            def step():
                with torch.autocast("cuda", BF16):
                    with torch.no_grad():
                        wanted = teacher(tokens)
                    loss = reverse_kl(student(tokens), wanted)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)

            for _ in range(4):
                step()
            torch.cuda.synchronize()
            start = time.time()
            for _ in range(8):
                step()
            torch.cuda.synchronize()
            gib = torch.cuda.max_memory_allocated() / 2**30
            say(kind, (time.time() - start) / 8 * 1e3, "compiled blocks, bfloat16 autocast, fused AdamW")
            print(f"{kind}: {gib:.1f} GiB at most", file=sys.stderr)
            del teacher, student, optimizer
        except Exception as error:  # noqa: BLE001
            failed(kind, error)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        torch._dynamo.reset()


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "scan":
        scan()
    elif what == "decode":
        decode(int(rest[0]), [int(n) for n in rest[1].split(",")], rest[2].split(","))
    elif what == "distil":
        distil(rest[0], int(rest[1]), int(rest[2]))
    else:
        sys.exit(f"torch_gpu.py takes scan, decode or distil, got '{what}'")
