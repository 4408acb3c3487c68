"""Autograd: tensors that are used more than once."""

from collections.abc import Callable, Iterator
from functools import partial
from math import prod
from operator import eq

from tensordrill.authoring import PredictValue, Rng, drill
from tensordrill.building.gradients import Belief, Node, Path, Tape, entries, nested, predicted, settled


def handy(numbers: object, most: int = 99) -> bool:
    """Whether an envelope is enough: whole numbers of two digits, not all of them 0."""
    return any(entries(numbers)) and all(abs(n) <= most and n == int(n) for n in entries(numbers))


def part(numbers: object, row: int | None) -> object:
    return numbers[row] if isinstance(numbers, list) and row is not None else numbers


def one_of(rng: Rng, *makes: Callable[[], Node]) -> Node:
    return rng.pick(makes)()


def smooth(rng: Rng, v: Node) -> Node:
    """Something of the shape of v that uses it once."""
    k = rng.integer(2, 4)
    return one_of(rng, lambda: k * v, lambda: v * k, lambda: v**2, lambda: v + k, lambda: v - k, lambda: k - v)


def number_of(rng: Rng, v: Node) -> Node:
    """One number made of a vector."""
    i, j = rng.sample(range(len(v.values)), 2)
    return one_of(rng, v.sum, lambda: v[i], lambda: v @ v, lambda: v[i] * v[j], (v**2).sum, lambda: v[i] - v[j])


def meeting(rng: Rng, a: Node, b: Node) -> Node:
    return one_of(
        rng, lambda: a + b, lambda: a - b, lambda: a * b, lambda: a * b, lambda: b + a, lambda: b * a, lambda: b - a
    )


PAIRS = (("a", "b"), ("u", "v"), ("p", "q"), ("y", "z"))


def two_uses(rng: Rng, tape: Tape, name: str) -> tuple[Node, Node]:
    """A number that is used twice, on lines of their own or within one."""
    x = tape.leaf(name, rng.integer(2, 5))
    k, m = rng.integer(2, 5), rng.integer(1, 9)
    match rng.integer(1, 4):
        case 1:
            one, other = rng.pick([pair for pair in PAIRS if name not in pair])
            loss = meeting(rng, tape.let(one, smooth(rng, x)), tape.let(other, smooth(rng, x)))
        case 2:
            y = tape.let("y", meeting(rng, x, smooth(rng, x)))
            loss = one_of(rng, lambda: k * y, lambda: y**2)
        case 3:
            loss = one_of(rng, lambda: x * x, lambda: x * x + m, lambda: k * x * x, lambda: x * x - k * x)
        case _:
            loss = meeting(rng, smooth(rng, x), smooth(rng, x))
    return x, tape.backward(tape.let("loss", loss))


def vector_uses(rng: Rng, tape: Tape, name: str) -> tuple[Node, Node]:
    """A vector that is used two to four times."""
    x = tape.leaf(name, vector(rng, rng.integer(2, 3)))
    if rng.chance(0.25):
        loss = meeting(rng, number_of(rng, x), number_of(rng, x))
        return x, tape.backward(tape.let("loss", loss))
    other = rng.pick([number_of, number_of, smooth])(rng, x)
    return x, weighed(rng, tape.let("y", meeting(rng, one_of(rng, lambda: x, lambda: smooth(rng, x)), other)))


def residual(rng: Rng, tape: Tape, name: str) -> tuple[Node, Node]:
    """Two blocks that each add to what they get, or multiply it."""
    x = tape.leaf(name, vector(rng, 2))
    h = tape.let("h", meeting(rng, x, rng.pick([smooth, smooth, number_of])(rng, x)))
    inner = rng.pick([smooth, number_of])(rng, h)
    return x, weighed(rng, tape.let("y", meeting(rng, rng.pick([h, h, x]), inner)))


def shared(rng: Rng, tape: Tape, name: str) -> tuple[Node, Node]:
    """One weight in every step of a loop that is written out."""
    w = tape.leaf(name, rng.pick([-3, -2, 2, 3]))
    x = tape.data("x", vector(rng, 3))
    h = tape.let("h1", one_of(rng, lambda: w * x[0], lambda: x[0] * w, lambda: w + x[0]))
    for step in range(1, rng.integer(2, 3)):
        h = tape.let(f"h{step + 1}", one_step(rng, w, h, x[step]))
    return w, tape.backward(
        tape.let("loss", one_of(rng, lambda: 2 * h, lambda: h - w, lambda: w * h, lambda: h + w, lambda: h**2))
    )


def one_step(rng: Rng, w: Node, h: Node, x: Node) -> Node:
    mixed = one_of(rng, lambda: w * h, lambda: h * w)
    return one_of(rng, lambda: mixed + x, lambda: mixed * x, lambda: mixed, lambda: x - mixed)


