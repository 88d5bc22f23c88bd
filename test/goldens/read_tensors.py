"""Prints what Python's safetensors finds in folders that models.save wrote, one JSON object a line.

    python test/goldens/read_tensors.py folder ...

Of each tensor: type, shape, and the SHA-256 of its values as float32.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np
from safetensors import deserialize


def as_float32(dtype, data):
    if dtype == "F32":
        return np.frombuffer(data, "<f4")
    if dtype == "BF16":
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    if dtype == "F16":
        return np.frombuffer(data, "<f2").astype("<f4")
    raise ValueError(f"no values of type {dtype}")


def tensors(folder):
    index = folder / "model.safetensors.index.json"
    if index.exists():
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    else:
        names = ["model.safetensors"]
    for name in names:
        yield from deserialize((folder / name).read_bytes())


def read(folder):
    return {
        name: {
            "dtype": tensor["dtype"],
            "shape": list(tensor["shape"]),
            "values": hashlib.sha256(as_float32(tensor["dtype"], tensor["data"]).tobytes()).hexdigest(),
        }
        for name, tensor in tensors(folder)
    }


for argument in sys.argv[1:]:
    print(json.dumps(read(pathlib.Path(argument))))
