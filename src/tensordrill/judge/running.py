"""In a child: makes an instance, runs a program on it, and turns what is observed into data. Imports torch.

What runs here is not trusted, and neither is what this writes: the reader (`values`) checks all of it.

An answer shares this process with what observes it, and could report what it likes. There is no reference here that it
could report: numbers have to be computed. What can be guessed (that no hook is left) it can also forge, by reaching for
this module's frames; but that is more work than to ask `tensordrill show --solution`.
"""

import base64
import math
import random
import traceback
import types
from functools import lru_cache
from typing import Any, TypedDict

import einops
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 -- as everybody writes it, and as learners do
from torch import nn

from tensordrill.judge.values import FORMATS, MAX_ELEMENTS

_ANSWER = "<answer>"
_MAX_MESSAGE = 1_500
_MAX_DIGITS = 3_000
_MAX_DEPTH = 15


class Job(TypedDict):
    """Programs (source and what to observe), and what they run on. `dtype` is the default one.

    `defines` is the one name that the set-up and the observing take over from a program; empty where they share all.
    """

    programs: list[Any]  # pairs; JSON makes lists of them
    instances: list[dict[str, Any]]
    setup: str
    defines: str
    dtype: str


class Unshowable(Exception):
    """A value that is too large or too deep to be sent."""


WARM_UP: list[Job] = [
    {
        "programs": [
            [
                """
layer = nn.Linear(d, 3)
loss = F.cross_entropy(layer(torch.einsum("nd,nd->nd", x, x)), torch.zeros(n, dtype=torch.long))
loss.backward()
answer = einops.rearrange(x, "n d -> (d n)").softmax(-1)
""",
                [["answer", "answer"], ["shape", "tuple(x.shape)"], ["state", "layer.state_dict()"]],
            ]
        ],
        "instances": [{"sizes": {"n": 2, "d": 4}, "fill": "floats", "seed": 0, "tensors": [["x", [2, 4], "any", 0]]}],
        "setup": "",
        "defines": "",
        "dtype": "float64",
    }
]
"""A request that does what most answers do. What is slow the first time is then done."""


def import_the_rest() -> None:
    """Import what torch imports with an optimizer's first step or with torch.func: it takes as long as torch itself."""
    layer = nn.Linear(2, 2)
    layer(torch.ones(1, 2)).sum().backward()
    torch.optim.AdamW(layer.parameters()).step()


def run(jobs: list[Job]) -> list[list[list[dict[str, object]]]]:
    """Each job's programs on its instances: `{"values": [[name, value]]}` or `{"raised": [type, message, line]}`."""
    return [[_on_instances(source, observe, job) for source, observe in job["programs"]] for job in jobs]


def _on_instances(source: str, observe: list[list[str]], job: Job) -> list[dict[str, object]]:
    results: list[dict[str, object]] = []
    for instance in job["instances"]:
        raised = results[-1].get("raised") if results else None
        if isinstance(raised, list) and raised[0] == "MemoryError":
            results.append(results[-1])  # filling the memory again takes seconds and says no more
        else:
            results.append(_one(source, observe, instance, job))
    return results


def scope() -> dict[str, object]:
    """The names that every answer may use."""
    module = types.ModuleType("answer")
    return module.__dict__ | {
        "torch": torch,
        "nn": nn,
        "F": F,
        "np": np,
        "math": math,
        "einops": einops,
        "rearrange": einops.rearrange,
        "reduce": einops.reduce,
        "repeat": einops.repeat,
        "Tensor": torch.Tensor,
        "__name__": "answer",
    }


def _one(source: str, observe: list[list[str]], instance: dict[str, Any], job: Job) -> dict[str, object]:
    torch.set_default_dtype(getattr(torch, job["dtype"]))
    torch.set_grad_enabled(True)
    names = scope() | instance["sizes"]
    generator = torch.Generator().manual_seed(instance["seed"])
    for name, shape, domain, below in instance["tensors"]:
        names[name] = _fill(shape, domain, below, instance["fill"], generator)
    _seed(instance["seed"])
    try:
        exec(_compiled(job["setup"], "<setup>"), names)  # noqa: S102 -- what this process is for
        own = dict(names) if job["defines"] else names
        exec(_compiled(source, _ANSWER), own)  # noqa: S102
        if job["defines"]:
            names[job["defines"]] = own[job["defines"]]
        values = [[name, _encode(eval(_compiled(code, "<observed>", "eval"), names), 0)] for name, code in observe]  # noqa: S307
    except BaseException as error:  # noqa: BLE001 -- SystemExit and KeyboardInterrupt are answers too
        return {"raised": [_type(error), _message(error), _line(error)]}
    return {"values": values}


