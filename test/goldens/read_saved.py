"""Prints what Python finds in folders that models.save wrote, one JSON object a line.

    python test/goldens/read_saved.py folder[=token ids with commas] ...

Each tensor's dtype, shape, sum and sum of squares in float64; for a Llama with token ids, the logits
of transformers; for a folder with a tokenizer, the ids of a text.
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import load_file

TEXT = "Tom has 12 apples.  He's giving 5 away\n<|im_end|>"


def tensors(folder):
    index = folder / "model.safetensors.index.json"
    if index.exists():
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    else:
        names = ["model.safetensors"]
    return {k: t for name in names for k, t in load_file(folder / name).items()}


def summary(tensor):
    values = tensor.to(torch.float64)
    return {
        "dtype": str(tensor.dtype),
        "shape": list(tensor.shape),
        "sum": values.sum().item(),
        "squares": (values * values).sum().item(),
    }


def read(argument):
    path, _, tokens = argument.partition("=")
    folder = pathlib.Path(path)
    found = {"config": json.loads((folder / "config.json").read_text())}
    found["tensors"] = {name: summary(t) for name, t in tensors(folder).items()}
    if tokens:
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        ids = torch.tensor([[int(t) for t in tokens.split(",")]])
        with torch.no_grad():
            found["logits"] = model(ids).logits[0].tolist()
    if (folder / "tokenizer.json").exists():
        from tokenizers import Tokenizer

        found["text"] = TEXT
        found["ids"] = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(TEXT).ids
    return found


for argument in sys.argv[1:]:
    print(json.dumps(read(argument)))
