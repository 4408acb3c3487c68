"""Autograd: Jacobians that are known by their indices, without a backward pass."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tensordrill.authoring import Rng, Tensor, WriteExpression, Wrong, drill

FORBIDDEN = ("autograd", "func", "backward", "requires_grad", "requires_grad_", "enable_grad")
BECAUSE = {
    "swapped": "Rows belong to outputs and columns to inputs: you exchanged o and i.",
    "off-by-one": "That is one place beside it: try it on o = 0.",
    "window-open": "The window ends on both sides.",
    "tiled": "repeat lays whole copies one after the other, repeat_interleave each entry where it stands.",
    "quotient-for-remainder": "The quotient says in which block an entry stands, the remainder where in the block.",
    "stride-for-block": "y[o] takes every input of its block, not one of them.",
    "ones": "That says which inputs count, not how much.",
    "by-input": "How many are averaged depends on the output, not on the input.",
    "by-length": "Only the inputs up to o are averaged, not all n.",
    "sign": "One of the signs is the other way round.",
    "one-use": "The input is used in two places, and both count.",
    "kernel-flipped": "The kernel's entries stand in the other order.",
    "exponent-turned": "The older the input, the smaller its weight.",
    "prefix-forgotten": "x is rearranged first, and each input then stands in another place.",
    "prefix-backwards": "Where does x[i] stand after x is rearranged? You took what comes to stand at i.",
    "suffix-forgotten": "The outputs are rearranged or chosen at the end: which one is y[o]?",
    "suffix-backwards": "What comes to stand at o? You took where the o-th goes.",
    "factor-forgotten": "The derivative of what is done to every single entry is a factor.",
    "diagonal-only": "Every output depends on every input, not only on the one in its own place.",
    "factor-index": "Mind whether that factor belongs to an input, and is indexed by i, or to an output.",
}


@dataclass(frozen=True)
class Core:
    """A linear operation on the vector `{x}`: its code, its Jacobian at `{o}` and `{i}`, and wrong ones by their ids.

    `{O}` and `{I}` are the same, in brackets where they are no names.
    """

    code: str
    entry: str
    wrong: Mapping[str, str]
    length: Callable[[int, int], int] = lambda n, _: n  # of the result, from n and k
    symmetric: bool = False
    periodic: bool = False  # some shifts of the input change nothing


def windows(n: int, k: int) -> int:
    return n - k + 1


def blocks(n: int, k: int) -> int:
    return n // k


def copies(n: int, k: int) -> int:
    return n * k


# As booleans: which inputs count.
SUMS = (
    Core("{x}.cumsum(0)", "{i} <= {o}", {"off-by-one": "{i} < {o}"}),
    Core("{x}.flip(0).cumsum(0).flip(0)", "{i} >= {o}", {"off-by-one": "{i} > {o}"}),
    Core("{x}.unfold(0, k, 1).sum(1)", "({i} >= {o}) & ({i} < {O} + k)",
         {"off-by-one": "({i} >= {o}) & ({i} <= {O} + k)", "window-open": "{i} >= {o}"}, windows),
    Core("F.pad({x}, (k - 1, 0)).unfold(0, k, 1).sum(1)", "({i} <= {o}) & ({i} > {O} - k)",
         {"off-by-one": "({i} <= {o}) & ({i} >= {O} - k)", "window-open": "{i} <= {o}"}),
    Core("{x}.unflatten(0, (-1, k)).sum(1)", "{I} // k == {o}",
         {"quotient-for-remainder": "{I} % k == {o}", "stride-for-block": "{i} == k * {O}"}, blocks),
    Core("{x}.unflatten(0, (k, -1)).sum(0)", "{I} % (n // k) == {o}",
         {"quotient-for-remainder": "{I} // (n // k) == {o}", "stride-for-block": "{I} // k == {o}"}, blocks,
         periodic=True),
    Core("{x}.repeat_interleave(k)", "{i} == {O} // k", {"tiled": "{i} == {O} % n"}, copies),
    Core("{x}.repeat(k)", "{i} == {O} % n", {"tiled": "{i} == {O} // k"}, copies),
)  # fmt: skip
IDENTITY = Core("{x}", "{i} == {o}", {}, symmetric=True)
# As numbers. `w` is a kernel of k entries.
VALUED = (
    Core("{x}.cumsum(0) / torch.arange(1, n + 1)", "({i} <= {o}) / ({O} + 1)",
         {"ones": "1.0 * ({i} <= {o})", "by-input": "({i} <= {o}) / ({I} + 1)", "by-length": "({i} <= {o}) / n",
          "off-by-one": "({i} <= {o}) / {O}"}),
    Core("{x}.unflatten(0, (-1, k)).mean(1)", "({I} // k == {o}) / k",
         {"ones": "1.0 * ({I} // k == {o})", "quotient-for-remainder": "({I} % k == {o}) / k"}, blocks),
    Core("{x}.unfold(0, k, 1).mean(1)", "(({i} >= {o}) & ({i} < {O} + k)) / k",
         {"ones": "1.0 * (({i} >= {o}) & ({i} < {O} + k))", "off-by-one": "(({i} >= {o}) & ({i} <= {O} + k)) / k"},
         windows),
    Core("{x}.diff()", "({i} == {O} + 1).double() - ({i} == {o}).double()",
         {"sign": "({i} == {o}).double() - ({i} == {O} + 1).double()", "one-use": "({i} == {O} + 1).double()"},
         lambda n, _: n - 1),
    Core("{x} - {x}.mean()", "({i} == {o}).double() - 1 / n",
         {"one-use": "({i} == {o}).double()", "ones": "({i} == {o}).double() - 1"}, symmetric=True),
    Core("{x} - F.pad({x}, (1, -1))", "({i} == {o}).double() - ({i} == {O} - 1).double()",
         {"sign": "({i} == {O} - 1).double() - ({i} == {o}).double()", "one-use": "({i} == {o}).double()"}),
    Core("{x}.unfold(0, k, 1) @ w", "torch.where(({i} >= {o}) & ({i} < {O} + k), w[({I} - {O}).clamp(0, k - 1)], 0.0)",
         {"kernel-flipped":
          "torch.where(({i} >= {o}) & ({i} < {O} + k), w[({O} + k - 1 - {I}).clamp(0, k - 1)], 0.0)",
          "window-open": "torch.where({i} >= {o}, w[({I} - {O}).clamp(0, k - 1)], 0.0)",
          "ones": "1.0 * (({i} >= {o}) & ({i} < {O} + k))"}, windows),
    Core("F.pad({x}, (k - 1, 0)).unfold(0, k, 1) @ w",
         "torch.where(({i} <= {o}) & ({i} > {O} - k), w[({I} - {O} + k - 1).clamp(0, k - 1)], 0.0)",
         {"kernel-flipped": "torch.where(({i} <= {o}) & ({i} > {O} - k), w[({O} - {I}).clamp(0, k - 1)], 0.0)",
          "ones": "1.0 * (({i} <= {o}) & ({i} > {O} - k))"}),
    Core("{y} = [{x}[0]]\nfor t in range(1, n):\n    {y}.append(0.5 * {y}[-1] + {x}[t])\n{y} = torch.stack({y})",
         "({i} <= {o}) * 0.5 ** ({O} - {I})",
         {"exponent-turned": "({i} <= {o}) * 0.5 ** ({I} - {O})", "ones": "1.0 * ({i} <= {o})",
          "off-by-one": "({i} <= {o}) * 0.5 ** ({O} - {I} + 1)"}),
)  # fmt: skip


@dataclass(frozen=True)
class Move:
    """Entries are rearranged or chosen: the code, what stands for `{o}` or `{i}` then, and the other way round."""

    code: str
    index: str
    backwards: str = ""
    turned: bool = False  # it may make a Jacobian symmetric


BEFORE = (
    Move("{x}.flip(0)", "n - 1 - {i}", turned=True),
    Move("{x}.roll(1)", "({i} + 1) % n", "({i} - 1) % n"),
    Move("{x}.roll(-2)", "({i} - 2) % n", "({i} + 2) % n"),
    Move("{x}[order]", "order.argsort()[{i}]", "order[{i}]"),
)
AFTER = (
    Move("{x}.flip(0)", "m - 1 - {o}", turned=True),
    Move("{x}.roll(1)", "({o} - 1) % m", "({o} + 1) % m"),
    Move("{x}[2:]", "{o} + 2", "{o} - 2"),
    Move("{x}[::2]", "2 * {o}", "{o} // 2"),
)
WITHOUT_FIRST = Move("{x}[1:]", "{o} + 1", "{o} - 1")
CHOSEN = Move("{x}[order]", "order[{o}]", "order.argsort()[{o}]")


@dataclass(frozen=True)
class Factor:
    """Something that is done to every entry: its code, and its derivative at entry `{j}` of `{x}`."""

    code: str
    slope: str


FACTORS = (
    Factor("{x} ** 2", "2 * {x}[{j}]"),
    Factor("{x}.sin()", "{x}[{j}].cos()"),
    Factor("{x}.tanh()", "(1 - {x}[{j}].tanh() ** 2)"),
    Factor("{x} ** 3", "3 * {x}[{j}] ** 2"),
)
INNER = (Factor("g * {x}", "g[{j}]"), *FACTORS)
OUTER = (Factor("v * {x}", "v[{j}]"), *FACTORS)
# What is made of all of x at once; y is known.
WHOLE = (
    Core("{x}.softmax(0)", "y[o] * ((i == o).double() - y[i])",
         {"diagonal-only": "(i == o) * y[o] * (1 - y[o])", "one-use": "(i == o) * y[o]",
          "sign": "y[o] * (y[i] - (i == o).double())"}),
    Core("{x}.log_softmax(0)", "(i == o).double() - y[i].exp()",
         {"diagonal-only": "(i == o) * (1 - y[o].exp())", "swapped": "(i == o).double() - y[o].exp()"}),
    Core("{x} * {x}.sum()", "(i == o) * x.sum() + x[o]",
         {"one-use": "(i == o) * x.sum()", "swapped": "(i == o) * x.sum() + x[i]",
          "diagonal-only": "(i == o) * (x.sum() + x[o])"}),
    Core("{x} * {x}.flip(0)", "(i == o) * x[n - 1 - o] + (i == n - 1 - o) * x[o]",
         {"one-use": "(i == o) * x[n - 1 - o]", "swapped": "(i == o) * x[n - 1 - o] + (i == n - 1 - o) * x[i]"}),
    Core("{x} * {x}.cumsum(0)", "(i == o) * x.cumsum(0)[o] + (i <= o) * x[o]",
         {"one-use": "(i <= o) * x[o]", "swapped": "(i == o) * x.cumsum(0)[o] + (o <= i) * x[i]",
          "off-by-one": "(i == o) * x.cumsum(0)[o] + (i < o) * x[o]"}),
    Core("{x}[1:] * {x}[:-1]", "(i == o + 1) * x[o] + (i == o) * x[o + 1]",
         {"one-use": "(i == o + 1) * x[o]", "factor-index": "(i == o) * x[o] + (i == o + 1) * x[o + 1]"},
         lambda n, _: n - 1),
    Core("{x} * {x}.roll(1)", "(i == o) * x[o - 1] + (i == (o - 1) % n) * x[o]",
         {"one-use": "(i == o) * x[o - 1]", "swapped": "(i == o) * x[o - 1] + (o == (i - 1) % n) * x[i]"}),
    Core("{x}.cumsum(0) ** 2", "2 * (i <= o) * x.cumsum(0)[o]",
         {"factor-index": "2 * (i <= o) * x.cumsum(0)[i]", "factor-forgotten": "1.0 * (i <= o)",
          "swapped": "2 * (o <= i) * x.cumsum(0)[i]"}),
    Core("({x} ** 2).cumsum(0)", "2 * (i <= o) * x[i]",
         {"factor-index": "2 * (i <= o) * x[o]", "factor-forgotten": "1.0 * (i <= o)",
          "swapped": "2 * (o <= i) * x[o]"}),
    Core("{x} / {x}.norm()", "((i == o).double() - y[o] * y[i]) / x.norm()",
         {"one-use": "(i == o) / x.norm()", "diagonal-only": "(i == o) * (1 - y[o] ** 2) / x.norm()",
          "factor-forgotten": "(i == o).double() - y[o] * y[i]"}),
)  # fmt: skip


def put(text: str, o: str = "o", i: str = "i") -> str:
    """The text with these indices."""
    names = {"o": o, "i": i, "O": o if o.isidentifier() else f"({o})", "I": i if i.isidentifier() else f"({i})"}
    return re.sub(r"\{([oiOI])\}", lambda found: names[found[1]], text)


def exchanged(text: str) -> str:
    """The text with o and i in each other's place."""
    return re.sub(r"\b[oi]\b", lambda found: {"o": "i", "i": "o"}[found[0]], text)


