"""Autograd: where detach cuts the graph."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from tensordrill.authoring import PredictValue, Rng, drill
from tensordrill.building.gradients import CUT, Belief, Node, Tape, entries, nested, predicted, settled

SECOND, THIRD = 2, 3  # levels


COPY = -2  # on a path through something that seems to cut it and does not


class Cutting(NamedTuple):
    """The leaf that is asked, the loss, and the other leaves."""

    x: Node
    loss: Node
    others: Sequence[Node] = ()
    more: Sequence[Belief] = ()


def cut(rng: Rng, v: Node, spellings: Sequence[str] = ("detach()", "detach()", "data")) -> Node:
    """The same numbers without their history."""
    node = v.detach()
    node.text = node.text.removesuffix("detach()") + rng.pick(spellings)
    return node


def in_block(tape: Tape, name: str, node: Node) -> Node:
    """A line that is not recorded."""
    tape.lines.append(f"with torch.no_grad():\n    {name} = {node.text}")
    return tape.seen(name, node.detach())


def copied(rng: Rng, v: Node) -> Node:
    """The same numbers, with their history."""
    node = v.picked(rng.pick([".clone()", ".clone()", " + 0"]), range(len(v.values)), v.shape)
    slopes = [{((*path, COPY), entry): slope for (path, entry), slope in one.items()} for one in node.slopes]
    return replace(node, slopes=slopes)


def one_of(rng: Rng, *makes: Callable[[], Node]) -> Node:
    return rng.pick(makes)()


def smooth(rng: Rng, v: Node) -> Node:
    k = rng.integer(2, 4)
    return one_of(rng, lambda: k * v, lambda: v**2, lambda: v**2, lambda: v * k, lambda: v + k, lambda: k - v)


def meeting(rng: Rng, a: Node, b: Node) -> Node:
    return one_of(rng, lambda: a * b, lambda: a * b, lambda: b * a, lambda: a + b, lambda: b - a, lambda: a - b)


def one_number(rng: Rng, tape: Tape) -> Cutting:
    """A number, once with its history and once without."""
    x = tape.leaf(rng.pick("xwa"), rng.integer(2, 5))
    share = rng.integer(1, 4)
    if share == 1:
        return Cutting(x, tape.let("loss", meeting(rng, smooth(rng, x), cut(rng, x, ["detach()"]))))
    y = tape.let("y", smooth(rng, x))
    c = cut(rng, y, ["detach()"])
    return Cutting(
        x, tape.let("loss", meeting(rng, x if share == SECOND else y, c if share < THIRD else tape.let("c", c)))
    )


def several_numbers(rng: Rng, tape: Tape) -> Cutting:
    """A vector, several spellings, and one that cuts nothing."""
    x = tape.leaf("x", rng.sample([1, 2, 3, 4, -1, -2], 2))
    y = tape.let("y", smooth(rng, x))
    match rng.integer(1, 4):
        case 1:
            other = tape.let("c", copied(rng, y))
        case 2:
            other = in_block(tape, "c", smooth(rng, y))
        case _:
            other = tape.let("c", cut(rng, y))
    total = meeting(rng, rng.pick([y, y, x]), other)
    return Cutting(x, tape.let("loss", one_of(rng, lambda: total, lambda: meeting(rng, total, x)).sum()))


def straight_through(rng: Rng, tape: Tape) -> Cutting:
    """The rounded value forward, the slope of the identity backward."""
    x = tape.leaf("x", [rng.integer(-2, 3) + rng.pick([0.25, 0.75]) for _ in range(2)])
    q = tape.let("q", x.method("round()", round, lambda _: 0))
    y = tape.let(
        "y", one_of(rng, lambda: x + (q - x).detach(), lambda: (q - x).detach() + x, lambda: x - (x - q).detach())
    )
    g = tape.data("g", rng.sample([2, 3, 4, 5], 2))
    losses: list[Callable[[Node], Node]] = [
        lambda v: (g * v).sum(), lambda v: (v**2 * g).sum(), lambda v: (g * v**2).sum(),
    ]  # fmt: skip
    finish = rng.pick(losses)
    because = "Forward, y has the rounded values. Only the slope is that of the identity."
    unrounded = Belief("unrounded", finish(x).gradient(x), because)
    return Cutting(x, tape.let("loss", finish(y)), more=[unrounded])


def bootstrapped(rng: Rng, tape: Tape) -> Cutting:
    """A target that is computed of the same weight, and held fixed."""
    w = tape.leaf("w", rng.integer(2, 3))
    now, later, reward = rng.integer(1, 3), rng.integer(2, 4), rng.integer(1, 5)
    value = tape.let("value", one_of(rng, lambda: w * now, lambda: now * w))
    if rng.chance(0.4):
        target = in_block(tape, "target", reward + later * w)
    else:
        following = tape.let("following", later * w)
        target = tape.let("target", reward + cut(rng, following))
    return Cutting(w, tape.let("loss", one_of(rng, lambda: (target - value) ** 2, lambda: (value - target) ** 2)))


def codebook(rng: Rng, tape: Tape) -> Cutting:
    """Two terms with the same value, as in a VQ-VAE: each moves one of the two vectors."""
    z, e = tape.leaf("z", rng.sample(range(1, 6), 2)), tape.leaf("e", rng.sample(range(-2, 4), 2))
    first = tape.let("codebook", ((cut(rng, z) - e) ** 2).sum())
    second = tape.let("commitment", ((z - cut(rng, e)) ** 2).sum())
    x, other = rng.shuffled([z, e])
    return Cutting(x, tape.let("loss", first + rng.integer(2, 4) * second), [other])


def baseline(rng: Rng, tape: Tape) -> Cutting:
    """A policy's loss and that of its baseline, which must not learn from the first."""
    logp, value = tape.leaf("logp", -rng.integer(1, 3)), tape.leaf("value", rng.integer(1, 5))
    k = rng.integer(6, 9)
    reward = tape.data("reward", k)
    advantage = tape.let("advantage", reward - cut(rng, value, ["detach()", "item()", "data"]))
    error = one_of(rng, lambda: (value - reward) ** 2, lambda: (reward - value) ** 2)
    loss = tape.let("loss", one_of(rng, lambda: error - advantage * logp, lambda: error - logp * advantage))
    x, other = rng.shuffled([logp, value])
    return Cutting(x, loss, [other])


