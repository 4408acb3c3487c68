"""What people mistake in a pattern: wrong turns as the two sides that are typed."""

from collections.abc import Iterator
from itertools import pairwise
from math import prod

from tensordrill.building.contraction import axes_of, listed
from tensordrill.building.patterns import Pattern, Side, Variant, names_in, replaced, swapped


def bracket_variants(it: Pattern) -> Iterator[Variant]:
    """Brackets of either side with their names in another order."""
    for axis in it.merged:
        slow, fast = axis[0], axis[-1]
        yield Variant(
            "merged-backwards",
            replaced(it.left, axis, axis[::-1]),
            replaced(it.right, axis, axis[::-1]),
            f"You have {it.merged[axis]} the wrong way round. In brackets the first name changes slowest, here "
            f"{slow}, and the last fastest, here {fast}.",
        )
    for axis in it.merged:
        for a, b in pairwise(axis) if len(axis) > 2 else ():  # noqa: PLR2004 -- two are turned round as a whole
            new = tuple({a: b, b: a}.get(name, name) for name in axis)
            yield Variant(
                "bracket-order",
                replaced(it.left, axis, new),
                replaced(it.right, axis, new),
                f"In your brackets {a} and {b} are the wrong way round: {a} changes more slowly.",
            )


def order_variants(it: Pattern) -> Iterator[Variant]:
    for (i, one), (j, other) in pairwise(enumerate(it.right)):
        right = (*it.right[:i], other, one, *it.right[j + 1 :])
        a, b = it.wanted[i], it.wanted[j]
        yield Variant(
            "output-order", it.left, right, f"Your result has {a} and {b} the wrong way round: {a} comes first."
        )


def input_variants(it: Pattern) -> Iterator[Variant]:
    for (i, one), (j, other) in pairwise(enumerate(it.left)):
        yield Variant(
            "input-order",
            (*it.left[:i], other, one, *it.left[j + 1 :]),
            it.right,
            f"You read {it.stored[i]} and {it.stored[j]} the wrong way round. einops goes by position: the left side "
            f"names the axes as they are stored, {axes_of(it.stored)}.",
        )


def tile_variants(
    it: Pattern, grid: tuple[str, str] = ("h", "w"), pixel: tuple[str, str] = ("p1", "p2")
) -> Iterator[Variant]:
    """What goes wrong between a picture and the tiles that it is made of, either way.

    `grid` names a tile's row and column in the picture, `pixel` a pixel's row and column in the tile: the picture is
    the side where they share brackets.
    """
    (down, across), (y, x) = grid, pixel
    back = any({down, y} <= set(axis) for axis in it.right)
    picture, tiles = (it.right, it.left) if back else (it.left, it.right)
    slow = next(name for name in names_in(tiles) if name in grid)
    slower = next(name for name in names_in(tiles) if name in pixel)

    def variant(name: str, picture: Side, tiles: Side, because: str) -> Variant:
        return Variant(name, tiles, picture, because) if back else Variant(name, picture, tiles, because)

    yield variant(
        "grid-order",
        picture,
        swapped(tiles, *grid),
        f"You have {down} and {across} the wrong way round: {down} counts the rows of the grid, {across} its columns, "
        f"and here {slow} comes first.",
    )
    yield variant(
        "pixel-order",
        picture,
        swapped(tiles, *pixel),
        f"You have {y} and {x} the wrong way round: {y} counts pixels down, {x} across, and here {slower} comes first.",
    )
    yield variant(
        "strided",
        swapped(swapped(picture, down, y), across, x),
        tiles,
        f"You put pixels together that lie far apart. Neighbours belong together: {y} changes faster than {down}, and "
        f"{x} faster than {across}, so they stand behind them in their brackets.",
    )
    yield variant(
        "grid-for-pixels",
        picture,
        swapped(swapped(tiles, down, y), across, x),
        f"You take the grid for the pixels: {down} and {across} are places in the grid, {y} and {x} places in a cell "
        "of it.",
    )
    for pair in (grid, pixel):
        yield variant(
            "rows-columns-swapped",
            swapped(picture, *pair),
            tiles,
            f"You have {pair[0]} across and {pair[1]} down. Down go {down} and {y}, across {across} and {x}.",
        )
    for axis in [axis for axis in tiles if set(axis) > {y, x}]:
        for name, moved in ((axis[0], (*axis[1:], axis[0])), (axis[-1], (axis[-1], *axis[:-1]))):
            if name not in pixel:
                yield variant(
                    f"{name}-place",
                    picture,
                    replaced(tiles, axis, moved),
                    f"In {it.merged[axis]} you misplace {name}. Slowest first, it is made of {listed(axis)}.",
                )
    if ("channel",) in picture:
        others = tuple([axis for axis in picture if axis != ("channel",)])
        at = next(i for i, axis in enumerate(others) if len(axis) > 1) if picture[-1] == ("channel",) else len(others)
        yield variant(
            "channel-first-last",
            (*others[:at], ("channel",), *others[at:]),
            tiles,
            f"You misplace the channel in the picture, whose axes are {axes_of(it.called(picture))}.",
        )


def silent(it: Pattern, left: Side, right: Side) -> bool:
    """Whether a pattern goes wrong without a sign: the same shapes at the sizes that are told, and another meaning."""
    sizes = {**it.fixed, **it.given}

    def shapes(*sides: Side) -> list[list[object]]:
        """Of each axis the known sizes multiplied, and the other names."""
        return [
            [(prod([sizes.get(n, 1) for n in axis]), sorted([n for n in axis if n not in sizes])) for axis in side]
            for side in sides
        ]

    return shapes(left, right) == shapes(it.left, it.right) and it.meaning(left, right) != it.meaning(it.left, it.right)
