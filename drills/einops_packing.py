"""Tensors of different ranks packed into one, and taken apart again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

from tensordrill.authoring import PredictShape, Rng, Wrong, drill
from tensordrill.building.contraction import axes_of

SECOND, THIRD = 2, 3  # levels
Shape = tuple[int, ...]

# A pattern, and what may be packed with it: how many axes each tensor has at `*`.
FAMILIES: tuple[tuple[str, Mapping[str, int]], ...] = (
    ("b * d", {"cls": 0, "text": 1, "audio": 1, "image": 2, "video": 3}),
    ("b d *", {"pooled": 0, "audio": 1, "image": 2, "video": 3}),
    ("* d", {"query": 0, "memory": 1, "board": 2, "volume": 3}),
    ("* h w", {"photo": 0, "clip": 1, "clips": 2}),
    ("* h w c", {"photo": 0, "clip": 1, "clips": 2}),
    ("b t *", {"reward": 0, "joints": 1, "camera": 2, "scan": 3}),
    ("layer *", {"gain": 0, "bias": 1, "weight": 2, "kernel": 3}),
    ("*", {"scale": 0, "bias": 1, "weight": 2, "kernel": 3}),
    ("head * d", {"sink": 0, "tokens": 1, "patches": 2, "frames": 3}),
    ("b * h d", {"sink": 0, "tokens": 1, "patches": 2}),
)
# Sizes that keep mistakes apart: those of named axes stand nowhere else, and all of `*` together is larger.
NAMED = (6, 7, 8, 9)
AT_STAR: Mapping[int, Sequence[Shape]] = {
    1: [(size,) for size in range(10, 16)],
    2: [(2, 5), (5, 2), (3, 4), (4, 3), (3, 5), (5, 3), (4, 5), (5, 4)],
}


class Mistake(NamedTuple):
    """A wrong turn's id, the shape that is said, and the sentence about it."""

    id: str
    shape: Shape
    because: str


@dataclass(frozen=True)
class Packing:
    """Tensors packed with a pattern: the named axes before and after `*` and their sizes, and each tensor's at `*`."""

    before: Sequence[str]
    after: Sequence[str]
    sizes: Mapping[str, int]
    parts: Mapping[str, Shape]

    @property
    def pattern(self) -> str:
        return " ".join([*self.before, "*", *self.after])

    @property
    def total(self) -> int:
        return sum(map(prod, self.parts.values()))

    def around(self, *inner: int) -> Shape:
        """A shape with these sizes where `*` stands."""
        return (*[self.sizes[name] for name in self.before], *inner, *[self.sizes[name] for name in self.after])

    def elsewhere(self, *inner: int) -> Iterator[Shape]:
        """The shapes with these sizes where `*` does not stand."""
        named = self.around()
        for at in range(len(named) + 1):
            if at != len(self.before):
                yield (*named[:at], *inner, *named[at:])

    def made(self) -> str:
        """The lines that make the tensors."""
        return "\n".join([f"{name} = {zeros(self.around(*part))}" for name, part in self.parts.items()])

    def packed(self, ps: str = "ps") -> str:
        return f"packed, {ps} = einops.pack([{', '.join(self.parts)}], '{self.pattern}')"


def zeros(shape: Shape) -> str:
    return f"torch.zeros{axes_of([str(size) for size in shape])}" if shape else "torch.zeros(())"


def packing(rng: Rng) -> Packing:
    """Some tensors of a family, one of which has several axes at `*`."""
    pattern, members = rng.pick(FAMILIES)
    before, _, after = [side.split() for side in pattern.partition("*")]
    count = rng.integer(2, 2 if rng.level == 1 else min(4, len(members))) + (rng.level == 1 and rng.chance())
    deep = rng.pick([name for name, rank in members.items() if rank > 1])
    chosen = rng.shuffled([deep, *rng.sample([name for name in members if name != deep], count - 1)])
    parts = {name: at_star(rng, members[name]) for name in chosen}
    named = [*before, *after]
    return Packing(before, after, dict(zip(named, rng.sample(NAMED, len(named)), strict=True)), parts)


def at_star(rng: Rng, rank: int) -> Shape:
    if rank in AT_STAR:
        return rng.pick(AT_STAR[rank])
    return tuple(rng.shuffled((2, 3, 4))) if rank else ()


