"""Samples with PyTorch's transformers in float32, for bench/decode.ts to time.

Arguments: the GGUF file (its weights are dequantised at load), threads. Standard input: one JSON
request a line, {"prompt": ids, "batch": n, "new": n, "temperature": t}. Standard output: one JSON
line when ready, then one a request with its seconds; {"error": text} where a request failed.
"""

import json
import os
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch  # noqa: E402
import transformers  # noqa: E402


def say(value):
    print(json.dumps(value), flush=True)


def open_model(file, threads):
    torch.set_num_threads(threads)
    transformers.utils.logging.disable_progress_bar()
    folder, name = os.path.split(file)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, dtype=torch.float32
    ).eval()
    # No text ends early: all rows draw the same number of tokens.
    model.generation_config.eos_token_id = None
    return model


def sample(model, request):
    rows = torch.tensor([request["prompt"]]).repeat(request["batch"], 1)
    options = dict(
        attention_mask=torch.ones_like(rows),
        do_sample=True,
        temperature=request["temperature"],
        top_k=0,
        top_p=1.0,
        max_new_tokens=request["new"],
        pad_token_id=0,
        eos_token_id=None,
    )
    start = time.perf_counter()
    with torch.inference_mode():
        out = model.generate(rows, **options)
    seconds = time.perf_counter() - start
    drawn = out.shape[1] - rows.shape[1]
    if drawn != request["new"]:
        raise RuntimeError(f"a batch ended after {drawn} of {request['new']} tokens")
    return {"seconds": seconds}


def main():
    try:
        model = open_model(sys.argv[1], int(sys.argv[2]))
    except Exception as error:
        say({"error": f"{type(error).__name__}: {error}"})
        return 1
    say({"ready": True})
    for line in sys.stdin:
        try:
            say(sample(model, json.loads(line)))
        except Exception as error:
            say({"error": f"{type(error).__name__}: {error}"})
    return 0


if __name__ == "__main__":
    sys.exit(main())
