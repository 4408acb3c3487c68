"""Small torch expressions as data: their text, their numbers, and what comes back along each path of the graph.

    tape = Tape()
    x = tape.leaf("x", [2, 3])
    y = tape.let("y", x * x)
    loss = tape.backward(y.sum())

gives the lines of the program, and the gradient of x: `loss.gradient(x)` is [4, 6]. It serves to choose numbers that
are small, and to tell mistakes apart; what is right is for torch to say, by running the program.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar

from tensordrill.puzzles import Wrong

Path = tuple[int, ...]  # the uses of named tensors from a leaf on, by their numbers
T = TypeVar("T")
Slopes = dict[tuple[Path, int], float]  # how fast a number grows with an entry of a leaf, for each path
CUT = -1  # on a path that detach() cuts
_SUM, _PRODUCT, _MINUS, _POWER, _ATOM = range(5)  # how tightly the parts of a text are bound
_ROUGH = 0.06  # a prediction that is no whole number is known to four digits; a mistake must be off by far more
_EXACT = 1e-6


@dataclass(eq=False)
class Tape:
    """A program as it is written: its lines, and the uses of its named tensors in the order in which they are read."""

    lines: list[str] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)  # of each use, the tensor
    order: list[int] = field(default_factory=list)

    def leaf(self, name: str, values: object, source: str = "") -> "Node":
        """A tensor that requires a gradient: a leaf, or what `source` gives, taken for one."""
        self.lines.append(f"{name} = {source}" if source else made(name, values))
        shape, flat = _flat(values)
        return Node(self, name, shape, flat, [{((), i): 1} for i in range(len(flat))], named=True)

    def data(self, name: str, values: object) -> "Node":
        self.lines.append(made(name, values, leaf=False))
        return self.constant(name, values)

    def constant(self, text: str, values: object) -> "Node":
        shape, flat = _flat(values)
        return Node(self, text, shape, flat, [{} for _ in flat])

    def let(self, name: str, node: "Node") -> "Node":
        """A line that gives the expression a name."""
        self.lines.append(f"{name} = {node.text}")
        return self.seen(name, node)

    def seen(self, name: str, node: "Node") -> "Node":
        """The expression has been read, and goes by that name from now on."""
        self.order += node.uses
        return Node(self, name, node.shape, node.values, node.slopes, named=True)

    def backward(self, node: "Node") -> "Node":
        """The line that walks back from the expression."""
        self.lines.append(f"{node.bracketed(_ATOM)}.backward()")
        return self.seen("", node)

    def uses(self, name: str) -> list[int]:
        return [use for use in self.order if self.owners[use] == name]


@dataclass(eq=False)
class Node:
    """An expression: its text, and its numbers in row-major order with their slopes. The shorter operand is tiled."""

    tape: Tape
    text: str
    shape: tuple[int, ...]
    values: Sequence[float]
    slopes: Sequence[Slopes]
    named: bool = False
    binds: int = _ATOM
    uses: Path = ()

    def bracketed(self, binds: int) -> str:
        return f"({self.text})" if self.binds < binds else self.text

    def used(self) -> "Node":
        """A named tensor's new use: every path to it goes on through that."""
        if not self.named or not any(self.slopes):
            return self
        use = len(self.tape.owners)
        self.tape.owners.append(self.text)
        slopes = [{((*path, use), entry): slope for (path, entry), slope in one.items()} for one in self.slopes]
        return Node(self.tape, self.text, self.shape, self.values, slopes, uses=(use,))

    def paths(self, leaf: "Node") -> list[Path]:
        """The paths that come from the leaf, in the order of their uses."""
        place = {use: at for at, use in enumerate(self.tape.order)} | {CUT: -1}
        found = {path for one in self.slopes for path, _ in one if path and self.tape.owners[path[0]] == leaf.text}
        return sorted(found, key=lambda path: [place[use] for use in path])

    def gradient(self, leaf: "Node", keep: Callable[[Path], bool] | None = None) -> object:
        """What a backward pass from this number leaves in the leaf, along the paths that are kept (else: not cut)."""
        gradient: list[float] = [0] * len(leaf.values)
        [slopes] = self.slopes
        for (path, entry), slope in slopes.items():
            if path and self.tape.owners[path[0]] == leaf.text and (keep(path) if keep else CUT not in path):
                gradient[entry] += slope
        return nested(gradient, leaf.shape)

    def __add__(self, other: Self | float) -> "Node":
        return self._with(other, " + ", _SUM, lambda a, b: (a + b, 1, 1))

    def __radd__(self, other: float) -> "Node":
        return self.tape.constant(str(other), other) + self

    def __sub__(self, other: Self | float) -> "Node":
        return self._with(other, " - ", _SUM, lambda a, b: (a - b, 1, -1))

    def __rsub__(self, other: float) -> "Node":
        return self.tape.constant(str(other), other) - self

    def __mul__(self, other: Self | float) -> "Node":
        return self._with(other, " * ", _PRODUCT, lambda a, b: (a * b, b, a))

    def __rmul__(self, other: float) -> "Node":
        return self.tape.constant(str(other), other) * self

    def __truediv__(self, other: Self | float) -> "Node":
        return self._with(other, " / ", _PRODUCT, lambda a, b: (a / b, 1 / b, -a / b**2))

    def __rtruediv__(self, other: float) -> "Node":
        return self.tape.constant(str(other), other) / self

    def __pow__(self, power: int) -> "Node":
        it = self.used()
        text = f"{it.bracketed(_ATOM)} ** {power}"
        return it.mapped(text, lambda v: v**power, lambda v: power * v ** (power - 1), _POWER)

    def __neg__(self) -> "Node":
        it = self.used()
        return it.mapped(f"-{it.bracketed(_MINUS)}", lambda v: -v, lambda _: -1, _MINUS)

    def __matmul__(self, other: "Node") -> "Node":
        a, b = self.used(), other.used()
        (*outer, inner), (_, *columns) = a.shape, b.shape
        rows, width = len(a.values) // inner, len(b.values) // inner
        pairs = [[(r * inner + i, i * width + c) for i in range(inner)] for r in range(rows) for c in range(width)]
        return Node(
            self.tape,
            f"{a.bracketed(_PRODUCT)} @ {b.bracketed(_PRODUCT + 1)}",
            (*outer, *columns),
            [sum([a.values[i] * b.values[j] for i, j in entry]) for entry in pairs],
            [
                mixed([
                    part
                    for i, j in entry
                    for part in ((b.values[j], a.slopes[i]), (a.values[i], b.slopes[j]))
                ])
                for entry in pairs
            ],
            binds=_PRODUCT,
            uses=a.uses + b.uses,
        )  # fmt: skip

    def __getitem__(self, index: int | tuple[int, ...]) -> "Node":
        """One entry, or one row of a matrix."""
        text = ", ".join(map(str, index)) if isinstance(index, tuple) else str(index)
        return self.picked(f"[{text}]", *_places(index, self.shape))

    @property
    def T(self) -> "Node":  # noqa: N802 -- as torch calls it
        rows, columns = self.shape
        return self.picked(".T", [r * columns + c for c in range(columns) for r in range(rows)], (columns, rows))

    def sum(self) -> "Node":
        it = self.used()
        return it.summed(".sum()", [(1, i) for i in range(len(it.values))])

    def relu(self) -> "Node":
        return self.method("relu()", lambda v: max(v, 0), lambda v: int(v > 0))

    def abs(self) -> "Node":
        return self.method("abs()", abs, lambda v: (v > 0) - (v < 0))

    def detach(self) -> "Node":
        it = self.used()
        slopes = [{((*path, CUT), entry): slope for (path, entry), slope in one.items()} for one in it.slopes]
        return Node(it.tape, f"{it.bracketed(_ATOM)}.detach()", it.shape, it.values, slopes, uses=it.uses)

    def method(self, call: str, function: Callable[[float], float], slope: Callable[[float], float]) -> "Node":
        """An elementwise method."""
        it = self.used()
        return it.mapped(f"{it.bracketed(_ATOM)}.{call}", function, slope)

    def picked(self, call: str, places: Sequence[int], shape: tuple[int, ...]) -> "Node":
        """Some entries of it, by a method or an index."""
        it = self.used()
        values, slopes = [it.values[i] for i in places], [it.slopes[i] for i in places]
        return Node(it.tape, it.bracketed(_ATOM) + call, shape, values, slopes, uses=it.uses)

    def mapped(
        self, text: str, function: Callable[[float], float], slope: Callable[[float], float], binds: int = _ATOM
    ) -> "Node":
        slopes = [mixed([(slope(v), one)]) for v, one in zip(self.values, self.slopes, strict=True)]
        values = [function(v) for v in self.values]
        return Node(self.tape, text, self.shape, values, slopes, binds=binds, uses=self.uses)

    def summed(self, call: str, weights: Sequence[tuple[float, int]]) -> "Node":
        """A weighted sum of some entries."""
        return Node(
            self.tape,
            self.bracketed(_ATOM) + call,
            (),
            [sum([weight * self.values[i] for weight, i in weights])],
            [mixed([(weight, self.slopes[i]) for weight, i in weights])],
            uses=self.uses,
        )

    def _with(
        self, other: Self | float, sign: str, binds: int, rule: Callable[[float, float], tuple[float, float, float]]
    ) -> "Node":
        """The rule gives the value and both partial derivatives."""
        a = self.used()
        b = other.used() if isinstance(other, Node) else self.tape.constant(str(other), other)
        long = max(a, b, key=lambda node: len(node.values))
        values, slopes = [], []
        for i in range(len(long.values)):
            p, q = i % len(a.values), i % len(b.values)
            value, by_a, by_b = rule(a.values[p], b.values[q])
            values.append(value)
            slopes.append(mixed([(by_a, a.slopes[p]), (by_b, b.slopes[q])]))
        text = f"{a.bracketed(binds)}{sign}{b.bracketed(binds + 1)}"
        return Node(self.tape, text, long.shape, values, slopes, binds=binds, uses=a.uses + b.uses)


