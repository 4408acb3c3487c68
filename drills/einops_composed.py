"""Patterns put to work: patches, blocks, grids, packing, and the same in torch's own words."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from tensordrill.authoring import (
    Rng,
    Tensor,
    WritePattern,
    Wrong,
    axes_of,
    drill,
    listed,
)

TOP = 3  # the highest level


# --- rearrangements as data


def names(side: str) -> list[str]:
    """All names of one side of a pattern."""
    return re.findall(r"\w+", side)


def parts(side: str) -> list[str]:
    """The axes of one side of a pattern, a bracket being one."""
    return re.findall(r"\([^)]*\)|\w+", side)


def brackets(side: str) -> list[str]:
    """The brackets of one side, as they are written."""
    return re.findall(r"\([^)]*\)", side)


def exchanged(side: str, *pairs: tuple[str, str]) -> str:
    """One side of a pattern with the two names of each pair exchanged."""
    other = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
    return re.sub(r"\w+", lambda name: other.get(name[0], name[0]), side)


def turned_round(side: str, a: str, b: str) -> str:
    """One side of a pattern with two of its axes, brackets and all, exchanged."""
    return " ".join([{a: b, b: a}.get(part, part) for part in parts(side)])


@dataclass(frozen=True)
class Pattern:
    """A pattern's two sides, the sizes that the call passes, and a name for what each bracket makes.

    `called` gives the factors of each named axis: `{"height": "h p1"}`.
    """

    tensor: str
    left: str
    right: str
    given: Mapping[str, int]
    called: Mapping[str, str]
    operation: str = "rearrange"
    reduction: str = ""
    fixed: Mapping[str, int] = field(default_factory=dict)  # sizes that are told, and not passed

    @property
    def text(self) -> str:
        return f"{self.left} -> {self.right}"

    @property
    def stored(self) -> list[str]:
        return self.axes(self.left)

    @property
    def wanted(self) -> list[str]:
        return self.axes(self.right)

    @property
    def derived(self) -> dict[str, str]:
        """The sizes that are told, and the products; their factors in alphabetical order, which says nothing."""
        used = {*self.stored, *self.wanted, *names(self.left)}
        sizes = {name: str(size) for name, size in self.fixed.items() if name in used and name not in self.given}
        made = {name: " * ".join(sorted(factors.split())) for name, factors in self.called.items() if name in used}
        return sizes | made

    def axes(self, side: str) -> list[str]:
        made_of = {frozenset(factors.split()): name for name, factors in self.called.items()}
        return [made_of[frozenset(names(part))] if "(" in part else part for part in parts(side)]

    def call(self, pattern: str) -> str:
        """The call with that pattern, as it is typed."""
        arguments = [self.tensor, f'"{pattern}"', *([f'"{self.reduction}"'] if self.reduction else [])]
        arguments += [f"{name}={size}" for name, size in self.given.items()]
        return f"einops.{self.operation}({', '.join(arguments)})"

    def meaning(self, pattern: str) -> str:
        """The same for patterns that differ in names alone."""
        seen: dict[str, str] = {}
        sizes = {**self.fixed, **self.given}
        return re.sub(r"\w+", lambda name: seen.setdefault(name[0], f"{len(seen)}:{sizes.get(name[0], '')}"), pattern)

    def wrong_turns(self, first: Iterable[Wrong] = ()) -> list[Wrong]:
        """`first`, then the general mistakes; none that means what is asked for, or what an earlier one means."""
        seen = {self.meaning(self.text)}
        wrong = []
        for mistake in (*first, *self.mistakes()):
            if (meaning := self.meaning(str(mistake.answer))) not in seen:
                seen.add(meaning)
                wrong.append(mistake)
        return wrong

    def mistakes(self) -> Iterator[Wrong]:
        """Neighbours the wrong way round: in a bracket, or among the axes of a side."""
        for bracket in brackets(self.left):
            for slow, fast in pairwise(names(bracket)):
                yield Wrong("split-order", f"{exchanged(self.left, (slow, fast))} -> {self.right}", order(slow, fast))
        for bracket in brackets(self.right):
            for slow, fast in pairwise(names(bracket)):
                yield Wrong("merge-order", f"{self.left} -> {exchanged(self.right, (slow, fast))}", order(slow, fast))
        for a, b in pairwise(parts(self.right)):
            (one,), (other,) = self.axes(a), self.axes(b)
            yield Wrong(
                "output-order",
                f"{self.left} -> {turned_round(self.right, a, b)}",
                f"Your result has {one} and {other} the wrong way round. Its axes are to be {axes_of(self.wanted)}.",
            )
        for a, b in pairwise(parts(self.left)):
            (one,), (other,) = self.axes(a), self.axes(b)
            yield Wrong(
                "input-order",
                f"{turned_round(self.left, a, b)} -> {self.right}",
                f"You read {one} and {other} the wrong way round. einops goes by position: the left side names the "
                f"axes as they are stored, {axes_of(self.stored)}.",
            )


def order(slow: str, fast: str) -> str:
    return (
        f"In brackets you have {slow} and {fast} the wrong way round. The first name in brackets changes slowest, "
        f"and here {slow} changes more slowly than {fast}."
    )


def fastest_first(task: Pattern, side: str, skip: Iterable[str] = ()) -> str:
    """How each bracket's axis is ordered: `In patch, w changes fastest, then h.`."""
    told = []
    for bracket in brackets(side):
        (name,) = task.axes(bracket)
        if name not in skip:
            fast, *slower = reversed(names(bracket))
            told.append(f"In `{name}`, {fast} changes fastest, then {', then '.join(slower)}.")
    return " ".join(told)


SIDES = (
    "Left of the arrow stand the axes as they are stored, right of it as they are wanted. Which of them are made of "
    "several?"
)
BRACKETS = (
    "A bracket on the left takes an axis apart, a bracket on the right puts one together. In both, the first name "
    "changes slowest and the last fastest."
)


def posed(
    task: Pattern,
    prompt: str,
    why: str,
    first: Iterable[Wrong] = (),
    *,
    hints: Sequence[str] = (SIDES, BRACKETS),
    code: str = "",
) -> WritePattern:
    return WritePattern(
        prompt=prompt,
        tensor=Tensor(task.tensor, tuple(task.stored)),
        output=task.wanted,
        pattern=task.text,
        operation=task.operation,
        reduction=task.reduction,
        given=task.given,
        derived=task.derived,
        code=code,
        hints=hints,
        why=why,
        wrong=task.wrong_turns(first),
    )


