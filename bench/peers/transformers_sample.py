"""Samples with transformers at SmolLM2-135M's shape and random weights, for bench/sampling.ts.

Usage: transformers_sample.py BATCHES PROMPT NEW PRECISION
Every row draws NEW tokens after one prompt of PROMPT tokens, none stopping early, on the first GPU or, where
there is none, the processor. Prints a JSON line for every batch: the milliseconds of the faster of the dynamic
and, on a GPU, the static cache, each the second of two runs.
"""
import json
import os
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch  # noqa: E402
import transformers  # noqa: E402

batches, prompt, new = sys.argv[1].split(","), int(sys.argv[2]), int(sys.argv[3])
dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[sys.argv[4]]
gpu = torch.cuda.is_available()
device = "cuda" if gpu else "cpu"
ABOUT = f"transformers {transformers.__version__}, PyTorch {torch.__version__.split('+')[0]}, {sys.argv[4]}"

config = transformers.LlamaConfig(
    hidden_size=576,
    num_hidden_layers=30,
    intermediate_size=1536,
    num_attention_heads=9,
    num_key_value_heads=3,
    vocab_size=49152,
    tie_word_embeddings=True,
    max_position_embeddings=max(2048, prompt + new),
)
model = transformers.LlamaForCausalLM(config).to(device, dtype).eval()
# No text ends early: all rows draw the same number of tokens.
model.generation_config.eos_token_id = None


def seconds(rows, cache):
    options = dict(
        attention_mask=torch.ones_like(rows),
        do_sample=True,
        temperature=1.0,
        top_k=0,
        pad_token_id=0,
        min_new_tokens=new,
        max_new_tokens=new,
    )
    if cache == "static":
        options["cache_implementation"] = "static"
    times = []
    for _ in range(2):
        start = time.perf_counter()
        with torch.inference_mode():
            out = model.generate(rows, **options)
        if gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    assert out.shape[1] == prompt + new, out.shape
    return times[-1]


for batch in batches:
    case = f"batch {batch}"
    rows = torch.randint(0, config.vocab_size, (1, prompt), device=device).repeat(int(batch), 1)
    took = {}
    for cache in ("dynamic", "static") if gpu else ("dynamic",):
        try:
            took[cache] = seconds(rows, cache)
        except Exception as error:  # noqa: BLE001
            print(json.dumps(dict(case=f"{case}, {cache} cache", error=str(error)[:400], about=ABOUT)), flush=True)
    if took:
        print(json.dumps(dict(case=case, ms=1e3 * min(took.values()), about=ABOUT)), flush=True)