def as_wrong(right: Shape, mistakes: Iterable[Mistake]) -> list[Wrong]:
    """The shapes that are neither right nor said before."""
    seen = {right}
    wrong = []
    for name, shape, because in mistakes:
        if shape not in seen:
            seen.add(shape)
            wrong.append(Wrong(name, repr(shape), because))
    return wrong


def star_of(it: Packing) -> str:
    place = f"after {it.before[-1]}" if it.before else f"before {it.after[0]}" if it.after else "alone"
    return f"`*` stands {place} in '{it.pattern}'"


def packing_mistakes(it: Packing) -> Iterator[Mistake]:
    """What people say instead of the packed tensor's shape."""
    parts = it.parts.values()
    if () in parts:
        nothing = sum([prod(part) for part in parts if part])
        yield Mistake(
            "none-for-nothing",
            it.around(nothing),
            "A tensor without an axis at `*` still brings its entries: it gets one of size 1 there.",
        )
    for shape in it.elsewhere(it.total):
        yield Mistake("star-misplaced", shape, f"{star_of(it)}, and there the packed axis is.")
    yield Mistake(
        "added-not-multiplied",
        it.around(sum([sum(part) if part else 1 for part in parts])),
        "The axes that one tensor has at `*` are flattened: their sizes are multiplied. Only between tensors is added.",
    )
    yield Mistake(
        "multiplied-not-added",
        it.around(prod(map(prod, parts))),
        "The tensors are laid end to end along the packed axis, so their lengths are added.",
    )
    yield Mistake(
        "tensors-counted",
        it.around(len(parts)),
        "The packed axis holds every entry of every tensor along `*`, not one for each tensor.",
    )
    yield Mistake(
        "stacked",
        (len(parts), *it.around(it.total)),
        "The tensors are laid end to end along one axis. No new axis is made for them.",
    )


def piece_mistakes(it: Packing, name: str) -> Iterator[Mistake]:
    """What people say instead of the shape of one tensor that is unpacked."""
    part = it.parts[name]
    yield Mistake(
        "still-flat",
        it.around(prod(part)),
        "unpack undoes the flattening: where `*` stands, the tensor gets back the axes that `ps` has for it."
        if part
        else "`ps` has no axis for it, so it gets none: the 1 that packing made is gone again.",
    )
    for shape in it.elsewhere(*part):
        yield Mistake("star-misplaced", shape, f"{star_of(it)}, and there its own axes come back.")
    yield Mistake("whole", it.around(it.total), "That is all of it. Each tensor takes its own stretch of that axis.")
    for other, its in it.parts.items():
        if other != name:
            yield Mistake("neighbour", it.around(*its), f"That is `{other}`. The tensors come back in order.")


# --- questions


def of_packed(rng: Rng, it: Packing) -> PredictShape:
    guide = (
        "In every tensor `*` stands for any number of axes. They are flattened into one, along which the tensors are "
        "joined.\n\n"
    )
    return PredictShape(
        prompt=f"{guide if rng.level == 1 else ''}What is the shape of `packed`?",
        program=f"{it.made()}\n{it.packed()}",
        ask="packed",
        wrong=as_wrong(it.around(it.total), packing_mistakes(it)),
        hints=[
            "The named axes are the same in all tensors. How many entries does each have in the axes that `*` takes?",
            "For each tensor multiply those sizes, none giving 1, and add. The sum stands where `*` does.",
        ],
        why=WHY,
    )


def of_packed_shapes(rng: Rng, it: Packing) -> PredictShape:
    names = list(it.parts)
    at = rng.integer(0, len(names) - 1)
    part = it.parts[names[at]]
    because = f"`ps` keeps only what `*` took of `{names[at]}`. The named axes are the pattern's."
    mistakes = [
        Mistake("named-axes-kept", it.around(*part), because),
        Mistake("flattened", (prod(part),), "`ps` keeps the sizes as they were before they were flattened: none, where "
                "there was no axis."),
        *[Mistake("neighbour", other, "`ps` has an entry for each tensor, in order, counted from 0.")
          for other in it.parts.values()],
    ]  # fmt: skip
    return PredictShape(
        prompt=f"What is `ps[{at}]`? It is a shape.",
        program=f"{it.made()}\n{it.packed()}",
        ask=f"ps[{at}]",
        wrong=as_wrong(part, mistakes),
        hints=[
            "`ps` has one entry for each tensor: what unpack must know to give it its axes back.",
            "Take that tensor's shape, and leave out the axes that the pattern names.",
        ],
        why=WHY,
    )