# --- patches

PATCH_ORDERS = {
    "h w": "row by row of the grid, along its top row first",
    "w h": "column by column of the grid, down its left column first",
}
VALUE_ORDERS = {
    "p1 p2 channel": "pixel by pixel, row after row; the channels of a pixel stand together",
    "p2 p1 channel": "pixel by pixel, column after column; the channels of a pixel stand together",
    "channel p1 p2": "channel by channel; in each, its pixels row after row",
    "channel p2 p1": "channel by channel; in each, its pixels column after column",
    "p1 p2": "pixel by pixel, row after row",
    "p2 p1": "pixel by pixel, column after column",
}
FORMS = {  # what becomes of the patches
    "vectors": "batch (PATCH) (VALUES)",
    "vectors-first": "(PATCH) batch (VALUES)",
    "grid": "batch PATCH (VALUES)",
    "images": "batch (PATCH) VALUES",
    "one-batch": "(batch PATCH) VALUES",
}
STACKED = ("vectors", "vectors-first", "images")  # what a loop makes with one torch.stack
PATCH_SIZES = ((2, 2), (2, 3), (3, 2), (3, 3), (2, 4), (4, 2))
SILENT = ("patch-order", "pixel-order", "strided", "channel-place", "grid-for-pixels", "rows-columns-swapped")


@dataclass(frozen=True)
class Cut:
    """Images and their patches, as the two sides of a pattern.

    `patch` and `values` are the orders in which patches are numbered and a patch's values are listed, slowest first.
    """

    image: str
    patches: str
    patch: str
    values: str
    sizes: Mapping[str, int]
    called: Mapping[str, str]
    form: str

    def task(self, grid: Mapping[str, int] | None) -> Pattern:
        """Images to patches; with a grid, the way back."""
        fixed = {"channel": 3} if self.form in FORMS else {"channel": 3, "batch": 2}  # the larger ones stay small
        if grid is None:
            return Pattern("images", self.image, self.patches, self.sizes, self.called, fixed=fixed)
        return Pattern("patches", self.patches, self.image, {**grid, **self.sizes}, self.called, fixed=fixed)

    def mistakes(self, *, back: bool) -> Iterator[Wrong]:
        """What goes wrong with patches, either way."""

        def wrong(name: str, image: str, patches: str, because: str) -> Wrong:
            return Wrong(name, f"{patches} -> {image}" if back else f"{image} -> {patches}", because)

        slow, fast = [axis for axis in self.patch.split() if axis in ("h", "w")]
        one, other = [axis for axis in self.values.split() if axis in ("p1", "p2")]
        grid, pixels = ("h", "w"), ("p1", "p2")
        yield wrong(
            "patch-order", self.image, exchanged(self.patches, grid),
            f"Your patches have the grid's rows and columns the wrong way round. h counts down and w across, and "
            f"{fast} is to change faster than {slow}.",
        )  # fmt: skip
        if back:
            yield wrong(
                "rows-columns-swapped", exchanged(self.image, grid), self.patches,
                "Your image has the rows of the grid across and its columns down. Height is made of h and p1, width "
                "of w and p2.",
            )  # fmt: skip
        yield wrong(
            "strided", exchanged(self.image, ("h", "p1"), ("w", "p2")), self.patches,
            "Your patches are made of pixels that lie far apart. Neighbouring pixels belong to one patch, so in "
            "height and width it is p1 and p2 that change fastest: they come last in their brackets.",
        )  # fmt: skip
        yield wrong(
            "pixel-order", self.image, exchanged(self.patches, pixels),
            f"Within a patch you have rows and columns of pixels the wrong way round: {other} is to change faster "
            f"than {one}.",
        )  # fmt: skip
        if "channel" in self.values:
            inner = [axis for axis in self.values.split() if axis != "channel"]
            moved = [*inner, "channel"] if self.values.startswith("channel") else ["channel", *inner]
            yield wrong(
                "channel-place", self.image, self.patches.replace(self.values, " ".join(moved)),
                f"The channel is in the wrong place in a patch. Slowest first, it is {listed(self.values.split())}.",
            )  # fmt: skip
            stored = parts(self.image)
            rest = [part for part in stored if part not in ("batch", "channel")]
            there = [*rest, "channel"] if stored.index("channel") < stored.index(rest[0]) else ["channel", *rest]
            yield wrong(
                "channel-misread", " ".join([*(["batch"] if "batch" in stored else []), *there]), self.patches,
                f"The channel is in the wrong place in the images, which have the axes "
                f"{axes_of(self.task(None).stored)}.",
            )  # fmt: skip
        if self.form == "vectors" and not back:
            flat = names(self.image.removeprefix("batch "))
            at = flat.index("p1") + 1
            regrouped = f"({' '.join(flat[:at])}) ({' '.join(flat[at:])})"
            yield wrong(
                "plain-reshape", self.image, self.patches.replace(f"({self.patch}) ({self.values})", regrouped),
                "You only merge neighbours, as a plain reshape would. A patch needs p1 and p2 side by side, with h "
                "and w in front of both.",
            )  # fmt: skip
        yield wrong(
            "grid-for-pixels", self.image, exchanged(self.patches, ("h", "p1"), ("w", "p2")),
            "You take the grid for the pixels. h and w say which patch it is, p1 and p2 which pixel in it.",
        )  # fmt: skip


def cut(rng: Rng, forms: Sequence[str], sizes: tuple[int, int] | None = None) -> Cut:
    """Images of some layout, and patches of some form."""
    p1, p2 = sizes or rng.pick(PATCH_SIZES)
    form = rng.pick(forms)
    channel = rng.pick(("first", "last", "first", "last", "none"))
    image = {"first": "channel (h p1) (w p2)", "last": "(h p1) (w p2) channel", "none": "(h p1) (w p2)"}[channel]
    patch = "h w" if rng.chance(0.65) else "w h"
    values = rng.pick([v for v in VALUE_ORDERS if ("channel" in v) == (channel != "none")])
    if form in ("images", "one-batch"):
        values = rng.pick(("p1 p2 channel", "channel p1 p2")) if channel != "none" else "p1 p2"
    patches = FORMS[form].replace("PATCH", patch).replace("VALUES", values)
    if form in ("vectors", "grid", "images") and rng.chance(0.3):
        patches = patches.removeprefix("batch ")
    else:
        image = f"batch {image}"
    called = {"height": "h p1", "width": "p2 w", "patch": "h w", "value": values}
    if form == "one-batch":
        called["patch"] = "batch h w"
    return Cut(image, patches, patch, values, {"p1": p1, "p2": p2}, called, form)