def mixed(parts: Iterable[tuple[float, Slopes]]) -> Slopes:
    total: Slopes = {}
    for factor, slopes in parts:
        for key, slope in slopes.items():
            total[key] = total.get(key, 0) + factor * slope
    return total


@dataclass(frozen=True)
class Belief:
    """A wrong turn's id, the numbers that it gives, and the sentence about it."""

    id: str
    numbers: object
    because: str


def predicted(right: object, beliefs: Iterable[Belief]) -> list[Wrong]:
    """The beliefs as wrong turns, without those that give what is right, or what one before them gives."""
    seen = [_flat(right)]
    wrong = []
    for belief in beliefs:
        numbers = _flat(belief.numbers)
        if not any(_near(numbers, one) for one in seen):
            seen.append(numbers)
            wrong.append(Wrong(belief.id, plain_numbers(belief.numbers), belief.because))
    return wrong


def settled(make: Callable[[], T], fits: Callable[[T], bool], tries: int = 8) -> T:
    """The first thing made that fits, or else the last: numbers drawn anew while they are too large."""
    for _ in range(tries - 1):
        if fits(it := make()):
            return it
    return make()


def entries(numbers: object) -> list[float]:
    """Those of nested lists, in row-major order."""
    return _flat(numbers)[1]


def nested(flat: Sequence[float], shape: Sequence[int]) -> object:
    """Nested lists of that shape, or a single number."""
    if not shape:
        return flat[0]
    size = len(flat) // shape[0]
    return [nested(flat[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0])]


