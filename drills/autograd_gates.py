"""Autograd: operations that let only some entries through."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tensordrill.authoring import PredictValue, Rng, drill
from tensordrill.building.gradients import Belief, Node, Tape, entries, mixed, predicted, settled

SECOND = 2  # level
Links = Sequence[Sequence[tuple[float, int]]]  # for each entry of a result, the entries that it sends back to, how much
Shape = tuple[int, ...]


class Gate(NamedTuple):
    """What an operation gives, where its entries send back to, and where people think that they do."""

    text: str  # with {v} for what goes in
    shape: Shape
    values: Sequence[float]
    back: Links
    wrong: Sequence[tuple[str, Links, str]]
    clear: bool = True  # no entries tie for which torch has no rule

    def after(self, v: Node, back: Links) -> Node:
        """Its result, which sends back like that."""
        v = v.used()
        slopes = [mixed([(weight, v.slopes[i]) for weight, i in links]) for links in back]
        return Node(v.tape, self.text.format(v=v.text), self.shape, self.values, slopes, uses=v.uses)


Opening = Callable[[Node], Gate]


def to(places: Sequence[int]) -> Links:
    """Each entry comes from one place."""
    return [[(1, i)] for i in places]


ONLY = "Only the entries that get through reach the loss. The others get 0."
WHOLE = "The entry that is picked gets all that comes back; it is not shared out."
ORIGIN = "Each value goes back to the entry that it came from, and not to the place that it has now."
COUNTED = "Entries are counted from 0, and the end of a slice is not in it."
TWICE = "An entry that is picked twice gets something back twice, and the two are added."
TIES = "Entries that tie share what comes back evenly: max, min, amax and amin do so where they reduce everything."
RANKS = "You sent it to the rank of each entry. It goes to the entry of that rank: the inverse permutation."
AGAIN = "Look again which entries are picked."
SLOPE = "The slope is not 1 everywhere: it is that of the piece on which the entry lies."
TURNED = "You have the two pieces the wrong way round."
VALUE = "Those are values of the function. What comes back is multiplied by its slope."


def entry(rng: Rng, x: Node) -> Opening:
    size = len(x.values)
    i = rng.integer(0, size - 1)
    wrong = [("spread", [[(1, j) for j in range(size)]], ONLY), ("off-by-one", to([(i - 1) % size]), COUNTED)]
    return lambda v: Gate(f"{{v}}[{i}]", (), [v.values[i]], to([i]), wrong)


def several(rng: Rng, x: Node) -> Opening:
    """A list as an index: one entry twice, and not in order."""
    size = len(x.values)
    first, *others = rng.sample(range(size), rng.integer(2, 3))
    index = rng.shuffled([first, first, *others])
    once = [[(1, i)] if i not in index[at + 1 :] else [] for at, i in enumerate(index)]
    wrong = [("counted-once", once, TWICE), ("by-position", to([at % size for at in range(len(index))]), ORIGIN)]
    return lambda v: Gate(f"{{v}}[{index}]", (len(index),), [v.values[i] for i in index], to(index), wrong)


def piece(rng: Rng, x: Node) -> Opening:
    size = len(x.values)
    text, places = rng.pick(
        [
            ("[1:]", range(1, size)),
            ("[:-1]", range(size - 1)),
            ("[::2]", range(0, size, 2)),
            ("[-2:]", range(size - 2, size)),
            ("[:2]", range(2)),
            ("[1:3]", range(1, 3)),
        ]
    )
    return lambda v: Gate(
        f"{{v}}{text}", (len(places),), [v.values[i] for i in places], to(places), [
            ("shifted", to([(i + 1) % size for i in places]), COUNTED),
            ("spread", spilled(to(places), size), ONLY),
        ],
    )  # fmt: skip


def spilled(back: Links, size: int) -> Links:
    """What is left out gets something too."""
    reached = {i for links in back for _, i in links}
    return [[*back[0], *[(1, i) for i in range(size) if i not in reached]], *back[1:]] if back else []


def chosen(rng: Rng, x: Node) -> Opening:
    """A boolean mask as an index."""
    size, low = len(x.values), rng.chance()

    def gate(v: Node) -> Gate:
        below = [i for i, value in enumerate(v.values) if value < 0]
        inside = below if low and below else [i for i, value in enumerate(v.values) if value > 0]
        text = f"{{v}}[{{v}} {'<' if inside is below else '>'} 0]"
        return Gate(text, (len(inside),), [v.values[i] for i in inside], to(inside), [
            ("spread", spilled(to(inside), size), ONLY),
            ("by-position", to(range(len(inside))), ORIGIN),
        ])  # fmt: skip

    return gate


def extreme(rng: Rng, x: Node) -> Opening:
    size = len(x.values)
    text, pick, other = rng.pick([(".max()", max, min), (".max()", max, min), (".min()", min, max),
                                  (".amax()", max, min), (".amin()", min, max)])  # fmt: skip

    def gate(v: Node) -> Gate:
        best = pick(v.values)
        ties = [i for i, value in enumerate(v.values) if value == best]
        return Gate(f"{{v}}{text}", (), [best], [[(1 / len(ties), i) for i in ties]], [
            ("spread", [[(1, i) for i in range(size)]], ONLY),
            ("shared-out", [[(1 / size, i) for i in range(size)]], WHOLE),
            ("other-end", to([v.values.index(other(v.values))]), AGAIN),
            ("first-of-a-tie", to(ties[:1]), TIES),
            ("all-of-a-tie", [[(1, i) for i in ties]], TIES),
        ])  # fmt: skip

    return gate


def ranked(rng: Rng, x: Node) -> Opening:
    """The largest ones, or all of them sorted. No two may tie."""
    size = len(x.values)
    text, count, falling = rng.pick(
        [
            ("topk(2).values", 2, True),
            ("topk(2, largest=False).values", 2, False),
            ("topk(3).values", 3, True),
            ("sort().values", size, False),
            ("sort(descending=True).values", size, True),
        ]
    )

    def gate(v: Node) -> Gate:
        order = sorted(range(size), key=lambda i: -v.values[i] if falling else v.values[i])
        ranks = [order.index(i) for i in range(size)]
        return Gate(f"{{v}}.{text}", (count,), [v.values[i] for i in order[:count]], to(order[:count]), [
            ("by-position", to(range(count)), ORIGIN),
            ("inverse", to(ranks[:count]), RANKS),
            ("other-end", to(order[::-1][:count]), AGAIN),
        ], clear=len(set(v.values)) == size)  # fmt: skip

    return gate


# An elementwise function, its value, and its slope. The borders lie where no puzzle has an entry.
PIECES: Sequence[tuple[str, Callable[[float], float], Callable[[float], float]]] = (
    ("{v}.relu()", lambda n: max(n, 0), lambda n: n > 0),
    ("F.relu({v})", lambda n: max(n, 0), lambda n: n > 0),
    ("torch.relu({v})", lambda n: max(n, 0), lambda n: n > 0),
    ("{v}.abs()", abs, lambda n: 1 if n > 0 else -1),
    ("{v}.clamp(-1.5, 2.5)", lambda n: min(max(n, -1.5), 2.5), lambda n: -1.5 < n < 2.5),  # noqa: PLR2004
    ("{v}.clamp(min=0.5)", lambda n: max(n, 0.5), lambda n: n > 0.5),  # noqa: PLR2004
    ("{v}.masked_fill({v} < 0, 0)", lambda n: n * (n > 0), lambda n: n > 0),
    ("torch.where({v} > 0, 3 * {v}, {v})", lambda n: 3 * n if n > 0 else n, lambda n: 3 if n > 0 else 1),
    ("torch.where({v} > 0, {v}, -2 * {v})", lambda n: n if n > 0 else -2 * n, lambda n: 1 if n > 0 else -2),
    ("torch.where({v} < 0, {v}, 4 * {v})", lambda n: n if n < 0 else 4 * n, lambda n: 1 if n < 0 else 4),
    ("F.leaky_relu({v}, 0.5)", lambda n: n if n > 0 else n / 2, lambda n: 1 if n > 0 else 0.5),
    ("{v}.mul({v} > 0)", lambda n: n * (n > 0), lambda n: n > 0),
)


def bent(rng: Rng, x: Node) -> Opening:
    """Elementwise, with another slope on each side of a border."""
    places = range(len(x.values))
    text, function, slope = rng.pick(PIECES)

    def gate(v: Node) -> Gate:
        values, slopes = [function(n) for n in v.values], [float(slope(n)) for n in v.values]
        both = min(slopes) + max(slopes)
        return Gate(text, v.shape, values, [[(slopes[i], i)] for i in places], [
            ("mask-ignored", to(places), SLOPE),
            ("mask-inverted", [[(both - slopes[i], i)] for i in places], TURNED),
            ("value-for-slope", [[(values[i], i)] for i in places], VALUE),
        ])  # fmt: skip

    return gate


def largest(_: int, group: list[float]) -> int:
    return group.index(max(group))


def smallest(_: int, group: list[float]) -> int:
    return group.index(min(group))


def by_rows(rng: Rng, x: Node) -> Opening:
    """One entry of each row of a matrix, or of each column."""
    rows, columns = x.shape
    i, j, index = rng.integer(0, rows - 1), rng.integer(0, columns - 1), rng.sample(range(columns), rows)
    across = [range(r * columns, (r + 1) * columns) for r in range(rows)]
    down = [range(c, rows * columns, columns) for c in range(columns)]
    kinds: list[tuple[str, list[range], Callable[[int, list[float]], int]]] = [
        (".amax(1)", across, largest),
        (".amax(0)", down, largest),
        (".max(1).values", across, largest),
        (".max(0).values", down, largest),
        (".min(1).values", across, smallest),
        (f"[{i}]", down, lambda *_: i),
        (f"[:, {j}]", across, lambda *_: j),
        (f"[[0, 1], {index}]", across, lambda at, _: index[at]),
        (f"[torch.arange({rows}), {index}]", across, lambda at, _: index[at]),
    ]
    text, groups, pick = rng.pick(kinds)

    def gate(v: Node) -> Gate:
        at = [pick(k, [v.values[p] for p in group]) for k, group in enumerate(groups)]
        places = [group[a] for group, a in zip(groups, at, strict=True)]
        beside = [group[(a + 1) % len(group)] for group, a in zip(groups, at, strict=True)]
        return Gate(f"{{v}}{text}", (len(places),), [v.values[p] for p in places], to(places), [
            ("spread", [[(1, p) for p in group] for group in groups], ONLY),
            ("shared-out", [[(1 / len(group), p) for p in group] for group in groups], WHOLE),
            ("neighbour", to(beside), f"{AGAIN} They are counted from 0, and dim=1 runs along a row."),
        ], clear=("(1" not in text and "(0" not in text) or len(set(v.values)) == rows * columns)  # fmt: skip

    return gate


def finished(rng: Rng, tape: Tape, y: Node) -> Callable[[Node], Node]:
    """A loss of what has the shape of y."""
    k = rng.integer(2, 5)
    weighted = len(y.shape) == 1 and rng.chance(0.6)
    g = tape.data("g", rng.sample(range(1, 8), y.shape[0])) if weighted else y
    losses: list[Callable[[Node], Node]] = [lambda v: v.sum(), lambda v: (v**2).sum(), lambda v: k * v.sum()]
    if weighted:
        losses = [lambda v: (g * v).sum(), lambda v: (v * g).sum(), lambda v: g @ v]
    return rng.pick(losses if y.shape else [lambda v: k * v, lambda v: v**2])


def before(rng: Rng, x: Node) -> Node:
    """Elementwise, and never 0 where x is not."""
    kinds: list[Callable[[], Node]] = [lambda: 2 * x, lambda: 3 - 2 * x, lambda: 2 * x - 1, lambda: x**2, lambda: 3 * x]
    return rng.pick(kinds)()


OPENINGS = (
    ((entry,), (several,), (piece,), (extreme,), (bent,), (bent,)),
    ((several,), (piece,), (chosen,), (chosen,), (extreme,), (ranked,), (bent,), (bent,)),
    ((bent, several), (bent, piece), (bent, extreme), (bent, ranked), (piece, bent), (by_rows,), (bent, by_rows),
     (by_rows, extreme), (by_rows, bent)),
)  # fmt: skip


class Passage(NamedTuple):
    """A program: its gates with what goes into each, and the loss of what comes out."""

    tape: Tape
    x: Node
    gates: list[tuple[Gate, Node]]
    finish: Callable[[Node], Node]
    loss: Node

    def beliefs(self) -> Iterator[Belief]:
        """What goes back where one gate is mistaken."""
        for at, (gate, source) in enumerate(self.gates):
            for name, links, because in gate.wrong:
                wrong = gate.after(source, links)
                for later, _ in self.gates[at + 1 :]:
                    wrong = later.after(wrong, later.back)
                yield Belief(name, self.finish(wrong).gradient(self.x), because)
        gate, source = self.gates[-1]
        because = "Multiply what the operation lets through by what comes back to it from the loss."
        yield Belief("upstream-ignored", gate.after(source, gate.back).sum().gradient(self.x), because)

    @property
    def handy(self) -> bool:
        """Whether an envelope is enough, and no entries tie for which torch has no rule."""
        numbers = entries(self.loss.gradient(self.x))
        few = any(numbers) and all(abs(n) <= 99 and n == int(n) for n in numbers)  # noqa: PLR2004
        return few and all(gate.clear for gate, _ in self.gates) and self.matters

    @property
    def matters(self) -> bool:
        """Whether it makes a difference which way a gate sends things back."""
        right = self.loss.gradient(self.x)
        return any(belief.numbers != right for belief in self.beliefs() if belief.id != "upstream-ignored")


def passage(rng: Rng, openings: Sequence[Callable[[Rng, Node], Opening]]) -> Passage:
    tape, matrix = Tape(), by_rows in openings
    above, below, rest = rng.integer(1, 6), rng.integer(-5, -1), 4 if matrix else rng.integer(1, 3)
    others = rng.sample([n for n in range(-5, 7) if n not in (0, above, below)], rest)
    numbers = rng.shuffled([above, below, *others])
    x = tape.leaf("x", [numbers[:3], numbers[3:]] if matrix else numbers)
    v = tape.let("a", before(rng, x)) if rng.level == SECOND and rng.chance(0.6) else x
    gates = []
    for opening, name in zip(openings, ("h", "y") if len(openings) > 1 else ("y",), strict=True):
        gate = opening(rng, v)(v)
        gates.append((gate, v))
        v = tape.let(name, gate.after(v, gate.back))
    finish = finished(rng, tape, v)
    loss = tape.let("loss", finish(v))
    return Passage(tape, x, gates, finish, loss)


@drill(after=["autograd.fan-out"], levels=3, arena="0.4", structures=(400, 500, 500))
def index_max_relu(rng: Rng) -> PredictValue:
    """Gradients through indexing, max, relu and where."""
    openings = rng.pick(OPENINGS[rng.level - 1])
    it = settled(lambda: passage(rng, openings), lambda it: it.handy, 20)
    return PredictValue(
        prompt="Which entries of `x` reach the loss, and with which slope? What is `x.grad`?" if rng.level == 1 else "",
        program="\n".join([*it.tape.lines, "loss.backward()"]),
        ask="x.grad",
        hints=[
            "Work out y, and write beside each of its numbers the entry of x that it comes from.",
            (
                "What comes back to y goes to those entries alone, times the slope with which they went in; where one "
                "is used twice, it is added. All other entries get 0."
            ),
        ],
        why="An index, a mask or a maximum lets some entries through, and what comes back goes to exactly those; the "
        "others get 0. Of relu, abs, clamp and where, each entry gets the slope of the piece on which it lies. Which "
        "piece that is, or which entry wins, is settled in the forward pass, and has no derivative of its own.",
        wrong=predicted(it.loss.gradient(it.x), it.beliefs()),
    )