def video(rng: Rng) -> Cut:
    """Clips, cut into tubelets."""
    image = rng.pick(("batch channel (t pt) (h p1) (w p2)", "batch (t pt) (h p1) (w p2) channel",
                      "batch (t pt) channel (h p1) (w p2)", "channel (t pt) (h p1) (w p2)"))  # fmt: skip
    values = rng.pick(("pt p1 p2 channel", "channel pt p1 p2", "p1 p2 pt channel", "channel p1 p2 pt"))
    patch = rng.pick(("t h w", "h w t", "t w h"))
    batch = "batch " if "batch" in image else ""
    form = rng.pick((f"{batch}({patch})", f"{batch}t (h w)", f"({batch}t) (h w)" if batch else "t (h w)"))
    called = {"frames": "pt t", "height": "h p1", "width": "p2 w", "value": values}
    if form.endswith("(h w)"):
        patch = "t h w"
        called |= {"patch": "h w", "step": f"{batch}t"}
    else:
        called["patch"] = patch
    sizes = {"pt": 2, "p1": rng.pick((2, 3)), "p2": 2}
    return Cut(image, f"{form} ({values})", patch, values, sizes, called, "video")


def windows(rng: Rng) -> Cut:
    """Images, cut into windows of patches."""
    channel = rng.pick(("first", "last"))
    inner = "(h g1 p1) (w g2 p2)"
    image = f"batch channel {inner}" if channel == "first" else f"batch {inner} channel"
    patch = "h w" if rng.chance(0.65) else "w h"
    within = "g1 g2" if rng.chance(0.65) else "g2 g1"
    values = rng.pick(("p1 p2 channel", "channel p1 p2", "p2 p1 channel"))
    form, window = rng.pick(
        ((f"batch ({patch})", "h w"), (f"(batch {patch})", "batch h w"), (f"({patch}) batch", "h w"))
    )
    called = {"height": "g1 h p1", "width": "g2 p2 w", "window": window, "patch": "g1 g2", "value": values}
    sizes = dict(zip(("g1", "g2", "p1", "p2"), rng.pick(((2, 2, 2, 2), (2, 3, 2, 2), (2, 2, 3, 2))), strict=True))
    return Cut(image, f"{form} ({within}) ({values})", patch, values, sizes, called, "windows")


def pieces(it: Cut) -> str:
    """What the images are cut into, and what the names of their axes stand for."""
    size = it.sizes
    if it.form == "video":
        return (
            f"tubelets of {size['pt']} by {size['p1']} by {size['p2']} neighbours: `pt` frames, `p1` pixels down and "
            f"`p2` across. They make a grid of `t` by `h` by `w` tubelets"
        )
    if it.form == "windows":
        return (
            f"windows, `h` down and `w` across; a window is a block of {size['g1']} by {size['g2']} patches, `g1` down "
            f"and `g2` across; a patch is a block of {size['p1']} by {size['p2']} pixels, `p1` down and `p2` across"
        )
    return (
        f"patches of {size['p1']} by {size['p2']} neighbouring pixels, `p1` down and `p2` across. They make a grid, "
        "`h` patches down and `w` across"
    )


def named(it: Cut, task: Pattern, *, back: bool) -> str:
    """Level 1: every axis by name, and which changes fastest."""
    orders = fastest_first(task, it.patches)
    thing = "clip" if it.form == "video" else "image"
    if back:
        return (
            f"Each {thing} was cut into {pieces(it)}. So came `patches`, with the axes {axes_of(task.stored)}.\n\n"
            f"{orders}\n\nPut the {thing}s together again, with the axes {axes_of(task.wanted)}."
        )
    return (
        f"`images` has the axes {axes_of(task.stored)}. Cut each {thing} into {pieces(it)}.\n\n"
        f"The result has the axes {axes_of(task.wanted)}. {orders}"
    )


def in_words(it: Cut, task: Pattern, *, back: bool) -> str:
    """Level 2: how patches are numbered and their values listed."""
    patches = task.stored if back else task.wanted
    told = f"`p1` = {it.sizes['p1']} pixels high and `p2` = {it.sizes['p2']} wide"
    orders = []
    if it.form == "one-batch":
        orders.append(f"first come the patches of the first image, {PATCH_ORDERS[it.patch]}, then the second's")
    elif it.form != "grid":
        orders.append(f"patches are numbered {PATCH_ORDERS[it.patch]}")
    if it.form in ("vectors", "vectors-first", "grid"):
        orders.append(f"a patch's values are listed {VALUE_ORDERS[it.values]}")
    rules = " ".join([f"{rule[0].upper()}{rule[1:]}." for rule in orders])
    if it.form == "grid":
        rules = f"`h` counts the patches down the image, `w` across. {rules}"
    if back:
        return (
            f"Images were cut into patches, {told}. `patches` has the axes {axes_of(patches)}.\n\n{rules}\n\n"
            f"Put the images together again: {axes_of(task.wanted)}. {grid_told(task)}"
        )
    return (
        f"Cut `images` with the axes {axes_of(task.stored)} into patches, {told}.\n\n"
        f"Wanted are the axes {axes_of(patches)}. {rules}"
    )


def grid_told(task: Pattern) -> str:
    told = {"t": "tubelets in time", "h": "patches down", "w": "patches across"}
    counts = [f"`{axis}` = {size} {told[axis]}" for axis, size in task.given.items() if axis in told]
    return f"The grid has {listed(counts)}." if counts else ""