def plain_numbers(numbers: object) -> str:
    """Nested lists as a learner would type them."""
    if isinstance(numbers, list):
        return f"[{', '.join([plain_numbers(one) for one in numbers])}]"
    if numbers is None or isinstance(numbers, bool):
        return str(numbers)
    assert isinstance(numbers, int | float)
    return str(int(numbers)) if numbers == int(numbers) else str(round(numbers, 6))


def made(name: str, values: object, *, leaf: bool = True) -> str:
    """The line that makes a tensor."""
    return f"{name} = torch.tensor({floats(values)}{', requires_grad=True' if leaf else ''})"


def floats(numbers: object) -> str:
    """Nested lists as a program has them: with a point, whole or not."""
    if isinstance(numbers, list):
        return f"[{', '.join([floats(one) for one in numbers])}]"
    return f"{numbers}." if isinstance(numbers, int) else str(numbers)


Flat = tuple[tuple[int, ...], list[float]]


def _flat(numbers: object) -> Flat:
    """The shape and the entries; None has a shape that nothing else has."""
    if not isinstance(numbers, list):
        return ((), [numbers]) if isinstance(numbers, int | float) else ((-1,), [])
    if not numbers or not isinstance(numbers[0], list):
        return (len(numbers),), numbers
    parts = [_flat(one) for one in numbers]
    return (len(parts), *parts[0][0]), [entry for _, flat in parts for entry in flat]


def _near(one: Flat, other: Flat) -> bool:
    if one == other or one[0] != other[0]:
        return one == other
    for a, b in zip(one[1], other[1], strict=True):
        if abs(a - b) > (_EXACT if a == int(a) and b == int(b) else _ROUGH * abs(b)):
            return False
    return True


def _places(index: int | tuple[int, ...], shape: tuple[int, ...]) -> tuple[list[int], tuple[int, ...]]:
    """Where the entries that an index picks lie, and their shape."""
    row, *column = index if isinstance(index, tuple) else (index,)
    width = shape[1] if len(shape) > 1 else 1
    if column or len(shape) == 1:
        return [row * width + (column[0] if column else 0)], ()
    return list(range(row * width, (row + 1) * width)), shape[1:]
