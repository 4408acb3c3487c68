"""Autograd: the chain rule along a chain of numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from tensordrill.authoring import PredictValue, Rng, drill
from tensordrill.building.gradients import Belief, made, predicted, settled

SECOND, THIRD = 2, 3  # levels
Values = Mapping[str, float]


@dataclass(frozen=True)
class Link:
    """A line `name = text`, its value, and how fast it grows with each name in it. `power` is its exponent, if any."""

    name: str
    text: str
    value: Callable[[Values], float]
    slopes: Mapping[str, Callable[[Values], float]]
    power: int = 0


@dataclass(frozen=True)
class Way:
    """The way from one tensor to the loss: the names along it, the slope of each link, and the values of everything."""

    names: list[str]
    links: list[Link]
    slopes: list[float]
    values: dict[str, float]

    @property
    def gradient(self) -> float:
        return prod(self.slopes)

    def without(self, i: int) -> float:
        """The product of all slopes but one."""
        return prod(self.slopes[:i] + self.slopes[i + 1 :])


def way_from(start: str, tensors: Values, links: Sequence[Link]) -> Way:
    values = dict(tensors)
    way = Way([start], [], [], values)
    for link in links:
        values[link.name] = link.value(values)
        if slope := link.slopes.get(way.names[-1]):
            way.slopes.append(slope(values))
            way.names.append(link.name)
            way.links.append(link)
    return way


def affine(rng: Rng, v: str, name: str) -> Link:
    k, m = rng.integer(2, 5), rng.integer(1, 6)
    text, slope, offset = rng.pick(
        [
            (f"{k} * {v}", k, 0),
            (f"{v} * {k}", k, 0),
            (f"{k} * {v} + {m}", k, m),
            (f"{k} * {v} - {m}", k, -m),
            (f"{m} + {k} * {v}", k, m),
            (f"{m} - {k} * {v}", -k, m),
            (f"{k} * ({v} - {m})", k, -k * m),
            (f"({v} + {m}) * {k}", k, k * m),
            (f"{m} - {v}", -1, m),
        ]
    )
    return Link(name, text, lambda e: slope * e[v] + offset, {v: lambda _: slope})


def power(rng: Rng, v: str, name: str) -> Link:
    p, k, m = rng.pick([2, 2, 3]), rng.integer(2, 4), rng.integer(1, 9)
    text, factor, offset = rng.pick(
        [
            (f"{v} ** {p}", 1, 0),
            (f"{v} ** {p}", 1, 0),
            (f"{k} * {v} ** {p}", k, 0),
            (f"{v} ** {p} + {m}", 1, m),
            (f"{v} ** {p} - {m}", 1, -m),
            (f"{m} - {v} ** {p}", -1, m),
        ]
    )
    return Link(name, text, lambda e: factor * e[v] ** p + offset, {v: lambda e: factor * p * e[v] ** (p - 1)}, power=p)


def bend(rng: Rng, v: str, name: str) -> Link:
    """Neither a line nor a power. A reciprocal of 0 is given a value that no puzzle keeps."""
    k = rng.pick([4, 6, 8, 12])
    text, value, slope = rng.pick(BENDS)
    return Link(name, text.format(k=k, v=v), lambda e: value(k, e[v]), {v: lambda e: slope(k, e[v])})


BENDS: Sequence[tuple[str, Callable[[int, float], float], Callable[[int, float], float]]] = (
    ("{v}.relu()", lambda _, v: max(v, 0), lambda _, v: float(v > 0)),
    ("torch.relu({v})", lambda _, v: max(v, 0), lambda _, v: float(v > 0)),
    ("{v}.abs()", lambda _, v: abs(v), lambda _, v: (v > 0) - (v < 0)),
    ("-{v}", lambda _, v: -v, lambda *_: -1),
    ("{k} / {v}", lambda k, v: k / v if v else 0, lambda k, v: -k / v**2 if v else 0),
    ("{k} / {v}", lambda k, v: k / v if v else 0, lambda k, v: -k / v**2 if v else 0),
)


def handy(way: Way) -> bool:
    """Whether an envelope is enough: whole numbers, none of them 0, the answer of two digits."""
    numbers = [*way.slopes, *way.values.values()]
    return all(0 < abs(n) <= 150 and n == int(n) for n in numbers) and abs(way.gradient) <= 99  # noqa: PLR2004


def chain_beliefs(way: Way, others: Values) -> list[Belief]:
    """What people answer in place of the product of the slopes."""
    first, *_, before, loss = way.names
    steps = list(zip(way.names, way.names[1:], strict=False))
    beliefs = [
        Belief("outer-only", way.slopes[-1], f"That is how fast {loss} grows with {before}. The chain rule goes on: "
               f"times the slopes of the lines from {before} back to {first}."),
        Belief("inner-only", prod(way.slopes[:-1]), f"That is how fast {before} grows with {first}. The last link, "
               f"from {before} to {loss}, is missing."),
        *[Belief("link-skipped", way.without(i), f"The slope of {name} by {earlier} is missing from your product.")
          for i, (earlier, name) in enumerate(steps)],
        Belief("added", sum(way.slopes), "Slopes along one path are multiplied. They add up only where paths meet."),
    ]  # fmt: skip
    for i, (link, (earlier, name)) in enumerate(zip(way.links, steps, strict=True)):
        p, rest = link.power, way.without(i)
        if i:
            at_leaf = rest * link.slopes[earlier](way.values | {earlier: way.values[first]})
            beliefs.append(Belief("slope-at-the-leaf", at_leaf, f"{name} is a function of {earlier}, so its slope is "
                                  f"taken at the value of {earlier}, not of {first}."))  # fmt: skip
        if p:
            rule = f"The derivative of v ** {p} is {p} * v" + (f" ** {p - 1}" if p > SECOND else "")
            beliefs.append(Belief("power-not-lowered", way.gradient * way.values[earlier], f"{rule}: the power falls "
                                  "by one."))  # fmt: skip
            beliefs.append(Belief("power-not-in-front", way.gradient / p, f"{rule}: the power comes to the front."))
    beliefs += [Belief("another-leaf", other, f"That is the gradient of {name}.") for name, other in others.items()]
    beliefs.append(Belief("sign", -way.gradient, "One minus is lost, or there is one too many. Count them."))
    beliefs.append(Belief("value", way.values[loss], f"That is {loss} itself. Its derivative by {first} is asked."))
    return beliefs


def chain(start: str, tensors: Values, links: Sequence[Link], leaves: Sequence[str], *, guided: bool) -> PredictValue:
    way = way_from(start, tensors, links)
    others = {name: way_from(name, tensors, links).gradient for name in leaves if name != start}
    told = " and ".join([f"`{name}` is {way.values[name]}" for name in way.names[1:]])
    return PredictValue(
        prompt=f"Here {told}. What is `{start}.grad`?" if guided else "",
        program="\n".join(
            [made(name, value, leaf=name in leaves) for name, value in tensors.items()]
            + [f"{link.name} = {link.text}" for link in links]
            + [f"{way.names[-1]}.backward()"]
        ),
        ask=f"{start}.grad",
        hints=[
            f"Begin at the end: how fast does {way.names[-1]} grow with {way.names[-2]}, at its value here?",
            f"Write the slope of each link as a number ({' <- '.join(reversed(way.names))}), and multiply them all.",
        ],
        why="backward() walks from the loss to the leaves. At each operation it multiplies what has come so far by the "
        "operation's own derivative, taken at the value that went in. That is the chain rule: `.grad` of a leaf is "
        "the product of the slopes along the way.",
        wrong=predicted(way.gradient, chain_beliefs(way, others)),
    )


def links_between(rng: Rng, names: Sequence[str], kinds: Sequence[Callable[[Rng, str, str], Link]]) -> list[Link]:
    return [kind(rng, v, name) for kind, v, name in zip(kinds, names, names[1:], strict=False)]


def plain_chain(rng: Rng) -> PredictValue:
    """One tensor, two or three lines."""
    guided = rng.level == 1
    names = [*rng.pick(("xyz", "abc", "wuv", "pqr"))[: 1 + rng.level], "loss"]
    if guided:
        kinds = rng.pick([[affine, power], [affine, power], [power, affine]])
    else:
        kinds = rng.shuffled([affine, power, rng.pick([affine, bend, bend, bend])])
    starts = [2, 3, 4] if guided else [-3, -2, -1, 1, 2, 3, 4]

    def drawn() -> tuple[Values, list[Link]]:
        return {names[0]: rng.pick(starts)}, links_between(rng, names, kinds)

    def fits(it: tuple[Values, list[Link]]) -> bool:
        way = way_from(names[0], *it)
        return handy(way) and abs(way.values[names[1]]) > 1

    return chain(names[0], *settled(drawn, fits, 40), names[:1], guided=guided)


def product(name: str, a: str, b: str, bias: str = "") -> Link:
    return Link(
        name,
        f"{a} * {b}" + (f" + {bias}" if bias else ""),
        lambda e: e[a] * e[b] + (e[bias] if bias else 0),
        {a: lambda e: e[b], b: lambda e: e[a], bias or name: lambda _: 1},
    )


def squared_error(name: str, y: str, target: str, rng: Rng) -> Link:
    half = rng.chance(0.3)
    one, other = rng.pick([(y, target), (target, y)])
    return Link(
        name,
        f"{'0.5 * ' if half else ''}({one} - {other}) ** 2",
        lambda e: (e[y] - e[target]) ** 2 / (1 + half),
        {y: lambda e: 2 / (1 + half) * (e[y] - e[target])},
    )


def hinge(name: str, y: str, label: str) -> Link:
    return Link(
        name,
        f"(5 - {label} * {y}).relu()",
        lambda e: max(5 - e[label] * e[y], 0),
        {y: lambda e: -e[label] if e[label] * e[y] < 5 else 0},  # noqa: PLR2004 -- the margin in the text
    )


def network(rng: Rng) -> PredictValue:
    """One or two neurons and a loss, and several tensors that require a gradient."""
    w, v, b = rng.pick([("w", "v", "b"), ("w1", "w2", "b1"), ("a", "c", "b")])

    def drawn() -> tuple[str, Values, list[Link], list[str]]:
        deep, biased, with_margin = rng.chance(), rng.chance(0.6), rng.chance(0.25)
        act = rng.pick([None, affine, bend, bend, *([] if deep else [power])])
        weights = [w, *([b] if biased else []), *([v] if deep else [])]
        tensors: dict[str, float] = {"x": rng.pick([-2, 2, 3, 4])}
        tensors |= {name: rng.pick([-3, -2, 2, 3, 4, 5]) for name in weights}
        links = [product("h", w, "x", b if biased else ""), *([act(rng, "h", "s")] if act else [])]
        if deep:
            links.append(product("y", v, links[-1].name))
        out = links[-1].name
        if with_margin:
            tensors["label"] = rng.pick([-1, 1])
            links.append(hinge("loss", out, "label"))
        else:
            tensors["t"] = rng.integer(1, 9)
            links.append(squared_error("loss", out, "t", rng))
        return rng.pick(weights), tensors, links, weights

    start, tensors, links, weights = settled(drawn, lambda it: handy(way_from(*it[:3])), 40)
    return chain(start, tensors, links, weights, guided=False)


@drill(levels=3, lesson="Autograd", arena="0.4", structures=(50, 400, 300))
def scalar_chain(rng: Rng) -> PredictValue:
    """The chain rule along a chain of numbers."""
    return network(rng) if rng.level == THIRD else plain_chain(rng)