def loop(it: Cut) -> str:
    """Torch code that cuts the patches one by one."""
    stored = it.task(None).stored
    height, width = it.sizes["p1"], it.sizes["p2"]
    index = {"height": f"i:i + {height}", "width": f"j:j + {width}"}
    held = [{"height": "p1", "width": "p2"}.get(axis, axis) for axis in stored]
    wanted = [*(["batch"] if "batch" in held else []), *it.values.split()]
    patch = f"images[{', '.join([index.get(axis, ':') for axis in stored])}]"
    if wanted != held:
        patch += f".permute({', '.join([str(held.index(axis)) for axis in wanted])})"
    if it.form != "images":
        patch += f".flatten({int('batch' in held)})"
    loops = [f"for i in range(0, height, {height}):", f"for j in range(0, width, {width}):"]
    outer, inner = loops if it.patch == "h w" else loops[::-1]
    at = parts(it.patches).index(f"({it.patch})")
    return (
        f"patches = []\n{outer}\n    {inner}\n        patches.append({patch})\npatches = torch.stack(patches, dim={at})"
    )


def unfolding(rng: Rng) -> tuple[Cut, str]:
    """What F.unfold does, and then some."""
    p1, p2 = rng.pick(PATCH_SIZES)
    last = rng.chance()
    image = "batch (h p1) (w p2) channel" if last else "batch channel (h p1) (w p2)"
    end, patches = rng.pick((
        ("", "batch (channel p1 p2) (h w)"),
        (".mT", "batch (h w) (channel p1 p2)"),
        (".permute(2, 0, 1)", "(h w) batch (channel p1 p2)"),
        (".unflatten(2, (height // P1, -1))", "batch (channel p1 p2) h w"),
        (f".unflatten(1, (-1, {p1 * p2})).mT", "batch channel (h w) (p1 p2)"),
        (f".unflatten(1, (-1, {p1 * p2})).transpose(1, 2)", "batch (p1 p2) channel (h w)"),
    ))  # fmt: skip
    source = "images.permute(0, 3, 1, 2)" if last else "images"
    code = f"F.unfold({source}, ({p1}, {p2}), stride=({p1}, {p2})){end.replace('P1', str(p1))}"
    called = {"height": "h p1", "width": "p2 w", "patch": "h w", "value": "channel p1 p2", "place": "p1 p2"}
    return Cut(image, patches, "h w", "channel p1 p2", {"p1": p1, "p2": p2}, called, "unfold"), code


def folding(rng: Rng) -> tuple[Cut, str]:
    """What F.fold does to patches that do not overlap."""
    p1, p2 = rng.pick(PATCH_SIZES)
    last = rng.chance()
    image = "batch (h p1) (w p2) channel" if last else "batch channel (h p1) (w p2)"
    source, patches = rng.pick((
        ("patches", "batch (channel p1 p2) (h w)"),
        ("patches.mT", "batch (h w) (channel p1 p2)"),
        ("patches.permute(1, 2, 0)", "(h w) batch (channel p1 p2)"),
        ("patches.flatten(2)", "batch (channel p1 p2) h w"),
        ("patches.mT.flatten(1, 2)", "batch channel (h w) (p1 p2)"),
    ))  # fmt: skip
    end = ".permute(0, 2, 3, 1)" if last else ""
    code = f"F.fold({source}, (height, width), ({p1}, {p2}), stride=({p1}, {p2})){end}"
    called = {"height": "h p1", "width": "p2 w", "patch": "h w", "value": "channel p1 p2", "place": "p1 p2"}
    return Cut(image, patches, "h w", "channel p1 p2", {"p1": p1, "p2": p2}, called, "unfold"), code


PATCHIFY = (
    "Patches take both spatial axes apart, (h p1) and (w p2), and put the parts together in another order: grid with "
    "grid, pixel with pixel. A reshape alone merges neighbouring axes only, so it gives strips; between its two "
    "reshapes a permute is needed. The pattern writes all three at once."
)
UNPATCHIFY = (
    "Putting patches together is the pattern of cutting them, read from right to left: rearrange loses nothing, so "
    "its inverse exchanges the two sides. The way back needs more sizes, since the grid can no longer be told from "
    "the image's height and width."
)


def grid_sizes(rng: Rng, it: Cut) -> dict[str, int]:
    """The sizes that the way back must be told: all factors but one of each bracket."""
    h, w = rng.distinct(2, 3, 6)
    counts = {"h": h, "w": w}
    given: dict[str, int] = {}
    for bracket in brackets(it.patches):
        free = [axis for axis in names(bracket) if axis not in it.sizes and axis not in given]
        keep = "batch" if "batch" in free else "channel" if "channel" in free else rng.pick(free) if free else ""
        given |= {axis: counts.get(axis, 2) for axis in free if axis != keep}
    return given


def patch_puzzle(rng: Rng, *, back: bool) -> WritePattern:
    """Images to patches, or the way back."""
    bug, code = False, ""
    if rng.level < TOP:
        by_loop = rng.level > 1 and rng.chance()
        it = cut(rng, STACKED if by_loop else tuple(FORMS))
        code = loop(it) if by_loop else ""
    else:
        kind = rng.pick(("video", "windows", "torch", "bug", "bug"))
        bug = kind == "bug"
        if kind == "torch":
            it, code = (folding if back else unfolding)(rng)
        elif bug:
            size = rng.pick((2, 3))
            it = cut(rng, tuple(FORMS), (size, size))
        else:
            it = (video if kind == "video" else windows)(rng)
    task = it.task(grid_sizes(rng, it) if back else None)
    if bug:
        return patch_bug(rng, it, task, back=back)
    if not code:
        tell = in_words if rng.level == 2 else named  # noqa: PLR2004 -- the middle level
        prompt = tell(it, task, back=back)
    elif it.form != "unfold" and back:
        prompt = (
            f"This has cut `images` with the axes {axes_of(task.wanted)}:\n\n```python\n{code}\n```\n\n"
            f"Put the images together again from `patches`, whose axes are {axes_of(task.stored)}. {grid_told(task)}"
        )
    else:
        prompt = (
            f"Write what this does as one pattern:\n\n```python\n{code}\n```\n\n"
            f"`{task.tensor}` has the axes {axes_of(task.stored)}, the result {axes_of(task.wanted)}. A patch is `p1` "
            f"by `p2` pixels. {grid_told(task)}"
        ).rstrip()
    return posed(task, prompt, UNPATCHIFY if back else PATCHIFY, it.mistakes(back=back), hints=patch_hints(back=back))


