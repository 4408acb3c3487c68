"""Autograd: graphs that are walked more than once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tensordrill.authoring import Choice, Choose, Rng, Wrong, drill
from tensordrill.building.gradients import Node, Tape, entries, floats, made, settled

SECOND = 2  # level, and passes
Numbers = list[float]


class Claim(NamedTuple):
    """A choice, the id of the mistake that it is where it is not true, and the sentence about that."""

    id: str
    choice: Choice
    because: str


def runs_to(name: str, numbers: Numbers, *, scalar: bool) -> Choice:
    value = int(numbers[0]) if scalar else [int(number) for number in numbers]
    return Choice(f"Everything runs, and `{name}.grad` is {floats(value)}", holds=f"{name}.grad.tolist() == {value}")


@dataclass(frozen=True)
class Tracked:
    """An expression, and the operations in its history that saved tensors for the way back."""

    node: Node
    saving: frozenset[object] = frozenset()

    def then(self, node: Node, *, saves: bool, other: "Tracked | None" = None) -> "Tracked":
        before = self.saving | other.saving if other else self.saving
        return Tracked(node, before | {object()} if saves else before)

    def called(self, name: str) -> "Tracked":
        return Tracked(self.node.tape.let(name, self.node), self.saving)

    def sum(self) -> "Tracked":
        return self.then(self.node.sum(), saves=False)


class Pass(NamedTuple):
    """A backward pass: its line, where it starts, and whether the graph is kept for another."""

    text: str
    start: Tracked
    retains: bool = False


class Walks(NamedTuple):
    """A program, its leaf, and its backward passes in order."""

    program: str
    leaf: Node
    passes: list[Pass]

    @property
    def raising(self) -> int | None:
        """Which pass meets something that one before it has freed."""
        freed: frozenset[object] = frozenset()
        for i, one in enumerate(self.passes):
            if one.start.saving & freed:
                return i
            freed |= frozenset() if one.retains else one.start.saving
        return None

    @property
    def sums(self) -> list[Numbers]:
        """The gradient of the leaf after each pass, if all of them run."""
        totals = [[0.0] * len(self.leaf.values)]
        for one in self.passes:
            step = entries(one.start.node.gradient(self.leaf))
            totals.append([a + b for a, b in zip(totals[-1], step, strict=True)])
        return totals[1:]

    @property
    def last(self) -> Numbers:
        return entries(self.passes[-1].start.node.gradient(self.leaf))

    @property
    def clear(self) -> bool:
        """Whether the gradients tell after which pass it stopped, and are small."""
        states = [*self.sums, self.last]
        several = self.sums[-1] != self.last and all(a != b for a, b in zip(self.sums, self.sums[1:], strict=False))
        return several and all(abs(n) <= 99 and n == int(n) for state in states for n in state)  # noqa: PLR2004


def saving_step(rng: Rng, t: Tracked) -> Tracked:
    v, k = t.node, rng.integer(2, 4)
    kinds: list[Callable[[], Node]] = [lambda: k * v, lambda: v * k, lambda: v * k, lambda: v**2, v.relu]
    return t.then(rng.pick(kinds)(), saves=True)


def light_step(rng: Rng, t: Tracked) -> Tracked:
    """What needs no tensor on the way back, shapes at most."""
    v, k = t.node, rng.integer(1, 5)
    kinds: list[Callable[[], Node]] = [
        lambda: v + k, lambda: v - k, lambda: k - v, lambda: -v, lambda: k + v,
        lambda: v.picked(".clone()", range(len(v.values)), v.shape),
    ]  # fmt: skip
    return t.then(rng.pick(kinds)(), saves=False)


def step(rng: Rng, t: Tracked) -> Tracked:
    return rng.pick([saving_step, saving_step, light_step])(rng, t)


def start(rng: Rng, tape: Tape) -> Tracked:
    return Tracked(tape.leaf("x", rng.sample(range(1, 6), 2)))


def line(name: str, *, retains: bool) -> str:
    return f"{name}.backward({'retain_graph=True' if retains else ''})"


def twice(rng: Rng) -> Walks:
    """The same loss, two times."""
    tape = Tape()
    x = start(rng, tape)
    loss = step(rng, x).called("y").sum().called("loss")
    kept = rng.chance(0.25)
    passes = [Pass(line("loss", retains=kept), loss, kept), Pass("loss.backward()", loss)]
    return Walks("\n".join([*tape.lines, *[one.text for one in passes]]), x.node, passes)


def shared(rng: Rng, losses: int = 2) -> Walks:
    """Several losses of one tensor, or of one leaf."""
    tape = Tape()
    x = start(rng, tape)
    apart = rng.chance(0.2)
    h = x if apart else step(rng, x).called("h")
    if not apart and rng.chance(0.3):
        h = light_step(rng, h).called("z")
    names = ["a", "b", "c"][:losses]
    ends = [step(rng, h).sum().called(name) for name in names]
    keeps = [rng.chance(0.2 if losses == SECOND else 0.4) for _ in names[1:]] + [False]
    passes = [Pass(line(name, retains=kept), end, kept) for name, end, kept in zip(names, ends, keeps, strict=True)]
    return Walks("\n".join([*tape.lines, *[one.text for one in passes]]), x.node, passes)


def three(rng: Rng) -> Walks:
    return shared(rng, 3)


def carried(rng: Rng) -> Walks:
    """A state that is carried from one turn of a loop to the next, detached or not."""
    tape = Tape()
    w = tape.leaf("w", rng.integer(2, 3))
    first, inputs = rng.integer(1, 2), rng.distinct(rng.integer(2, 3), 1, 4)
    updates: list[tuple[str, bool, Callable[[Node, int], Node]]] = [
        ("w * h + x", True, lambda h, x: w * h + x),
        ("h + x * w", True, lambda h, x: h + x * w),
        ("x * w - h", True, lambda h, x: x * w - h),
        ("h + w - x", False, lambda h, x: h + w - x),
        ("x + w + h", False, lambda h, x: x + w + h),
    ]
    text, saves, update = rng.pick(updates)
    kept, cut = rng.chance(0.2), rng.chance(0.35)
    h = Tracked(tape.constant("h", first))
    passes = []
    for x in inputs:
        h = h.then(tape.seen("h", update(h.node, x)), saves=saves)
        passes.append(Pass("", h, kept))
        if cut:
            h = Tracked(tape.constant("h", h.node.values[0]))
    body = [f"h = {text}", line("h", retains=kept), *(["h = h.detach()"] if cut else [])]
    lines = [
        made("w", int(w.values[0])),
        made("h", first, leaf=False),
        f"for x in {inputs}:",
        *["    " + b for b in body],
    ]
    return Walks("\n".join(lines), w, passes)


def in_loop(rng: Rng) -> Walks:
    """A part is computed before the loop, or anew in each turn."""
    tape = Tape()
    x = start(rng, tape)
    outside = rng.chance(0.6)
    h = step(rng, x).called("h")
    loss = step(rng, h).sum().called("loss")
    turn = Pass("", Tracked(loss.node, h.saving if outside else frozenset()))  # the loss itself is new in each turn
    made_x, made_h, made_loss = tape.lines
    head = [made_x, made_h] if outside else [made_x]
    body = [made_loss] if outside else [made_h, made_loss]
    lines = [*head, "for step in range(2):", *["    " + b for b in (*body, "loss.backward()")]]
    return Walks("\n".join(lines), x.node, [turn, turn])


SCENES: tuple[tuple[Callable[[Rng], Walks], ...], ...] = (
    (twice,),
    (shared, shared, in_loop),
    (three, carried, carried, in_loop),
)
ORDINALS = ("first", "second", "third")


@drill(after=["autograd.accumulate"], levels=3, lesson="Autograd", arena="0.4", structures=(100, 400, 300))
def graph_freed(rng: Rng) -> Choose:
    """Which second backward pass finds its graph gone."""
    scene = rng.pick(SCENES[rng.level - 1])
    it = settled(lambda: scene(rng), lambda walks: walks.clear, 20)
    name, scalar, failing = it.leaf.text, not it.leaf.shape, it.raising
    rule = (
        "A pass raises where it meets an operation that saved tensors and has been walked through before without "
        "retain_graph=True. Products, powers, exp and relu save some; sums, means, + and - need shapes at most."
    )
    runs = Claim("never-freed" if failing else "", runs_to(name, it.sums[-1], scalar=scalar), rule)
    last = Claim("overwritten", runs_to(name, it.last, scalar=scalar), "backward() adds to .grad; it does not replace.")
    claims = [runs, last]
    for i in range(len(it.passes) - 1, -1, -1):
        before = [int(n) for n in it.sums[i - 1]]
        holds = f"{name}.grad.tolist() == {before[0] if scalar else before}" if i else f"{name}.grad is None"
        mistake = "first-raises" if i == 0 else "always-freed" if failing is None else "wrong-pass"
        text = f"The {ORDINALS[i]} backward pass raises: what it needs has been freed"
        if i or len(it.passes) == SECOND:
            because = rule if i else "The first pass finds everything in place: nothing has been freed yet."
            claims.append(Claim(mistake, Choice(text, raises="a second time", holds=holds), because))
    right = runs if failing is None else next(c for c in claims if ORDINALS[failing] in c.choice.text.split())
    return Choose(
        prompt="What happens?",
        program=it.program,
        choices=[claim.choice for claim in claims],
        right=right.choice.text,
        hints=[
            "Which operations does more than one pass walk through? Leaves are not freed.",
            "Of those, which need one of their tensors for a slope? x * 2 does (it keeps the 2), x + 2 does not.",
        ],
        why="backward() frees the tensors that operations saved for it as it passes, unless retain_graph=True. A "
        "second pass raises where it comes to an operation whose saved tensors are gone; operations that save none, "
        "like + and sum, may be passed any number of times. What is computed anew, or detached, has a fresh graph.",
        wrong=[Wrong(claim.id, claim.choice.text, claim.because) for claim in claims if claim is not right],
    )
