"""Images cut into patches, and put together again."""

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


@drill(after=["einops.split"], levels=3)
def patchify(rng: Rng) -> WritePattern:
    """Images cut into patches."""
    return patch_puzzle(rng, back=False)


@drill(after=["einops.patchify"], levels=3)
def unpatchify(rng: Rng) -> WritePattern:
    """Patches put together to images."""
    return patch_puzzle(rng, back=True)
