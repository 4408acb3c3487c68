"""Writes the names that an answer may be completed to: `make names`. A session reads the table, and needs no torch."""

import inspect
from types import ModuleType

import einops
import numpy as np
import torch
from torch import nn
from torch.nn import functional

MODULES: dict[str, ModuleType] = {
    "torch": torch,
    "torch.autograd": torch.autograd,
    "torch.func": torch.func,
    "torch.linalg": torch.linalg,
    "torch.nn.utils": torch.nn.utils,
    "torch.optim": torch.optim,
    "torch.utils.data": torch.utils.data,
    "F": functional,
    "nn": nn,
    "np": np,
    "einops": einops,
}


CLASSES = ("nn", "torch.optim", "torch.utils.data", "torch.autograd")  # where answers use classes too


def table() -> dict[str, list[str]]:
    """The public names of each module as answers call it, and under `Tensor` the methods and attributes of a tensor."""
    found = {
        called: [name for name in sorted(dir(module)) if _worth_typing(module, name, classes=called in CLASSES)]
        for called, module in MODULES.items()
    }
    found["Tensor"] = [name for name in sorted(dir(torch.Tensor)) if not name.startswith("_")]
    return found


def _worth_typing(module: ModuleType, name: str, *, classes: bool) -> bool:
    value = getattr(module, name, None)
    if name.startswith("_") or inspect.ismodule(value) or getattr(value, "__module__", "") == "typing":
        return False
    return classes if inspect.isclass(value) else name == name.lower() and not name.endswith("_")


if __name__ == "__main__":
    for called, names in table().items():
        print(called, *names)