@lru_cache(maxsize=100)
def _compiled(source: str, where: str, mode: str = "exec") -> types.CodeType:
    """The code, which several instances run."""
    return compile(source, where, mode, dont_inherit=True)


def _seed(seed: int) -> None:
    """Begin every stream of random numbers anew."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 -- seeds what a learner's np.random calls draw from
    # torch.manual_seed() keeps a call, with the stack as text, for each kind of device that was never used: that took
    # half of the time of an answer.
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(seed)


def _fill(shape: list[int], domain: str, below: int, fill: str, generator: torch.Generator) -> torch.Tensor:
    if domain == "index":
        return torch.randint(0, below, shape, generator=generator)
    if domain == "mask":
        mask = torch.rand(shape, generator=generator) < 0.5  # noqa: PLR2004 -- a fair coin
        if mask.numel() > 1:
            # Both values must be there, or an inverted or ignored mask could pass.
            first, second = torch.randperm(mask.numel(), generator=generator)[:2].tolist()
            mask.view(-1)[first], mask.view(-1)[second] = True, False
        return mask
    if fill == "floats":
        values = torch.randn(shape, generator=generator, dtype=torch.float64)
        values = values.abs() + 0.1 if domain == "positive" else values
    else:
        reach = 9 if fill == "small" else 99
        low = 1 if domain == "positive" else -reach
        values = torch.randint(low, reach + 1, shape, generator=generator).double()
    return values.to(torch.get_default_dtype())


def _encode(value: object, depth: int) -> list[object]:
    if depth > _MAX_DEPTH:
        raise Unshowable("the result is nested too deeply to be compared")
    match value:
        case torch.Tensor():
            return _encode_tensor(value)
        case np.ndarray() | np.generic():
            array = np.asarray(value)
            return ["array", *_encode_tensor(torch.from_numpy(array.copy()))[1:]]
        case bool():
            return ["bool", value]
        case int():
            if value.bit_length() > _MAX_DIGITS:
                raise Unshowable("the result is a number too large to be compared")
            return ["int", str(int(value))]
        case float():
            return ["float", repr(float(value))]
        case str():
            return ["str", value[:_MAX_MESSAGE]]
        case None:
            return ["none"]
        case torch.dtype():
            return ["dtype", str(value)]
        case list() | tuple():
            kind = "list" if isinstance(value, list) else "tuple"
            return [kind, [_encode(item, depth + 1) for item in value]]
        case dict():
            keys = [repr(key)[:200] for key in value]  # 0 is not "0"
            return ["dict", keys, [_encode(item, depth + 1) for item in value.values()]]
    return ["other", type(value).__name__]


def _encode_tensor(tensor: torch.Tensor) -> list[object]:
    if math.prod(max(size, 1) for size in tensor.shape) > MAX_ELEMENTS:  # one without entries may be long all the same
        raise Unshowable(f"the result has shape {tuple(tensor.shape)}, too large to be compared")
    if tensor.device.type == "meta" or tensor.layout is not torch.strided:
        return ["other", f"{tensor.layout} tensor on {tensor.device.type}"]
    if str(tensor.dtype).removeprefix("torch.") not in FORMATS:
        return ["other", f"tensor of {str(tensor.dtype).removeprefix('torch.')}"]
    plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    # contiguous() would keep the stride of a single entry, and view() would refuse it.
    plain = plain.clone(memory_format=torch.contiguous_format).reshape(-1)
    data = plain.view(torch.uint8).numpy().tobytes() if plain.numel() else b""
    return ["tensor", str(tensor.dtype).removeprefix("torch."), list(tensor.shape), base64.b64encode(data).decode()]


def _type(error: BaseException) -> str:
    """The name of its type; torch's own words for too little memory are a MemoryError too."""
    if isinstance(error, RuntimeError) and "can't allocate memory" in _message(error):
        return "MemoryError"
    return type(error).__name__


def _message(error: BaseException) -> str:
    try:
        return str(error)[:_MAX_MESSAGE]
    except BaseException:  # noqa: BLE001 -- an answer's own exception may fail to print
        return ""


def _line(error: BaseException) -> int:
    frames = list(traceback.walk_tb(error.__traceback__))  # extract_tb() would read torch's own source
    return next((line for frame, line in reversed(frames) if frame.f_code.co_filename == _ANSWER), 0)
