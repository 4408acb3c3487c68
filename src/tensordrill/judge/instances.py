"""Hidden instances: sizes and fillings on which an answer that means something else gives itself away."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tensordrill.puzzles import Program, Puzzle, Setting, Tensor

EQUAL_SIZE = 3
_TRIES = 50


@dataclass(frozen=True)
class Instance:
    """Sizes for every axis name, a filling (`small` or `wide` whole numbers, `floats`) and a seed for torch.

    `lead` are the sizes that `...` stands for.
    """

    sizes: Mapping[str, int]
    fill: str
    seed: int
    lead: tuple[int, ...] = ()

    def as_json(self, tensors: Sequence[Tensor]) -> dict[str, object]:
        """What a child needs to make the tensors; each is listed once, as `[name, shape, domain, below]`."""
        made: dict[str, list[object]] = {}
        for tensor in tensors:
            shape = [n for axis in tensor.axes for n in (self.lead if axis == "..." else (self.sizes[axis],))]
            domain, _, axis = tensor.domain.partition(":")
            made.setdefault(tensor.name, [tensor.name, shape, domain, self.sizes[axis] if axis else 0])
        return {"sizes": dict(self.sizes), "fill": self.fill, "seed": self.seed, "tensors": list(made.values())}


def request(puzzle: Puzzle, programs: Sequence[Program], chosen: Sequence[Instance]) -> dict[str, object]:
    """What a child is sent: programs to run, and on what."""
    setting = puzzle.setting
    return {
        "programs": [[program.source, program.observe] for program in programs],
        "instances": [instance.as_json(setting.tensors) for instance in chosen],
        "setup": setting.setup,
        "defines": puzzle.defines,
        "dtype": "float32" if setting.dtypes_matter else "float64",
    }


def instances(setting: Setting, seed: int) -> list[Instance]:
    """Distinct sizes; all sizes equal with wide whole numbers, which catches what shapes cannot; distinct with floats.

    No size is 1: torch broadcasts it silently, and a wrong answer would pass. `...` stands for none, one and two axes.
    """
    if setting.instances == 1:
        return [Instance({}, "small", seed)]
    rng = random.Random(seed)  # noqa: S311 -- repeatable, not secret
    fixed = {name: size for name, size in setting.sizes.items() if isinstance(size, int)}
    equal = next(iter(fixed.values()), EQUAL_SIZE)
    free, same = _free_axes(setting)
    fillings = [
        (_distinct(setting, free, same, rng), "small"),
        (dict.fromkeys(free, equal), "wide"),
        (_distinct(setting, free, same, rng), "floats"),
    ]
    made = []
    for leading, (chosen, fill) in enumerate(fillings[: setting.instances]):
        sizes = _resolve(setting, chosen)
        beyond = max(sizes.values(), default=1) + 1
        lead = (equal,) if fill == "wide" else tuple(range(beyond, beyond + leading))
        made.append(Instance(sizes, fill, rng.getrandbits(31), lead))
    return made


def _free_axes(setting: Setting) -> tuple[list[str], dict[str, str]]:
    """The axes to choose sizes for, and which of them must have the size of another.

    A tensor that is listed twice under different axis names ties those names together.
    """
    first: dict[str, tuple[str, ...]] = {}
    pairs = [pair for t in setting.tensors for pair in zip(t.axes, first.setdefault(t.name, t.axes), strict=True)]
    same = {axis: other for axis, other in pairs if axis != other}
    names = [axis for tensor in setting.tensors for axis in tensor.axes] + list(setting.axes)
    names += [t.domain.partition(":")[2] for t in setting.tensors if ":" in t.domain]
    for expression in setting.sizes.values():
        if isinstance(expression, str):
            names += compile(expression, "<size>", "eval").co_names
    return [name for name in dict.fromkeys(names) if name not in setting.sizes and name != "..."], same


def _distinct(setting: Setting, free: Sequence[str], same: Mapping[str, str], rng: random.Random) -> dict[str, int]:
    """Different sizes from 2 up for the free axes, different from the fixed and derived ones too where that can be."""
    taken = {size for size in setting.sizes.values() if isinstance(size, int)}
    pool = [size for size in range(2, len(free) + len(taken) + 5) if size not in taken]
    chosen: dict[str, int] = {}
    for _ in range(_TRIES):
        chosen = dict(zip(free, rng.sample(pool, len(free)), strict=True))
        for axis, other in same.items():
            chosen[axis] = chosen.get(other, chosen.get(axis, 2))
        sizes = [size for name, size in _resolve(setting, chosen).items() if name not in same]
        if len(set(sizes)) == len(sizes):
            break
    return chosen


def _resolve(setting: Setting, chosen: Mapping[str, int]) -> dict[str, int]:
    """All sizes: chosen, fixed, and derived from those."""
    sizes = dict(chosen) | {name: size for name, size in setting.sizes.items() if isinstance(size, int)}
    for name, size in setting.sizes.items():
        if isinstance(size, str):
            sizes[name] = int(eval(size, {"__builtins__": {}}, sizes))  # noqa: S307 -- written by the drill's author
    return sizes
