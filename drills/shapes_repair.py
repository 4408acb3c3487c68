"""Shapes: broadcasting that is meant along other axes than it goes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from tensordrill.authoring import Rng, Tensor, WriteExpression, Wrong, drill

Axes = tuple[str, ...]
GUIDED, COMPOSED = 1, 3  # levels
LETTERS = {
    "sample": "n", "feature": "f", "prompt": "b", "token": "t", "position": "s", "neuron": "d", "latent": "m",
    "expert": "e", "head": "h", "query": "i", "key": "j", "image": "n", "channel": "c", "row": "i", "column": "j",
    "game": "g", "layer": "l",
}  # fmt: skip
_NEARBY = 3  # other places that are looked at for each operand


@dataclass(frozen=True)
class Operand:
    """A tensor, or a statistic of one, and its axes as they are stored. `kept` is a statistic with its axes kept."""

    code: str
    axes: Axes
    words: str
    domain: str = "any"
    kept: str = ""
    others: tuple[str, ...] = ()  # a statistic over other axes than is meant

    def at(self, places: Sequence[int], rank: int) -> str:
        """With each axis at its place among so many: `w[:, None]`."""
        order = sorted(range(len(places)), key=places.__getitem__)
        code = self.code
        if order != sorted(order):
            code += ".T" if len(order) == 2 else f".permute({', '.join(map(str, order))})"  # noqa: PLR2004
        index = [":" if place in places else "None" for place in range(min(places), rank)]
        while index and index[-1] == ":":
            index.pop()
        return f"{code}[{', '.join(index)}]" if index else code


@dataclass(frozen=True)
class Formula:
    """Operands and the operators between them, and the axes of the result."""

    operands: Sequence[Operand]
    operators: Sequence[str]
    target: Axes

    def written(self, codes: Sequence[str]) -> str:
        text, *rest = codes
        before = ""
        for operator, code in zip(self.operators, rest, strict=True):
            text = f"({text})" if operator in "*/" and before in ("+", "-") else text
            text, before = f"{text} {operator} {code}", operator
        return text

    def places(self, operand: Operand) -> list[int]:
        return [self.target.index(axis) for axis in operand.axes]

    def codes(self) -> list[str]:
        return [o.kept or o.at(self.places(o), len(self.target)) for o in self.operands]

    @property
    def right(self) -> str:
        return self.written(self.codes())

    @property
    def raw(self) -> str:
        return self.written([operand.code for operand in self.operands])

    def indexed(self) -> str:
        """The formula for one entry."""
        codes = [f"{o.code}[{', '.join([LETTERS[axis] for axis in o.axes])}]" for o in self.operands]
        return f"out[{', '.join([LETTERS[axis] for axis in self.target])}] = {self.written(codes)}"

    def as_loop(self) -> str:
        letters = ", ".join([LETTERS[axis] for axis in self.target])
        return f"\nfor {letters} in np.ndindex({', '.join(self.target)}):\n    {self.indexed()}"

    def wrong(self) -> list[Wrong]:
        """Every operand as it is, then one at a time elsewhere; none twice, and not what is right."""
        right = [self.places(operand) for operand in self.operands]
        seen = [right]
        found = []
        for name, places, because in self._mistakes(right):
            if places not in seen:
                seen.append(places)
                codes = [
                    code if there == meant else o.at(there, len(self.target))
                    for code, o, there, meant in zip(self.codes(), self.operands, places, right, strict=True)
                ]
                found.append(Wrong(name, self.written(codes), because))
        for at, operand in enumerate(self.operands):
            for other in operand.others:
                codes = self.codes()
                codes[at] = other
                found.append(Wrong("other-axis-reduced", self.written(codes), f"`{other}` goes over another axis than "
                                   "is meant: `dim` names the axis that goes."))  # fmt: skip
        return found

    def _mistakes(self, right: Sequence[list[int]]) -> Iterator[tuple[str, list[list[int]], str]]:
        rank = len(self.target)
        because = (
            "Broadcasting knows no names: it aligns shapes at the last axis. A tensor with fewer axes meets the last "
            "ones, and here others are meant."
        )
        yield "raw", [list(range(rank - len(operand.axes), rank)) for operand in self.operands], because
        for at, operand in enumerate(self.operands):
            because = (
                f"`{operand.code}` has the axes {told(operand.axes)}. Yours lines them up with others of the result."
            )
            others = [sorted(right[at]), *map(list, combinations(range(rank), len(operand.axes)))]
            # A mask of several axes may by chance be the same along others, and two mistakes would do the same.
            if right[at] != list(range(rank)) and (operand.domain != "mask" or len(operand.axes) == 1):
                for places in [places for places in others if places != right[at]][:_NEARBY]:
                    yield "wrong-axis", [places if i == at else there for i, there in enumerate(right)], because
        last = {rank - 1: rank - 2, rank - 2: rank - 1}
        because = "The numbers are right, but the last two axes of your result are swapped."
        yield "result-transposed", [[last.get(place, place) for place in places] for places in right], because


def told(axes: Sequence[str]) -> str:
    return f"({', '.join(axes)})"


def and_then(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


# --- What is combined.

BIG = (
    ("x", "sample feature"),
    ("logits", "prompt token"),
    ("latents", "position latent"),
    ("routes", "position expert"),
    ("acts", "prompt position neuron"),
    ("values", "head position feature"),
    ("boards", "game row column"),
    ("scores", "prompt head query key"),
    ("images", "image channel row column"),
    ("cache", "layer prompt position neuron"),
)
SMALL = {
    "*": ("gate", "scale", "gain", "mask"),
    "/": ("norm", "spread", "total"),
    "+": ("bias", "shift", "offset"),
    "-": ("centre", "baseline", "start"),
}
STATISTICS = {"-": ("mean", "amax", "amin"), "/": ("sum", "amax", "mean")}
SPOKEN = {"mean": "mean", "amax": "largest entry", "amin": "smallest entry", "sum": "sum"}
PAIRS = (
    ("Q", "query", "K", "key", "query key"),
    ("u", "row", "v", "column", "row column"),
    ("start", "prompt", "step", "position", "prompt position"),
    ("Q", "prompt query", "K", "prompt key", "prompt query key"),
    ("Q", "head query", "K", "head key", "head query key"),
    ("x", "position feature", "centres", "expert feature", "position expert feature"),
    ("a", "query feature", "b", "key feature", "query key feature"),
    ("level", "prompt head", "slope", "position feature", "prompt position head feature"),
    ("gain", "image channel", "light", "row column", "image row channel column"),
    ("x", "layer prompt", "y", "prompt position", "layer prompt position"),
    ("by_row", "game row", "by_column", "game column", "game row column"),
)
FIRST = {
    "*": "Multiply each entry of `{x}` by {it}",
    "/": "Divide each entry of `{x}` by {it}",
    "+": "To each entry of `{x}` add {it}",
    "-": "From each entry of `{x}` subtract {it}",
}
THEN = {"*": "multiply by {it}", "/": "divide by {it}", "+": "add {it}", "-": "subtract {it}"}
TURNED = {
    "-": "For each entry of `{x}`: {it}, minus the entry",
    "/": "For each entry of `{x}`: {it}, divided by the entry",
}
BETWEEN = {"*": "times", "/": "divided by", "+": "plus", "-": "minus"}


@dataclass(frozen=True)
class Task:
    formula: Formula
    words: str
    tensors: Sequence[Tensor]


def part(rng: Rng, operator: str, axes: Axes, *, apart: bool, taken: Sequence[str] = ()) -> Operand:
    """A tensor with some of the axes; with `apart` these are not the last ones, or are stored in another order."""
    name = rng.pick([name for name in SMALL[operator] if name not in taken])
    rank = len(axes)
    if whole := rng.level > GUIDED and rng.chance(0.1):
        chosen = axes[1:] + axes[:1]
    else:
        count = rng.integer(1, rank - 1)
        chosen = rng.pick([some for some in combinations(axes, count) if not apart or some != axes[-count:]])
    if rng.level > GUIDED and not whole and rng.chance(0.35):
        chosen = tuple(rng.shuffled(chosen))
    domain = "mask" if name == "mask" else "positive" if operator == "/" else "any"
    return Operand(name, chosen, f"the `{name}` of its {and_then(sorted(chosen, key=axes.index))}", domain)


def statistic(rng: Rng, operator: str, x: str, axes: Axes) -> Operand:
    """Over one axis that is not the first, so that what is left is not aligned."""
    name, at = rng.pick(STATISTICS[operator]), rng.integer(1, len(axes) - 1)
    call, rest = f"{x}.{name}", axes[:at] + axes[at + 1 :]
    other = rng.pick([i for i in range(len(axes)) if i != at])
    return Operand(
        f"{call}({at})",
        rest,
        f"the {SPOKEN[name]} of `{x}` over {axes[at]} for its {and_then(rest)}",
        kept=f"{call}({at}, keepdim=True)",
        others=(f"{call}({other}, keepdim=True)",),
    )


def combined(x: Operand, parts: Sequence[Operand], operators: Sequence[str], *, turned: bool = False) -> Task:
    operands = [*parts, x] if turned else [x, *parts]
    first, *rest = [part.words for part in parts]
    words = (TURNED if turned else FIRST)[operators[0]].format(x=x.code, it=first)
    for operator, it in zip(operators[1:], rest, strict=True):
        words += f", then {THEN[operator].format(it=it)}"
    positive = "/" in operators and (turned or any(part.kept for part in parts))
    tensors = [Tensor(x.code, x.axes, "positive" if positive else "any")]
    tensors += [Tensor(part.code, part.axes, part.domain) for part in parts if not part.kept]
    return Task(Formula(operands, operators, x.axes), f"{words}.", tensors)


def scaled(rng: Rng) -> Task:
    """One tensor with all axes, and a small one or a statistic."""
    name, axes = rng.pick(BIG[:7] if rng.level == GUIDED else BIG)
    x = Operand(name, tuple(axes.split()), "")
    operator = rng.pick("*/+-")
    if rng.level > GUIDED and operator in STATISTICS and rng.chance(0.4):
        return combined(x, [statistic(rng, operator, name, x.axes)], [operator])
    return combined(
        x, [part(rng, operator, x.axes, apart=True)], [operator], turned=operator in TURNED and rng.chance(0.3)
    )


def paired(rng: Rng) -> Task:
    """Two tensors of which neither has all axes."""
    one, ones, other, others, target = rng.pick(PAIRS if rng.level < COMPOSED else PAIRS[3:])
    operator = rng.pick("*/+-")
    first = Operand(one, tuple(ones.split()), "")
    second = Operand(other, tuple(others.split()), "", "positive" if operator == "/" else "any")
    axes = tuple(target.split())
    words = (
        f"For each {and_then(axes)}: the `{one}` of that {and_then(first.axes)}, {BETWEEN[operator]} the `{other}` of "
        f"that {and_then(second.axes)}."
    )
    tensors = [Tensor(o.code, o.axes, o.domain) for o in (first, second)]
    return Task(Formula([first, second], [operator], axes), words, tensors)


CHAINS = [("-", "*"), ("-", "/"), ("*", "+"), ("/", "+"), ("+", "*"), ("*", "-"), ("/", "-"), ("/", "*"), ("-", "-")]


def composed(rng: Rng) -> Task:
    """Two small ones, of which the first is not aligned; perhaps it is a statistic."""
    name, axes = rng.pick(BIG)
    x = Operand(name, tuple(axes.split()), "")
    first, second = rng.pick(CHAINS)
    by_statistic = first in STATISTICS and rng.chance(0.5)
    one = statistic(rng, first, name, x.axes) if by_statistic else part(rng, first, x.axes, apart=True, taken=["mask"])
    other = part(rng, second, x.axes, apart=rng.chance(0.7), taken=["mask", one.code])
    return combined(x, [one, other], [first, second])


def asked(task: Task, prompt: str = "", code: str = "") -> WriteExpression:
    formula = task.formula
    result = (
        f"The result has the axes {told(formula.target)}. It must be right at any sizes, also where some are equal."
    )
    return WriteExpression(
        prompt=f"{prompt or task.words}\n\n{result}",
        tensors=task.tensors,
        reference_expression=formula.right,
        output=formula.target,
        code=code,
        hints=[
            "Write the shapes below one another, aligned at the last axis. Which sizes meet that should not?",
            (
                "Give each tensor an axis of size 1 for every axis of the result that it lacks, in the result's order: "
                "`None` in an index, `unsqueeze`, `keepdim=True` for a reduction, and a transpose where the order is "
                "another."
            ),
        ],
        why="Broadcasting aligns shapes at the last axis and fills up with 1 in front; names of axes mean nothing to "
        "it. So a tensor that lacks an axis which is not in front needs a 1 there: `w[:, None]`, `w.unsqueeze(1)` or "
        "`keepdim=True`. Where sizes happen to be equal, a misaligned expression runs and is silently wrong.",
        wrong=formula.wrong(),
    )


@drill(after=["shapes.broadcast", "shapes.squeeze"], levels=3, arena="0.0", structures=(28, 85, 320))
def repair(rng: Rng) -> WriteExpression:
    """Broadcasting along the axes that are meant."""
    pairs = rng.chance(0.15 if rng.level == COMPOSED else 0.3)
    task = (paired if pairs else composed if rng.level == COMPOSED else scaled)(rng)
    formula = task.formula
    if rng.level == GUIDED:
        runs = and_then([f"{LETTERS[axis]} over {axis}" for axis in formula.target])
        return asked(task, f"Write one expression for `out`, with {runs}:\n\n`{formula.indexed()}`")
    if rng.level == COMPOSED and rng.chance(0.6):
        broken = "This code raises; where sizes happen to be equal it runs, and is wrong."
        return asked(task, f"{broken} What is meant: {task.words}", formula.raw)
    if not any(operand.kept for operand in formula.operands) and rng.chance(0.4):
        return asked(task, "Write what this fills `out` with, as one expression without a loop.", formula.as_loop())
    return asked(task)