def patch_bug(rng: Rng, it: Cut, task: Pattern, *, back: bool) -> WritePattern:
    """Where grid and patches are square and of one size, a wrong pattern runs and gives the right shape."""
    size = it.sizes["p1"]
    task = replace(task, given=dict.fromkeys(task.given, size), fixed={"channel": 3, "h": size, "w": size})
    silent = [turn for turn in task.wrong_turns(it.mistakes(back=back)) if turn.id in SILENT]
    if it.form in ("images", "one-batch"):
        silent = [turn for turn in silent if turn.id != "channel-place"]
    shown = rng.pick(silent)
    prompt = (
        f"This runs, and the {'images' if back else 'patches'} are scrambled. Everything is square: `h`, `w`, `p1` and "
        f"`p2` are all {size}, so nothing complains.\n\n{in_words(it, task, back=back)}\n\nWrite the pattern that was "
        "meant."
    )
    return posed(
        task, prompt, UNPATCHIFY if back else PATCHIFY, it.mistakes(back=back), hints=patch_hints(back=back),
        code=task.call(str(shown.answer)),
    )  # fmt: skip


def patch_hints(*, back: bool) -> list[str]:
    first = (
        "Height is made of a place in the grid and a place in the patch, and so is width. Which of the two changes "
        "fastest as you go one pixel down, or across?"
    )
    then = "Left of the arrow the patches come apart" if back else "Right of the arrow, grid stands with grid"
    rest = (
        "; right of it h goes with p1 and w with p2, the pixel's place last."
        if back
        else " and pixel with pixel; left of it h goes with p1 and w with p2, the pixel's place last."
    )
    return [first, then + rest]


@drill(after=["einops.split-heads"], levels=3)
def patchify(rng: Rng) -> WritePattern:
    """Images cut into patches."""
    return patch_puzzle(rng, back=False)


@drill(after=["einops.patchify"], levels=3)
def unpatchify(rng: Rng) -> WritePattern:
    """Patches put together to images."""
    return patch_puzzle(rng, back=True)


# --- blocks

DEPTH_ORDERS = {
    "channel r1 r2": "channel by channel; in each, the pixels of the block row after row",
    "channel r2 r1": "channel by channel; in each, the pixels of the block column after column",
    "r1 r2 channel": "pixel by pixel of the block, row after row; the channels of a pixel stand together",
    "r2 r1 channel": "pixel by pixel of the block, column after column; the channels of a pixel stand together",
}
FOLDING = (
    "Space to depth takes both spatial axes apart, (h r1) and (w r2), and moves the places within a block into the "
    "channels; nothing is lost, so depth to space is the same pattern from right to left. The order of the new axis "
    "is a convention: pixel_unshuffle puts the channel first, (c r1 r2), TensorFlow's space_to_depth puts it last."
)


@dataclass(frozen=True)
class Fold:
    """Images, and the same with the places in a block moved to another axis: two sides of a pattern."""

    image: str
    folded: str
    depth: str  # the axis that takes the block, as it stands in brackets
    sizes: Mapping[str, int]
    called: Mapping[str, str]
    fixed: Mapping[str, int] = field(default_factory=dict)

    def task(self, *, back: bool) -> Pattern:
        sizes = self.sizes if back or len(self.fixed) < 2 else {**self.sizes}  # noqa: PLR2004
        if back:
            return Pattern("x", self.folded, self.image, sizes, self.called, fixed=self.fixed)
        return Pattern("x", self.image, self.folded, sizes, self.called, fixed=self.fixed)

    def mistakes(self, *, back: bool) -> Iterator[Wrong]:
        """What goes wrong with blocks, either way."""

        def wrong(name: str, image: str, folded: str, because: str) -> Wrong:
            return Wrong(name, f"{folded} -> {image}" if back else f"{image} -> {folded}", because)

        yield wrong(
            "block-order", self.image, exchanged(self.folded, ("r1", "r2")),
            "You go through the block in the other direction. Slowest first, the new axis is made of "
            f"{listed(self.depth.split())}.",
        )  # fmt: skip
        inner = [axis for axis in self.depth.split() if axis in ("r1", "r2")]
        (other,) = [axis for axis in self.depth.split() if axis not in inner]
        moved = [*inner, other] if self.depth.startswith(other) else [other, *inner]
        yield wrong(
            f"{other}-place", self.image, self.folded.replace(self.depth, " ".join(moved)),
            f"The {other} is in the wrong place in the new axis. Slowest first, it is {listed(self.depth.split())}.",
        )  # fmt: skip
        yield wrong(
            "strided", exchanged(self.image, ("h", "r1"), ("w", "r2")), self.folded,
            "Your blocks are made of pixels that lie far apart. A block's pixels are neighbours, so r1 and r2 change "
            "fastest in height and width: they come last in their brackets.",
        )  # fmt: skip
        yield wrong(
            "blocks-kept", self.image, exchanged(self.folded, ("h", "r1"), ("w", "r2")),
            "You take the places of the blocks for the places in a block. h and w say which block it is, r1 and r2 "
            "which pixel in it.",
        )  # fmt: skip
        if back:
            yield wrong(
                "rows-columns-swapped", exchanged(self.image, ("r1", "r2")), self.folded,
                "Your image has r1 across and r2 down. Height is made of h and r1, width of w and r2.",
            )  # fmt: skip


def fold(rng: Rng) -> Fold:
    """Blocks folded into channels."""
    r1, r2 = rng.pick(((2, 2), (2, 3), (3, 2), (3, 3), (2, 4)))
    depth = rng.pick(tuple(DEPTH_ORDERS))
    spatial = "(h r1) (w r2)"
    batch = "batch " if rng.chance(0.7) else ""
    image = batch + rng.pick((f"channel {spatial}", f"{spatial} channel"))
    folded = batch + rng.pick((f"({depth}) h w", f"h w ({depth})"))
    called = {"height": "h r1", "width": "r2 w", "depth": "channel r1 r2"}
    return Fold(image, folded, depth, {"r1": r1, "r2": r2}, called)


