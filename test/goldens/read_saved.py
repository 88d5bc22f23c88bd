"""Prints what Python finds in folders that models.save wrote, one JSON object a line.

    python test/goldens/read_saved.py folder[=token ids with commas] ...

For a Llama with token ids, the logits of transformers; for a folder with a tokenizer, the ids of a
text.
"""

import json
import pathlib
import sys


TEXT = "Tom has 12 apples.  He's giving 5 away\n<|im_end|>"


def read(argument):
    path, _, tokens = argument.partition("=")
    folder = pathlib.Path(path)
    found = {}
    if tokens:
        import torch
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