def two_blocks(rng: Rng, tape: Tape) -> Cutting:
    """Two blocks, each of which sees something without its history."""
    x = tape.leaf("x", rng.sample([1, 2, 3, -1, -2], 2))
    spellings = ["detach()", "data", "detach().requires_grad_()"]
    h = tape.let("h", meeting(rng, x, cut(rng, x, spellings)))
    other = rng.pick([copied(rng, x), cut(rng, h, spellings), cut(rng, x, spellings)])
    return Cutting(x, tape.let("loss", meeting(rng, smooth(rng, h), other).sum()))


def detach_beliefs(it: Cutting) -> Iterator[Belief]:
    x, loss = it.x, it.loss
    yield Belief("not-cut", loss.gradient(x, lambda _: True), "You let the gradient through where the graph is cut: "
                 "what is detached counts as a constant on the way back.")  # fmt: skip
    yield Belief("copy-taken-for-cut", loss.gradient(x, {CUT, COPY}.isdisjoint), "clone() copies the numbers and "
                 "stays in the graph. Only detach and its like cut it.")  # fmt: skip
    yield Belief("cut-path-only", loss.gradient(x, lambda path: CUT in path), "That comes along the path that is cut. "
                 "What counts is what comes along the others.")  # fmt: skip
    yield Belief("all-cut", nested([0] * len(x.values), x.shape), "detach() cuts one path. Along the others the "
                 "gradient still comes back.")  # fmt: skip
    yield from it.more
    for other in it.others:
        yield Belief("another-leaf", loss.gradient(other), f"That is {other.text}.grad.")


SCENES: tuple[tuple[Callable[[Rng, Tape], Cutting], ...], ...] = (
    (one_number,),
    (several_numbers,),
    (straight_through, bootstrapped, codebook, baseline, two_blocks, two_blocks),
)


@drill(after=["autograd.fan-out"], levels=3, lesson="Autograd", arena="0.4", structures=(40, 400, 250))
def detach(rng: Rng) -> PredictValue:
    """Where detach cuts the graph."""
    scene = rng.pick(SCENES[rng.level - 1])

    def drawn() -> tuple[Tape, Cutting]:
        tape = Tape()
        return tape, scene(rng, tape)

    def fits(it: tuple[Tape, Cutting]) -> bool:
        numbers = entries(it[1].loss.gradient(it[1].x))
        return any(numbers) and all(abs(n) <= 99 and n == int(n) for n in numbers)  # noqa: PLR2004 -- two digits

    tape, it = settled(drawn, fits, 16)
    name = it.x.text
    guide = "`detach()` gives the same number, taken out of the graph. " if rng.level == 1 else ""
    return PredictValue(
        prompt=f"{guide}What is `{name}.grad`?",
        program="\n".join([*tape.lines, "loss.backward()"]),
        ask=f"{name}.grad",
        hints=[
            f"Draw the paths from the loss back to {name}. Which of them are cut?",
            "Take what is cut off for a constant that happens to have that value, and differentiate what is left.",
        ],
        why="`detach()` returns a tensor with the same data and no history. Forward nothing changes; on the way back "
        "it is a constant: nothing comes back through it, while the other paths count in full. `.data`, `.item()` and "
        "a block under `torch.no_grad()` cut in the same way; `clone()` does not.",
        wrong=predicted(it.loss.gradient(it.x), detach_beliefs(it)),
    )