def with_itself(rng: Rng, tape: Tape, name: str) -> tuple[Node, Node]:
    """A matrix that meets itself."""
    a = tape.leaf(name, [vector(rng, 2, 3), vector(rng, 2, 3)])
    if rng.chance(0.35):
        v = tape.data("v", vector(rng, 2, 3))
        twice = one_of(
            rng, lambda: a @ (a @ v), lambda: a.T @ (a @ v), lambda: a @ v * (v @ a), lambda: a @ (v @ a),
            lambda: a @ v * a[0],
        )  # fmt: skip
        return a, weighed(rng, tape.let("y", twice))
    twice = one_of(rng, lambda: a @ a, lambda: a @ a.T, lambda: a.T @ a, lambda: a * a.T, lambda: a * a[0])
    more = one_of(rng, lambda: twice, lambda: twice + a, lambda: twice - a, lambda: a - twice, lambda: twice + a.T)
    return a, weighed(rng, tape.let("M", more))


def vector(rng: Rng, size: int, most: int = 4) -> list[float]:
    """Small whole numbers, different ones and none of them 0."""
    return rng.sample([n for n in range(1 - most // 2, most + 1) if n], size)


def weighed(rng: Rng, y: Node) -> Node:
    """The backward pass from a loss of it, with weights or without."""
    tape, share = y.tape, rng.integer(1, 10)
    if share in (1, 2, 3, 4):
        g = tape.data("g", nested([rng.integer(1, 3) for _ in y.values], y.shape))
        return tape.backward(one_of(rng, (g * y).sum, (y * g).sum))
    if share in (5, 6):
        return tape.backward(y[tuple([rng.integer(0, size - 1) for size in y.shape])])
    return tape.backward(y.sum())


def starts_with(use: int, path: Path) -> bool:
    return path[0] == use


def fan_beliefs(x: Node, loss: Node, row: int | None) -> Iterator[Belief]:
    tape, right = loss.tape, loss.gradient(x)
    uses = {name: tape.uses(name) for name in dict.fromkeys([tape.owners[use] for use in tape.order])}
    several = [name for name, places in uses.items() if len(places) > 1]
    which = " and ".join(several)

    def along(kept: Callable[[Path], bool]) -> object:
        return part(loss.gradient(x, kept), row)

    def only(place: int) -> object:
        return along({places[place] for places in uses.values()}.issuperset)

    yield Belief("last-use-only", only(-1), f"You kept what the last use of {which} sends back, as if it overwrote the "
                 "others. It is added to them.")  # fmt: skip
    yield Belief("first-use-only", only(0), f"You followed the first use of {which} alone. What the other uses send "
                 "back is added.")  # fmt: skip

    paths = loss.paths(x)
    ways = [entries(along(partial(eq, own))) for own in paths]
    together = [prod(column) for column in zip(*ways, strict=True)]
    shape = () if not isinstance(part(right, row), list) else (len(together),) if row is not None else x.shape
    yield Belief("multiplied", nested(together, shape), "Slopes are multiplied along one path. Where several paths "
                 "lead to the same tensor, what they bring is added.")  # fmt: skip
    for own in tape.uses(x.text):
        yield Belief("one-use-only", along(partial(starts_with, own)),
                     f"You followed one of the {len(uses[x.text])} uses of {x.text}. What all of them send back is "
                     "added.")  # fmt: skip
    share = [number / len(paths) for number in entries(part(right, row))]
    yield Belief("averaged", nested(share, shape), "What the uses send back is added up, not averaged.")


@drill(after=["autograd.scalar-chain"], levels=3, arena="0.4", structures=(150, 500, 500))
def fan_out(rng: Rng) -> PredictValue:
    """A tensor that is used more than once."""
    scene = rng.pick([[two_uses], [vector_uses], [residual, residual, shared, with_itself]][rng.level - 1])
    name = rng.pick({shared: "w", with_itself: "AW"}.get(scene, "xxaz"))

    def drawn() -> tuple[Tape, Node, Node]:
        tape = Tape()
        return tape, *scene(rng, tape, name)

    def fits(it: tuple[Tape, Node, Node]) -> bool:
        _, x, loss = it
        return handy(loss.gradient(x)) and len(loss.paths(x)) > 1

    tape, x, loss = settled(drawn, fits, 30)
    row = rng.pick([r for r in (0, 1) if any(entries(part(loss.gradient(x), r)))]) if len(x.shape) > 1 else None
    asked = f"{name}.grad" + ("" if row is None else f"[{row}]")
    count = len(tape.uses(name))
    return PredictValue(
        prompt=f"`{name}` is used in {count} places. What is `{asked}`?" if rng.level == 1 else "",
        program="\n".join(tape.lines),
        ask=asked,
        hints=[
            (
                f"Mark every place in which {name} is used. Is there another tensor that is used more than once? Its "
                "uses are added up too."
            ),
            f"{name} is used {count} times. Work out what each use sends back, as if the others held constants.",
        ],
        why="A tensor that is used in several places gets something back from each of them, and the contributions are "
        "added: the multivariate chain rule. It holds for leaves and for what lies between, for residual streams, "
        "tied weights and recurrent ones.",
        wrong=predicted(part(loss.gradient(x), row), fan_beliefs(x, loss, row)),
    )