def larger_fold(rng: Rng) -> tuple[Fold, str]:
    """Blocks of other things than channels and images, and what the prompt says of them."""
    r1, r2 = rng.pick(((2, 2), (2, 3), (3, 2)))
    kind = rng.pick(("batch", "tokens", "tokens", "both"))
    called = {"height": "h r1", "width": "r2 w", "depth": "channel r1 r2"}
    sizes = {"r1": r1, "r2": r2}
    if kind == "batch":
        depth = rng.pick(("r1 r2 batch", "batch r1 r2", "r2 r1 batch", "batch r2 r1"))
        layout = rng.pick(("channel {} {}", "{} {} channel"))
        return Fold(
            f"batch {layout.format('(h r1)', '(w r2)')}", f"({depth}) {layout.format('h', 'w')}", depth, sizes,
            called | {"images": "batch r1 r2"},
        ), "A dilated convolution is done as a plain one: space goes into the batch."  # fmt: skip
    depth = rng.pick(tuple(DEPTH_ORDERS))
    if kind == "tokens":
        tokens, merged = rng.pick((("h r1 w r2", "h w"), ("w r2 h r1", "w h")))
        return Fold(
            f"batch ({tokens}) channel", f"batch ({merged}) ({depth})", depth, {"h": rng.pick((3, 4, 5)), **sizes},
            called | {"tokens": "h r1 r2 w", "merged": "h w"},
        ), "Patch merging: the tokens of an image, one for each pixel, are merged block by block."  # fmt: skip
    image = rng.pick(("batch frame channel (h r1) (w r2)", "batch frame (h r1) (w r2) channel"))
    end = rng.pick((f"(batch frame) ({depth}) h w", f"batch frame h w ({depth})", f"batch (frame h w) ({depth})"))
    return Fold(
        image, end, depth, sizes, called | {"images": "batch frame", "places": "frame h w"},
        {"channel": 3, "batch": 2},
    ), "Clips are made ready for a network on single frames."  # fmt: skip


def slices(rng: Rng) -> tuple[Fold, str]:
    """Torch code that folds blocks with slices, or with the layer of torch that does."""
    r1, r2 = rng.pick(((2, 2), (2, 3), (3, 2), (2, 2)))
    last = rng.chance(0.4)
    at = -1 if last else 1
    where = "x[:, i::R1, j::R2]" if last else "x[:, :, i::R1, j::R2]"
    where = where.replace("R1", str(r1)).replace("R2", str(r2))
    across = rng.chance()
    loops = f"for i in range({r1}) for j in range({r2})" if across else f"for j in range({r2}) for i in range({r1})"
    block = "r1 r2" if across else "r2 r1"
    how = rng.pick(("cat", "cat", "stack", "layer" if not last else "stack", "loop", "listed"))
    if how == "stack":
        depth = f"channel {block}"
        code = f"torch.stack([{where} {loops}], dim={3 if last else 1}).flatten(3)"
        code = (
            f"torch.stack([{where} {loops}], dim={4 if last else 2}).flatten({3 if last else 1}{'' if last else ', 2'})"
        )
    elif how == "layer":
        r2, depth = r1, "channel r1 r2"
        code = f"F.pixel_unshuffle(x, {r1})"
    elif how == "listed":
        r1 = r2 = 2
        depth = f"{block} channel"
        corners = [(i, j) for i in range(2) for j in range(2)] if across else [(0, 0), (1, 0), (0, 1), (1, 1)]
        start = "x[:, " if last else "x[:, :, "
        code = ",\n".join([f"    {start}{i}::2, {j}::2]" for i, j in corners])
        code = f"torch.cat([\n{code},\n], dim={at})"
    else:
        depth = f"{block} channel"
        code = f"torch.cat([{where} {loops}], dim={at})"
        if how == "loop":
            loops = code.partition("] ")[2].partition("]")[0]
            first, _, second = loops.partition(" for ")
            code = f"parts = []\n{first}:\n    for {second}:\n        parts.append({where})\n"
            code += f"out = torch.cat(parts, dim={at})"
    spatial = "(h r1) (w r2)"
    image = f"batch {spatial} channel" if last else f"batch channel {spatial}"
    folded = f"batch h w ({depth})" if last else f"batch ({depth}) h w"
    called = {"height": "h r1", "width": "r2 w", "depth": "channel r1 r2"}
    return Fold(image, folded, depth, {"r1": r1, "r2": r2}, called), code


def block_told(it: Fold) -> str:
    return f"blocks of {it.sizes['r1']} by {it.sizes['r2']} neighbours, `r1` down and `r2` across"


def fold_named(it: Fold, task: Pattern, *, back: bool) -> str:
    """Which axes there are, and what changes fastest in those of the folded side."""
    orders = fastest_first(task, it.folded)
    if "tokens" in task.stored or "tokens" in task.wanted:
        orders = fastest_first(task, f"{it.image} {it.folded}")
    grid = f"`h` = {it.sizes['h']} blocks down" if "h" in it.sizes else "`h` blocks down"
    if back:
        return (
            f"Images were folded in {block_told(it)}: {grid} and `w` across. So came `x`, with the axes "
            f"{axes_of(task.stored)}.\n\n{orders}\n\nUnfold it again, to the axes {axes_of(task.wanted)}."
        )
    return (
        f"`x` has the axes {axes_of(task.stored)}. Fold it in {block_told(it)}: {grid} and `w` across.\n\n"
        f"The result has the axes {axes_of(task.wanted)}. {orders}"
    )


def fold_in_words(it: Fold, task: Pattern, *, back: bool) -> str:
    rule = f"The depth of a block is listed {DEPTH_ORDERS[it.depth]}."
    if back:
        return (
            f"`x` has the axes {axes_of(task.stored)}: images, folded in {block_told(it)}. {rule}\n\n"
            f"Unfold it again, to the axes {axes_of(task.wanted)}."
        )
    return (
        f"`x` has the axes {axes_of(task.stored)}. Fold it in {block_told(it)}, to the axes "
        f"{axes_of(task.wanted)}.\n\n{rule}"
    )