def slope(factor: Factor, index: str, name: str) -> str:
    return factor.slope.replace("{j}", index).replace("{x}", name)


@dataclass(frozen=True)
class Pass:
    """What is done to x in turn: to every entry, an order, the operation, to every entry, a choice of outputs."""

    core: Core
    inner: Factor | None = None
    before: Move | None = None
    outer: Factor | None = None
    after: Move | None = None
    booleans: bool = False  # which inputs count, not how much

    def lines(self) -> list[str]:
        """Its code."""
        core = None if self.core is IDENTITY else self.core
        codes = [stage.code for stage in (self.inner, self.before, core, self.outer, self.after) if stage]
        names, found = ["x", *"abcd"[: len(codes) - 1], "y"], list[str]()
        for code, x, y in zip(codes, names, names[1:], strict=False):
            text = code.replace("{x}", x).replace("{y}", y)
            found += text.split("\n") if "{y}" in code else [f"{y} = {text}"]
        return found

    def entry(self, *, o: str = "", i: str = "", **changes: str) -> str:
        """The Jacobian, or a wrong one with other indices or another text for the core or a factor."""
        o = o or (self.after.index.replace("{o}", "o") if self.after else "o")
        i = i or (self.before.index.replace("{i}", "i") if self.before else "i")
        result = "abcd"[(self.inner is not None) + (self.before is not None)]
        factors = [
            changes.get("inner", slope(self.inner, "i", "x")) if self.inner else "",
            changes.get("outer", slope(self.outer, o, result)) if self.outer else "",
        ]
        core = put(changes.get("core", self.core.entry), o, i)
        if any(factors):
            return " * ".join([f"({core})", *(factor for factor in factors if factor)])
        return f"({core}).double()" if self.core in SUMS and not self.booleans else core

    def wrong(self, n: int, k: int) -> dict[str, str]:
        """Wrong Jacobians by their ids."""
        found = {name: self.entry(core=text) for name, text in self.core.wrong.items()}
        length = self.core.length(n, k)
        if not self.core.symmetric and not self.before and not self.after:
            found["swapped"] = exchanged(self.entry())
        if self.before:
            found["prefix-forgotten"] = self.entry(i="i")
            if self.before.backwards:
                found["prefix-backwards"] = self.entry(i=self.before.backwards.replace("{i}", "i"))
            if self.before.turned and not self.core.periodic:
                found["off-by-one"] = self.entry(i="n - i")
        elif self.after:  # with an order before, some do the same to the outputs
            found["suffix-forgotten"] = self.entry(o="o")
            if self.after.turned:
                found["off-by-one"] = self.entry(o="m - o")
            if self.after.backwards:
                name = "swapped" if self.core is IDENTITY else "suffix-backwards"
                found[name] = self.entry(o=self.after.backwards.replace("{o}", "o"))
        if self.inner:
            found["factor-forgotten"] = self.entry(inner="")
            if length <= n and not self.after:  # else there is no such entry
                found["factor-index"] = self.entry(inner=slope(self.inner, "o", "x"))
        if self.outer:
            found["factor-forgotten"] = self.entry(outer="")
            if length == n:
                result = "abcd"[(self.inner is not None) + (self.before is not None)]
                found["factor-index"] = self.entry(outer=slope(self.outer, "i", result))
        return found