def of_piece(rng: Rng, it: Packing) -> PredictShape:
    """One of several pieces; the sizes are written down, one of them perhaps as -1."""
    name = rng.pick(list(it.parts))
    part = it.parts[name]
    written = {other: list(sizes) for other, sizes in it.parts.items()}
    extra = []
    if part and rng.chance(0.6):
        at = rng.integer(0, len(part) - 1)
        written[name][at] = -1
        rest = prod(part)
        if len(part) > 1:
            sizes = it.around(*part[:at], rest, *part[at + 1 :])
            because = f"{rest} entries are left for `{name}`; the sizes beside the -1 divide that."
            extra.append(Mistake("rest-not-divided", sizes, because))
        extra.append(
            Mistake(
                "all-for-the-rest",
                it.around(*part[:at], it.total // (rest // part[at]), *part[at + 1 :]),
                "-1 is worked out of what the other tensors leave of the packed axis, not of all of it.",
            )
        )
    return PredictShape(
        program=(
            f"x = {zeros(it.around(it.total))}\n"
            f"{', '.join(it.parts)} = einops.unpack(x, {list(written.values())}, '{it.pattern}')"
        ),
        ask=name,
        wrong=as_wrong(it.around(*part), [*extra, *piece_mistakes(it, name)]),
        hints=[
            "The list says which axes each tensor gets where `*` stands. The named axes stay with all of them.",
            "An empty list is a tensor without an axis there: it takes one entry. One -1 is what is left, divided.",
        ],
        why=WHY,
    )


def moved(rng: Rng, it: Packing) -> tuple[str, Packing]:
    """The packed axis in another place, perhaps with a named axis reduced; and what that is packed as."""
    names = [*it.before, "s", *it.after]
    gone = rng.pick([*it.before, *it.after]) if rng.chance(0.4) else ""
    kept = [name for name in names if name != gone]
    order = rng.shuffled(kept)
    if not gone and order == names:
        order = order[::-1]
    at = order.index("s")
    pattern = f"'{' '.join(names)} -> {' '.join(order)}'"
    code = f"einops.reduce(packed, {pattern}, 'mean')" if gone else f"einops.rearrange(packed, {pattern})"
    return code, replace(it, before=order[:at], after=order[at + 1 :])


def projected(rng: Rng, it: Packing) -> tuple[str, Packing]:
    """The last axis goes through a matrix."""
    last = it.after[-1]
    size = rng.pick([size for size in NAMED if size not in it.sizes.values()])
    weight = zeros((it.sizes[last], size))
    after = [*it.after[:-1], "e"]
    return f"packed @ {weight}", replace(it, after=after, sizes={**it.sizes, "e": size})


def of_what_came_back(rng: Rng, it: Packing) -> PredictShape:
    """Packed, worked on, unpacked."""
    code, there = (projected if it.after and rng.chance(0.4) else moved)(rng, it)
    name = rng.pick(list(it.parts))
    part = it.parts[name]
    before = Mistake(
        "as-before",
        it.around(*part),
        "That is what was packed. What was done in between changed the named axes, and those come from `y`.",
    )
    pieces = ", ".join([f"{other}_2" for other in it.parts])
    return PredictShape(
        program=f"{it.made()}\n{it.packed()}\ny = {code}\n{pieces} = einops.unpack(y, ps, '{there.pattern}')",
        ask=f"{name}_2",
        wrong=as_wrong(there.around(*part), [before, *piece_mistakes(there, name)]),
        hints=[
            "`ps` knows only the axes that `*` took. All others are read off `y`, where the last pattern names them.",
            f"`y` has the shape {there.around(it.total)}: which of these is the packed axis, and what was it made of?",
        ],
        why=WHY,
    )


WHY = (
    "`pack` flattens, in each tensor, the axes that stand at `*` into one (of size 1 where there is none) and "
    "concatenates along it; the named axes must agree. It returns the result and `ps`, the shapes at `*`. `unpack` "
    "splits that axis again and gives every piece its axes back; the named axes may have changed in between."
)


@drill(after=["einops.flatten"], levels=3, arena="0.0", structures=(170, 580, 780))
def pack(rng: Rng) -> PredictShape:
    """Tensors of different ranks packed into one, and unpacked."""
    it = packing(rng)
    if rng.level == 1:
        return of_packed(rng, it)
    if rng.level == SECOND:
        return rng.pick((of_packed, of_packed_shapes, of_piece))(rng, it)
    if not it.sizes:
        return of_piece(rng, it)
    return of_what_came_back(rng, it)