@drill(after=["einops.patchify"], levels=3)
def space_to_depth(rng: Rng) -> WritePattern:
    """Blocks of pixels folded into channels, and back."""
    back, code = rng.chance(0.35), ""
    if rng.level == 1:
        it = fold(rng)
        prompt = fold_named(it, it.task(back=back), back=back)
    elif rng.level < TOP:
        it, code = slices(rng) if rng.chance(0.6) else (fold(rng), "")
        task = it.task(back=back)
        prompt = fold_in_words(it, task, back=back)
        if code and back:
            prompt = (
                f"This has folded images with the axes {axes_of(task.wanted)}:\n\n"
                f"```python\n{code}\n```\n\n"
                f"`x` is now the result, with the axes {axes_of(task.stored)}. Unfold it again. "
                "A block is `r1` by `r2`."
            )
        elif code:
            prompt = (
                f"Write what this does as one pattern:\n\n```python\n{code}\n```\n\n`x` has the axes "
                f"{axes_of(task.stored)}, the result {axes_of(task.wanted)}. A block is `r1` pixels high and `r2` wide."
            )
    else:
        it, story = larger_fold(rng)
        prompt = f"{story} {fold_named(it, it.task(back=back), back=back)}"
    return posed(
        it.task(back=back), prompt, FOLDING, it.mistakes(back=back),
        hints=[
            ("Height is made of a block's place and a place in the block, and so is width. Which of the two changes "
            "fastest?"),
            ("On the image's side h goes with r1 and w with r2, the place in the block last. On the other side r1, r2 "
            "and what they are folded into share a bracket, the slowest first."),
        ],
    )  # fmt: skip


# --- grids of images

GRIDS = (
    "In a grid of images, going one pixel down moves within an image before it moves to the next row of the grid: "
    "(r height), and across likewise (c width). The batch comes apart the same way, (r c) where the grid is filled "
    "row by row. (height r) would interleave the images' lines."
)


@dataclass(frozen=True)
class Sheet:
    """Single images and the sheet on which they stand, as two sides of a pattern, and what the prompt says of them."""

    images: str
    sheet: str
    given: Mapping[str, int]
    back_given: Mapping[str, int]
    called: Mapping[str, str]
    down: str
    across: str

    def task(self, *, back: bool) -> Pattern:
        if back:
            return Pattern("sheet", self.sheet, self.images, self.back_given, self.called)
        return Pattern("images", self.images, self.sheet, self.given, self.called)

    def mistakes(self, *, back: bool) -> Iterator[Wrong]:
        def wrong(name: str, images: str, sheet: str, because: str) -> Wrong:
            return Wrong(name, f"{sheet} -> {images}" if back else f"{images} -> {sheet}", because)

        down, across = self.down, self.across
        tall, wide = f"({down} height)", f"({across} width)"
        if f"({down} {across})" in self.images or f"({across} {down})" in self.images:
            slow, fast = [axis for axis in names(self.images) if axis in (down, across)]
            yield wrong(
                "fill-order", exchanged(self.images, (down, across)), self.sheet,
                f"You fill the grid in the other direction. The next image differs in {fast}, so {fast} changes "
                f"faster than {slow}.",
            )  # fmt: skip
        yield wrong(
            "grid-transposed", self.images, exchanged(self.sheet, (down, across)),
            f"Your sheet has {down} across and {across} down. {down} goes with the height, {across} with the width.",
        )  # fmt: skip
        yield wrong(
            "interleaved", self.images, self.sheet.replace(tall, f"(height {down})").replace(wide, f"(width {across})"),
            "Your images are interleaved, pixel by pixel. One pixel further is still the same image, so height and "
            "width change fastest: they come last in their brackets.",
        )  # fmt: skip
        yield wrong(
            "columns-interleaved", self.images, self.sheet.replace(wide, f"(width {across})"),
            f"Across, your images are interleaved. One pixel to the right is still the same image, so width changes "
            f"faster than {across}.",
        )  # fmt: skip
        yield wrong(
            "rows-interleaved", self.images, self.sheet.replace(tall, f"(height {down})"),
            f"Downwards, your images are interleaved. One pixel further down is still the same image, so height "
            f"changes faster than {down}.",
        )  # fmt: skip
        yield wrong(
            "sides-exchanged", self.images, exchanged(self.sheet, ("height", "width")),
            f"You put height with {across} and width with {down}. The rows of the grid add to the height.",
        )  # fmt: skip


PIXELS = ("height width channel", "channel height width", "height width", "width height", "height channel width")
SHEETS = ("TALL WIDE channel", "channel TALL WIDE", "WIDE TALL channel")


def sheet(rng: Rng, pixels: str, batch: str, extra: str = "", down: str = "r", across: str = "c") -> Sheet:
    """A grid of images; `batch` is how the images are stored, in front of their pixels."""
    layout = rng.pick(SHEETS) if "channel" in pixels else rng.pick(("TALL WIDE", "TALL WIDE", "WIDE TALL"))
    layout = layout.replace("TALL", f"({down} height)").replace("WIDE", f"({across} width)")
    sizes = dict(zip((down, across), rng.distinct(2, 2, 5), strict=True))
    known = rng.pick((down, across))
    given = {known: sizes[known]} if "(" in batch else {}
    called = {
        "batch": " ".join(sorted((down, across))),
        "tall": f"{down} height",
        "wide": f"{across} width",
    }
    front = f"{extra} " if extra else ""
    return Sheet(f"{front}{batch} {pixels}", f"{front}{layout}", given, sizes, called, down, across)


def sheet_named(it: Sheet, task: Pattern, *, back: bool) -> str:
    fill = "" if "batch" not in (task.wanted if back else task.stored) else fastest_first(task, it.images)
    place = f"`{it.down}` counts the images down the sheet, `{it.across}` across."
    if back:
        return (
            f"`sheet` has the axes {axes_of(task.stored)}. It shows {it.back_given[it.down]} images below each other "
            f"and {it.back_given[it.across]} side by side. {place}\n\nCut it into the images, with the axes "
            f"{axes_of(task.wanted)}. {fill}"
        ).rstrip()
    return (
        f"`images` has the axes {axes_of(task.stored)}. Put the images on one sheet, with the axes "
        f"{axes_of(task.wanted)}. {place} {fill}"
    ).rstrip()


FILLS = {
    "(r c)": "row by row: along the top row first, from left to right",
    "(c r)": "column by column: down the left column first, from top to bottom",
}
PAIRS = (  # what stands down the sheet and across, and what the prompt says of it
    ("layer", "head", "Attention patterns of all layers and heads on one sheet"),
    ("epoch", "example", "Samples of one model over its training on one sheet"),
    ("model", "prompt", "Samples of all models on all prompts on one sheet"),
    ("episode", "step", "Frames of all episodes on one sheet"),
    ("input", "output", "A layer's filters on one sheet"),
)