def drawn_order(rng: Rng, n: int, k: int) -> list[int]:
    """An order that is not its own inverse, not even where only blocks of k are looked at."""
    for _ in range(20):
        order = rng.shuffled(range(n))
        if any(i // k != order.index(i) // k != order[i] // k for i in range(n)):
            return order
    return [*range(1, n), 0]


HINTS = {
    1: "It is a test such as `i == …` or `i <= …`, with o on the other side.",
    2: "A test on o and i says which inputs count, and what it is multiplied by or divided by says how much.",
    3: "Go back step by step: which entry of the vector before is it, and what is the derivative on the way?",
}
WHY = (
    "Row o of a Jacobian says what y[o] is made of. An operation that moves, adds or weights entries has a Jacobian "
    "that is a test on the two indices, times a weight: `i <= o` for a running sum, `i == order[o]` for indexing, and "
    "so on. What is done to every entry is a factor, taken at i before the operation and at o after it. A backward "
    "pass sums such a formula over o: so the gradient of cumsum is a running sum from the other end."
)


def asked(
    rng: Rng, it: Pass, *, entry: str = "", wrong: Mapping[str, str] | None = None, domain: str = "any"
) -> WriteExpression:
    n, k = rng.pick([(6, 2), (8, 2), (10, 2), (12, 3)])
    length, lines = it.core.length(n, k), it.lines()
    code = "\n".join(lines)
    used = {name for name in ("g", "v", "w", "k", "order") if re.search(rf"\b{name}\b", code)}
    axes = {"x": "n"} | {name: axis for name, axis in (("g", "n"), ("v", "length"), ("w", "k")) if name in used}
    sizes = {"n": n} | ({"k": k} if used & {"k", "w"} else {}) | ({"length": length} if "v" in used else {})
    given = [f"{name} = {size}" for name, size in sizes.items()]
    if "order" in used:
        given.append(f"order = torch.tensor({drawn_order(rng, n, k)})")
    random = "rand" if domain == "positive" else "randn"
    made = [f"{name} = torch.{random}({axis})" for name, axis in axes.items()]
    grids = ["m = len(y)", "o = torch.arange(m)[:, None]", "i = torch.arange(n)[None, :]"]
    what = (
        "Write an expression in `o` and `i` for booleans of shape `(m, n)`: True in row o and column i where `y[o]` "
        "depends on `x[i]`. All names of the program may be used."
        if it.booleans
        else "Write the Jacobian of `y` by `x`, the derivative of `y[o]` by `x[i]` in row o and column i, as an "
        "expression in `o` and `i`: of shape `(m, n)`, in floating point. All names of the program may be used."
    )
    wrong = it.wrong(n, k) if wrong is None else wrong
    return WriteExpression(
        prompt=f"{what}\n\nRuled out: `torch.autograd`, `torch.func`, `.backward()`, `requires_grad`.",
        tensors=[Tensor(name, (axis,), domain) for name, axis in axes.items()],
        reference_expression=entry or it.entry(),
        sizes=sizes,
        setup="\n" + "\n".join([*given, *lines, *grids]),
        code="\n" + "\n".join([*given, *made, *lines, *grids]),
        forbid=FORBIDDEN,
        wrong=[Wrong(name, text, BECAUSE[name]) for name, text in wrong.items()],
        hints=["Take o = 0, then o = 1: which inputs is y[o] made of, and how much of each?", HINTS[rng.level]],
        why=WHY,
    )


def choices(core: Core) -> Sequence[Move]:
    """Of outputs. Every k-th of k copies would be as many as one copy; of a few blocks only one is dropped."""
    if core.length is copies:
        return AFTER[:-1]
    return [WITHOUT_FIRST if move is AFTER[2] else move for move in AFTER] if core.length is blocks else AFTER


def composed(rng: Rng) -> Pass:
    """Two or three further steps around an operation."""
    core = rng.pick([*SUMS, *VALUED])
    moves = [move for move in BEFORE if move.turned or not core.periodic]
    factor = rng.pick(["inner", "outer"])
    leave_out = rng.pick(["before", "factor", "after", ""])
    return Pass(
        core,
        inner=rng.pick(INNER) if factor == "inner" and leave_out != "factor" else None,
        before=rng.pick(moves) if leave_out != "before" else None,
        outer=rng.pick(OUTER) if factor == "outer" and leave_out != "factor" else None,
        after=rng.pick(choices(core)) if leave_out != "after" else None,
    )


@drill(after=["autograd.jacobian"], levels=3, arena="0.4", structures=(38, 85, 700))
def jacobian_pattern(rng: Rng) -> WriteExpression:
    """A Jacobian as an expression in its indices."""
    core = rng.pick(SUMS)
    match rng.level, rng.integer(1, 10):
        case 1, 1 | 2 | 3 | 4:
            return asked(rng, Pass(core, booleans=True))
        case 1, 5 | 6:
            return asked(rng, Pass(IDENTITY, after=rng.pick([*AFTER, CHOSEN]), booleans=True))
        case 1, _:
            return asked(rng, Pass(core, after=rng.pick(choices(core)), booleans=True))
        case 2, 1 | 2 | 3:
            return asked(rng, Pass(rng.pick(VALUED)))
        case 2, 4 | 5:
            whole = rng.pick(WHOLE)
            return asked(rng, Pass(whole), entry=whole.entry, wrong=whole.wrong)
        case 2, 6 | 7:
            return asked(rng, Pass(core, inner=rng.pick(INNER)))
        case 2, _:
            return asked(rng, Pass(core, outer=rng.pick(OUTER)))
    return asked(rng, composed(rng))
