"""Writes tests/fixtures/torch: small files of torch.save and what they hold.

    python tests/reference/torch_files.py [FOLDER]

read by the library (expected.safetensors, all f32, has what torch.load gives:
`{file}` for one tensor, `{file}/{name}` for those of a dictionary;
expected.json: the names in order, null for one tensor):
    prompt              one tensor (5, 32), as published prompts are
    gradient_edit       the state dict of the gradient regularizer with d = 32
    parameter, scalar, half, bfloat16
    views               a dictionary of strided views, most of one storage
    protocol3 to 5      the same small dictionary by other pickle protocols
    unchecked           without checksums of the records
refused (expected.json: a word of the message):
    legacy, module, double, negated, nested
"""

import collections
import json
import os
import sys

import torch
from safetensors.torch import save_file
from torch import nn

D, RANK, GATE = 32, 32, 24


class RegularizerLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.u = nn.Parameter(torch.randn(D, RANK))
        self.v = nn.Parameter(torch.randn(RANK, D))
        self.bias = nn.Parameter(torch.randn(D))


class GatedLayers(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear_1 = nn.Linear(D, GATE)
        self.linear_2 = nn.Linear(GATE, 1)
        self.layers = nn.ModuleList([RegularizerLayer(), RegularizerLayer()])


class Regularizer(nn.Module):
    """The names and shapes of method section 5."""

    def __init__(self):
        super().__init__()
        for name, size in {"grad_mean": D, "grad_std": D, "grad_s": D, "k": 1}.items():
            self.register_buffer(name, torch.rand(size))
        self.mlp = GatedLayers()


def views():
    base = torch.randn(4, 6)
    return {
        "base": base,
        "transposed": base.t(),
        "every_second": base[1:, ::2],
        "row": base[2],
        "expanded": torch.randn(3, 1).expand(3, 5),
        "empty": base[:0],
        "number": base[3, 5],
    }


def accepted():
    small = collections.OrderedDict(weight=torch.randn(2, 3), bias=torch.randn(3))
    special = torch.tensor([0.0, -0.0, 1e-7, 6e-8, 65504.0, -1.5])
    return {
        "prompt": (torch.randn(5, D) * 18.5, {}),
        "gradient_edit": (Regularizer().state_dict(), {}),
        "parameter": (nn.Parameter(torch.randn(3, 4)), {}),
        "scalar": (torch.tensor(2.5), {}),
        "half": (torch.cat([torch.randn(6), special]).half(), {}),
        "bfloat16": (torch.cat([torch.randn(6), special * 1e30]).bfloat16(), {}),
        "views": (views(), {}),
        **{f"protocol{p}": (small, {"pickle_protocol": p}) for p in (3, 4, 5)},
    }


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "fixtures", "torch")
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(12)

    def place(name):
        return os.path.join(folder, f"{name}.pt")

    for name, (value, options) in accepted().items():
        torch.save(value, place(name), **options)
    torch.serialization.set_crc32_options(False)
    torch.save(torch.randn(2, 2), place("unchecked"))
    torch.serialization.set_crc32_options(True)

    plain = torch.randn(2)
    torch.save(plain, place("legacy"), _use_new_zipfile_serialization=False)
    torch.save(nn.Linear(2, 2), place("module"))
    torch.save({"a": plain.double()}, place("double"))
    torch.save(torch._neg_view(plain), place("negated"))
    torch.save({"model": {"a": plain}}, place("nested"))
    refused = {
        "legacy": "1.6",
        "module": "torch.nn.modules.linear.Linear",
        "double": "DoubleStorage",
        "negated": "negation",
        "nested": "found a dictionary",
    }

    names, values = {}, {}
    for name in [*accepted(), "unchecked"]:
        # torch's own restricted reader stops at protocol 3; these files were written above.
        loaded = torch.load(place(name), weights_only=False)
        if isinstance(loaded, torch.Tensor):
            names[name] = None
            loaded = {None: loaded}
        else:
            names[name] = list(loaded)
        for key, tensor in loaded.items():
            full = name if key is None else f"{name}/{key}"
            values[full] = tensor.detach().float().clone().contiguous()
    save_file(values, os.path.join(folder, "expected.safetensors"))
    with open(os.path.join(folder, "expected.json"), "w", encoding="utf-8") as f:
        json.dump({"accepted": names, "refused": refused}, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