def sheet_in_words(rng: Rng) -> tuple[Sheet, str]:
    """Level 2: the grid in words, or as code."""
    kind = rng.pick(("fill", "pairs", "code"))
    if kind == "pairs":
        down, across, story = rng.pick(PAIRS)
        if rng.chance():
            down, across = across, down
        batch = rng.pick((f"{down} {across}", f"{across} {down}"))
        it = sheet(rng, rng.pick(PIXELS), batch, down=down, across=across)
        task = it.task(back=False)
        return it, (
            f"{story}: `images` has the axes {axes_of(task.stored)}.\n\nWanted is a sheet with a row of images for "
            f"each {down} and, in it, a column for each {across}. Its axes are {axes_of(task.wanted)}."
        )
    if kind == "fill":
        fill = rng.pick(tuple(FILLS))
        it = sheet(rng, rng.pick(PIXELS), fill)
        task = it.task(back=False)
        ((known, size),) = it.given.items()
        count = f"{size} rows (`r`)" if known == "r" else f"{size} columns (`c`)"
        return it, (
            f"`images` has the axes {axes_of(task.stored)}. Put them on a sheet in a grid of {count}. It is filled "
            f"{FILLS[fill]}.\n\nThe sheet has the axes {axes_of(task.wanted)}."
        )
    fill = rng.pick(tuple(FILLS))
    pixels = rng.pick(("height width channel", "channel height width", "height width"))
    at = pixels.split().index("height")
    layout = pixels.replace("height", "TALL").replace("width", "WIDE")
    rows, columns = rng.distinct(2, 2, 5)
    known = rng.pick(("r", "c"))
    it = Sheet(
        f"{fill} {pixels}", layout.replace("TALL", "(r height)").replace("WIDE", "(c width)"),
        {known: rows if known == "r" else columns}, {"r": rows, "c": columns},
        {"batch": "c r", "tall": "height r", "wide": "c width"}, "r", "c",
    )  # fmt: skip
    task = it.task(back=False)
    if fill == "(r c)":
        chunk = f"images.split({columns})" if known == "c" else f"images.chunk({rows})"
        code = f"rows = [torch.cat(list(row), dim={at + 1}) for row in {chunk}]\nsheet = torch.cat(rows, dim={at})"
    else:
        chunk = f"images.split({rows})" if known == "r" else f"images.chunk({columns})"
        code = (
            f"columns = [torch.cat(list(column), dim={at}) for column in {chunk}]\n"
            f"sheet = torch.cat(columns, dim={at + 1})"
        )
    return it, (
        f"Write what this does as one pattern:\n\n```python\n{code}\n```\n\n`images` has the axes "
        f"{axes_of(task.stored)}, `sheet` {axes_of(task.wanted)}. The grid has `r` rows and `c` columns."
    )


def larger_sheet(rng: Rng) -> tuple[Sheet, str]:
    """Level 3: several pages, or several pictures of each example, or a square grid that hides mistakes."""
    kind = rng.pick(("pages", "panels", "panels"))
    pixels = rng.pick(PIXELS[:4])
    layout = rng.pick(SHEETS[:2]) if "channel" in pixels else "TALL WIDE"
    r, c, k = rng.distinct(3, 2, 5)
    if kind == "pages":
        fill = rng.pick(("page r c", "page c r", "r c page", "c r page"))
        at = rng.pick((0, 1)) if "channel" in pixels and layout.startswith("channel") else 0
        places = ["(r height)", "(c width)"]
        base = layout.replace("TALL", places[0]).replace("WIDE", places[1]).split(" (")
        del base, at
        it = Sheet(
            f"({fill}) {pixels}", "page " + layout.replace("TALL", places[0]).replace("WIDE", places[1]),
            {"r": r, "c": c}, {"r": r, "c": c},
            {"batch": "c page r", "tall": "height r", "wide": "c width"}, "r", "c",
        )  # fmt: skip
        return it, "Pages of a grid of images each. "
    names_of = rng.pick(("input target output", "before after mask", "image saliency overlay"))
    side = rng.chance(0.6)
    wide, tall = ("(c kind width)", "(r height)") if side else ("(c width)", "(r kind height)")
    stored = rng.pick(("(r c) kind", "kind (r c)", "(c r) kind", "kind (c r)", "(kind r c)", "(r c kind)"))
    given = {"r": r, "c": c} if "(kind" in stored or "kind)" in stored else {"c": c}
    it = Sheet(
        f"{stored} {pixels}", layout.replace("TALL", tall).replace("WIDE", wide), given, {"r": r, "c": c, "kind": 3},
        {"batch": "c kind r" if len(given) > 1 else "c r", "tall": "height r" if side else "height kind r",
         "wide": "c kind width" if side else "c width"},
        "r", "c",
    )  # fmt: skip
    del k
    return it, (
        f"Each example has several pictures ({listed(names_of.split())}), counted by `kind`. They stand "
        f"{'side by side' if side else 'below each other'}, without those of another example in between. "
    )


@drill(after=["einops.patchify"], levels=3)
def image_grid(rng: Rng) -> WritePattern:
    """A batch of images on one sheet, in rows and columns."""
    back = False
    if rng.level == 1:
        back = rng.chance(0.3)
        it = sheet(rng, rng.pick(PIXELS), rng.pick(tuple(FILLS)), rng.pick(("", "", "page")))
        prompt = sheet_named(it, it.task(back=back), back=back)
    elif rng.level < TOP:
        it, prompt = sheet_in_words(rng)
    else:
        back = rng.chance(0.3)
        it, story = larger_sheet(rng)
        prompt = story + sheet_named(it, it.task(back=back), back=back)
    return posed(
        it.task(back=back), prompt, GRIDS, it.mistakes(back=back),
        hints=[
            ("The sheet's height holds two things, the row of the grid and the line in the image. Which of them "
            "changes as you go down by one pixel?"),
            "The pixel's place changes fastest, so height and width stand last in their brackets on the sheet's side.",
        ],
    )  # fmt: skip
