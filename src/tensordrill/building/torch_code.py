"""A contraction as torch code."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tensordrill.building.contraction import Contraction
from tensordrill.rng import Rng


@dataclass(frozen=True)
class Code:
    """A torch expression and the axes of what it gives. `...` may stand first: axes are then counted from the end."""

    text: str
    axes: tuple[str, ...]
    atomic: bool = True

    @property
    def wrapped(self) -> str:
        return self.text if self.atomic else f"({self.text})"

    def turned(self, axes: Sequence[str]) -> "Code":
        """With its axes in that order."""
        axes = tuple(axes)
        if axes == self.axes:
            return self
        if len(axes) == 2 and "..." not in axes:  # noqa: PLR2004 -- a matrix
            return Code(f"{self.wrapped}.T", axes)
        if axes[:-2] == self.axes[:-2]:
            return Code(f"{self.wrapped}.mT", axes)
        return Code(f"{self.wrapped}.permute({', '.join([str(self.axes.index(axis)) for axis in axes])})", axes)

    def summed(self, away: Sequence[str]) -> "Code":
        rest = tuple([axis for axis in self.axes if axis not in away])
        if rest == self.axes:
            return self
        if not rest:
            return Code(f"{self.wrapped}.sum()", ())
        dims = [i - len(self.axes) * ("..." in self.axes) for i, axis in enumerate(self.axes) if axis in away]
        return Code(f"{self.wrapped}.sum({dims[0] if len(dims) == 1 else tuple(dims)})", rest)

    def diagonal(self) -> "Code":
        """With the axis that it has twice taken once, as the last."""
        twice = next((axis for axis in self.axes if self.axes.count(axis) > 1), None)
        if twice is None:
            return self
        rest = tuple([axis for axis in self.axes if axis != twice])
        first, second = (i - len(self.axes) for i, axis in enumerate(self.axes) if axis == twice)
        if "..." not in self.axes:
            first, second = first % len(self.axes), second % len(self.axes)
        dims = "" if (first, second) == (0, 1) else f"dim1={first}, dim2={second}"
        return Code(f"{self.text}.diagonal({dims})", (*rest, twice))

    def __matmul__(self, other: "Code") -> "Code":
        right = other.text if other.atomic else other.wrapped
        axes = (*self.axes[:-1], *other.axes[-1:]) if len(other.axes) > 1 else self.axes[:-1]
        return Code(
            f"{self.text if self.text.count(' * ') == 0 or self.atomic else self.wrapped} @ {right}", axes, atomic=False
        )

    def times(self, other: "Code", axes: Sequence[str]) -> "Code":
        """Entry by entry; both are in the order of `axes`, and may lack some of them."""
        one, two = self.stretched(axes), other.stretched(axes)
        return Code(f"{one} * {two}", tuple(axes), atomic=False)

    def stretched(self, axes: Sequence[str]) -> str:
        """The text, with `None` for those of the axes that it lacks and broadcasting does not add in front."""
        index = [("..." if axis == "..." else ":") if axis in self.axes else "None" for axis in axes]
        while index[0] == "None":
            del index[0]
        while index[-1] == ":":
            del index[-1]
            if not index:
                return self.wrapped
        return self.wrapped if "None" not in index else f"{self.wrapped}[{', '.join(index)}]"


def product_code(one: Code, two: Code, output: Sequence[str]) -> Code:
    """The product of two tensors, summed over what the output lacks: a matrix product where it is one."""
    both = [axis for axis in one.axes if axis in two.axes]
    inner = [axis for axis in both if axis not in output]
    batch = [axis for axis in both if axis in output]
    left, right = ([axis for axis in code.axes if axis not in both] for code in (one, two))
    if len(inner) == 1 and len(right) < 2 and (not batch or len(left) == len(right) == 1):  # noqa: PLR2004
        straight = [axis for axis in output if axis in left + right]
        if len(left) == len(right) == 1 and straight == [*right, *left]:
            one, two, left, right = two, one, right, left
        made = one.turned([*batch, *left, *inner]) @ two.turned([*batch, *inner, *right])
    else:
        every = list(dict.fromkeys([*output, *one.axes, *two.axes]))
        whole = [code.axes for code in (one, two) if set(code.axes) == set(every)]
        if whole and tuple(output) not in whole:
            every = list(whole[0])
        turned = [code.turned([axis for axis in every if axis in code.axes]) for code in (one, two)]
        made = turned[0].times(turned[1], every)
    rest = [axis for axis in made.axes if axis in output]
    return made.summed([axis for axis in made.axes if axis not in rest])


def code_for(net: Contraction, *, steps: bool = False) -> Code:
    """Code that computes the contraction from left to right; `steps` gives what comes in between a name."""
    operands = [Code(name, axes) for name, axes in zip(net.names, net.operands, strict=True)]
    made, *others = operands
    made = made.diagonal()
    lines = []
    for at, other in enumerate(others, 1):
        later = [axis for code in others[at:] for axis in code.axes] + list(net.output)
        wanted = [axis for axis in dict.fromkeys([*made.axes, *other.axes]) if axis in later]
        if at == len(others):
            wanted = list(net.output)
        elif steps:
            made = product_code(made, other, wanted)
            lines.append(f"h = {made.text}")
            made = Code("h", made.axes)
            continue
        made = product_code(made, other, wanted)
    made = made.summed([axis for axis in made.axes if axis not in net.output]).turned(net.output)
    if made.text.endswith(".diagonal().sum()"):
        made = Code(made.text.replace(".diagonal().sum()", ".trace()"), ())
    if lines:
        return Code("\n".join([*lines, f"out = {made.text}"]), made.axes)
    return made


STYLES = (
    ((".T", ".t()"), (".mT", ".transpose(-1, -2)"), (".sum(", ".sum(dim=")),
    ((".mT", ".transpose(1, 2)"),),
    ((".T", ".transpose(0, 1)"), (".mT", ".swapaxes(1, 2)")),
    (),
    (),
)


def restyled(rng: Rng, code: str) -> str:
    """The same code as somebody else writes it."""
    for old, new in rng.pick(STYLES):
        code = re.sub(rf"{re.escape(old)}(?![a-zA-Z)])", new, code)
    if rng.chance(0.3):
        code = re.sub(
            r"^((?:out|h) = )?(\w+(?:\.\w+(?:\([^()]*\))?)?) @ (\w+(?:\.\w+(?:\([^()]*\))?)?)$",
            r"\1torch.matmul(\2, \3)",
            code,
            flags=re.MULTILINE,
        )
    return code
