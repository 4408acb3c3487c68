"""Answers to the drills on patches, blocks and grids of images, and what the judge says of them.

The answers are worked out from what the learner sees, never from the reference.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import einops
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 -- as everybody writes it

from tensordrill.catalog import built_in
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import WritePattern

RAISED, SHAPE, VALUE, SLIP = Status.RAISED, Status.WRONG_SHAPE, Status.WRONG_VALUE, Status.UNPARSABLE
DRILLS = ("patchify", "unpatchify", "space-to-depth", "image-grid")
CATALOG = built_in()
LEVELS = [(name, level) for name in DRILLS for level in (1, 2, 3)]


def puzzles(name: str, level: int, seeds: int = 100) -> Iterator[WritePattern]:
    for seed in range(seeds):
        it = CATALOG[f"einops.{name}"].puzzle(seed, level)
        assert isinstance(it, WritePattern)
        yield it


@cache
def saying(name: str, level: int, *phrases: str) -> WritePattern:
    """The first puzzle that says all of that."""
    made = puzzles(name, level, 3000)
    return next(it for it in made if all(phrase in f"{it.prompt}\n{it.face.code}" for phrase in phrases))


# What each puzzle is found by, and answers to it. P1, P2, H … stand for the sizes that it tells.
NCHW = "`images` has the axes (batch, channel, height, width)."
CUT = (NCHW, "the axes (batch, patch, value).", "In `patch`, w changes fastest, then h.",
       "In `value`, channel changes fastest, then p2, then p1.")  # fmt: skip
LOOP = ("for i in range(0, height, 2):\n    for j in range(0, width, 3):\n",
        "patches.append(images[:, i:i + 2, j:j + 3, :].flatten(1))", "dim=1")  # fmt: skip
TUBELETS = ("(batch, frames, height, width, channel)", "axes (batch, tubelet, value)",
            "In `tubelet`, w changes fastest, then h, then t.",
            "In `value`, channel changes fastest, then p2, then p1, then pt.")  # fmt: skip
UNCUT = ("So came `patches`, with the axes (batch, patch, value).", "In `patch`, w changes fastest, then h.",
         "In `value`, p2 changes fastest, then p1, then channel.",
         "with the axes (batch, channel, height, width).", '"____", h=')  # fmt: skip
UNWINDOW = ("So came `patches`, with the axes (batch, window, patch, value).", "In `window`, w changes fastest",
            "In `patch`, g2 changes fastest", "In `value`, channel changes fastest, then p2, then p1.",
            "with the axes (batch, height, width, channel).")  # fmt: skip
FOLD = (NCHW, "the axes (batch, depth, h, w).", "In `depth`, p2 changes fastest, then p1, then channel.")
UNSHUFFLE = ("Write what", "y = F.pixel_unshuffle(x, 2)\n")
MERGE = ("Cut each", "(batch, token, channel)", "axes (batch, merged, depth)", "In `token`, p2 changes fastest",
         "In `merged`, w changes fastest", "In `depth`, channel changes fastest, then p2")  # fmt: skip
GRID = ("`images` has the axes (batch, height, width, channel).", "(sheet_height, sheet_width, channel)",
        "In `batch`, c changes fastest")  # fmt: skip
HEADS = (
    "`images` has the axes (layer, head, height, width).",
    "axes (sheet_height, sheet_width)",
    "`head` counts the rows",
)
UNGRID = ("`sheet` has the axes (sheet_height, sheet_width).", "side by side", "axes (batch, kind, height, width).",
          "In `batch`, c changes fastest")  # fmt: skip

RIGHT = [
    ("patchify", 1, CUT, "batch channel (h p1) (w p2) -> batch (h w) (p1 p2 channel)"),
    ("patchify", 1, CUT, "b c (h p1) (w p2) -> b (h w) (p1 p2 c)"),
    ("patchify", 1, CUT, "b c (y p1) (x p2)->b (y x)(p1 p2 c)"),
    ("patchify", 1, CUT, "einops.rearrange(images, 'b c (h a) (w k) -> b (h w) (a k c)', a={p1}, k={p2})"),
    ("patchify", 2, LOOP, "b (h p1) (w p2) c -> b (h w) (p1 p2 c)"),
    ("patchify", 2, LOOP, "rearrange(images, 'b (h p) (w q) c -> b (h w) (p q c)', p=2, q=3)"),
    ("patchify", 3, TUBELETS, "b (t pt) (h p1) (w p2) c -> b (t h w) (pt p1 p2 c)"),
    ("unpatchify", 1, UNCUT, "b (h w) (c p1 p2) -> b c (h p1) (w p2)"),
    ("unpatchify", 1, UNCUT, "rearrange(patches, 'b (h w) (c p1 p2) -> b c (h p1) (w p2)', h={h}, p1={p1}, p2={p2})"),
    ("unpatchify", 1, UNCUT, "rearrange(patches, 'n (i j) (c k l) -> n c (i k) (j l)', i={h}, k={p1}, l={p2})"),
    ("unpatchify", 1, UNCUT, '"b (h w) (c p1 p2) → b c (h p1) (w p2)"'),
    ("unpatchify", 1, UNCUT, "... (h w) (c p1 p2) -> ... c (h p1) (w p2)"),
    ("unpatchify", 3, UNWINDOW, "b (h w) (g1 g2) (p1 p2 c) -> b (h g1 p1) (w g2 p2) c"),
    ("space-to-depth", 1, FOLD, "b c (h p1) (w p2) -> b (c p1 p2) h w"),
    ("space-to-depth", 1, FOLD, "... ch (h p1) (w p2) -> ... (ch p1 p2) h w"),
    ("space-to-depth", 2, UNSHUFFLE, "b c (h p1) (w p2) -> b (c p1 p2) h w"),
    ("space-to-depth", 2, UNSHUFFLE, "rearrange(x, 'b c (h r) (w s) -> b (c r s) h w', r=2, s=2)"),
    ("space-to-depth", 3, MERGE, "b (h p1 w p2) c -> b (h w) (p1 p2 c)"),
    ("space-to-depth", 3, MERGE, "rearrange(images, 'b (i k j l) c -> b (i j) (k l c)', i={h}, k={p1}, l={p2})"),
    ("image-grid", 1, (*GRID, "r"), "(r c) h w ch -> (r h) (c w) ch"),
    ("image-grid", 1, GRID, "(r c) height width channel -> (r height) (c width) channel"),
    ("image-grid", 1, GRID, "(r c) h w ... -> (r h) (c w) ..."),
    ("image-grid", 2, HEADS, "layer head h w -> (head h) (layer w)"),
    ("image-grid", 2, HEADS, "a b c d -> (b c) (a d)"),
    ("image-grid", 3, UNGRID, "(r h) (c kind w) -> (r c) kind h w"),
    ("image-grid", 3, UNGRID, "rearrange(sheet, '(r h) (c k w) -> (r c) k h w', r={r}, c={c}, k=3)"),
]
WRONG = [
    ("patchify", 1, CUT, "b c (h p1) (w p2) -> b (w h) (p1 p2 c)", VALUE, "grid-order"),
    ("patchify", 1, CUT, "b c (h p1) (w p2) -> b (h w) (p2 p1 c)", VALUE, "pixel-order"),
    ("patchify", 1, CUT, "b c (h p1) (w p2) -> b (h w) (c p1 p2)", VALUE, "channel-place"),
    ("patchify", 1, CUT, "b c (p1 h) (p2 w) -> b (h w) (p1 p2 c)", VALUE, "strided"),
    ("patchify", 1, CUT, "b c (h p1) (w p2) -> b (c h p1) (w p2)", SHAPE, "plain-reshape"),
    ("patchify", 1, CUT, "b c (h p1) (w p2) -> b (p1 p2) (h w c)", SHAPE, "grid-for-pixels"),
    ("patchify", 1, CUT, "b c (h p1) (w p2) -> (h w) b (p1 p2 c)", SHAPE, "output-order"),
    ("patchify", 1, CUT, "b c (h p1) (w p2) -> b h w (p1 p2 c)", SHAPE, None),
    ("patchify", 1, CUT, "b c (h a) (w k) -> b (h w) (a k c)", SLIP, None),
    ("patchify", 2, LOOP, "b (h p1) (w p2) c -> b (h w) (c p1 p2)", VALUE, "channel-place"),
    ("patchify", 3, TUBELETS, "b (t pt) (h p1) (w p2) c -> b (h t w) (pt p1 p2 c)", VALUE, "bracket-order"),
    ("unpatchify", 1, UNCUT, "b (w h) (c p1 p2) -> b c (h p1) (w p2)", VALUE, "grid-order"),
    ("unpatchify", 1, UNCUT, "b (h w) (c p2 p1) -> b c (h p1) (w p2)", VALUE, "pixel-order"),
    ("unpatchify", 1, UNCUT, "b (h w) (p1 p2 c) -> b c (h p1) (w p2)", VALUE, "channel-place"),
    ("unpatchify", 1, UNCUT, "b (h w) (c p1 p2) -> b c (p1 h) (p2 w)", VALUE, "strided"),
    ("unpatchify", 1, UNCUT, "b (h w) (c p1 p2) -> b (h p1) (w p2) c", SHAPE, "channel-first-last"),
    ("unpatchify", 1, UNCUT, "b (h w) (c p1 p2) -> b c (w p2) (h p1)", SHAPE, "output-order"),
    ("unpatchify", 1, UNCUT, "b (h w) (c p1 p2) -> b c h p1 w p2", SHAPE, None),
    ("unpatchify", 3, UNWINDOW, "b (h w) (g1 g2) (p1 p2 c) -> b (g1 h p1) (w g2 p2) c", VALUE, "bracket-order"),
    ("space-to-depth", 1, FOLD, "b c (h p1) (w p2) -> b (p1 p2 c) h w", VALUE, "channel-place"),
    ("space-to-depth", 1, FOLD, "b c (h p1) (w p2) -> b (c p2 p1) h w", VALUE, "pixel-order"),
    ("space-to-depth", 1, FOLD, "b c (p1 h) (p2 w) -> b (c p1 p2) h w", VALUE, "strided"),
    ("space-to-depth", 1, FOLD, "b c (h p1) (w p2) -> b (c h w) p1 p2", SHAPE, "grid-for-pixels"),
    ("space-to-depth", 1, FOLD, "b c (h p1) (w p2) -> b (c p1 p2) w h", SHAPE, "grid-order"),
    ("space-to-depth", 2, UNSHUFFLE, "b c (h p1) (w p2) -> b (p1 p2 c) h w", VALUE, "channel-place"),
    ("space-to-depth", 3, MERGE, "b (h w p1 p2) c -> b (h w) (p1 p2 c)", VALUE, "bracket-order"),
    ("image-grid", 1, GRID, "(c r) h w ch -> (r h) (c w) ch", VALUE, "grid-order"),
    ("image-grid", 1, GRID, "(r c) h w ch -> (h r) (w c) ch", VALUE, "strided"),
    ("image-grid", 1, GRID, "(r c) h w ch -> (r h) (w c) ch", VALUE, "merged-backwards"),
    ("image-grid", 1, GRID, "(r c) h w ch -> (c h) (r w) ch", SHAPE, "rows-columns-swapped"),
    ("image-grid", 1, GRID, "(r c) h w ch -> (c w) (r h) ch", SHAPE, "output-order"),
    ("image-grid", 1, GRID, "(r c) h w ch -> ch (r h) (c w)", SHAPE, "channel-first-last"),
    ("image-grid", 2, HEADS, "layer head h w -> (layer h) (head w)", SHAPE, "grid-order"),
    ("image-grid", 3, UNGRID, "(r h) (kind c w) -> (r c) kind h w", VALUE, "bracket-order"),
    ("image-grid", 3, UNGRID, "(r h) (c kind w) -> (c r) kind h w", VALUE, "grid-order"),
]  # fmt: skip


def filled(it: WritePattern, answer: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda name: str((it.face.sizes or {})[name[1]]), answer)


@pytest.mark.parametrize(("name", "level", "phrases", "answer"), RIGHT)
def test_what_means_the_same_is_right(
    judge: Judge, name: str, level: int, phrases: tuple[str, ...], answer: str
) -> None:
    it = saying(name, level, *phrases)
    verdict = judge.grade(it, filled(it, answer))
    assert verdict.correct, (it.prompt, it.given, verdict.feedback)


@pytest.mark.parametrize(("name", "level", "phrases", "answer", "status", "turn"), WRONG)
def test_what_means_something_else_is_named(
    judge: Judge, name: str, level: int, phrases: tuple[str, ...], answer: str, status: Status,
    turn: str | None,
) -> None:  # fmt: skip
    it = saying(name, level, *phrases)
    verdict = judge.grade(it, filled(it, answer))
    assert (verdict.status, verdict.wrong_turn) == (status, turn), (it.prompt, it.given, verdict.feedback)


# --- prompts, followed word for word

SAID = {
    "along the rows of the grid, the top row first": "h w",
    "down the columns of the grid, the left column first": "w h",
    "through the first image, along the rows of its grid, then through the second, and so on": "batch h w",
    "through the first image, down the columns of its grid, then through the second, and so on": "batch w h",
    "pixel by pixel, row after row": "p1 p2",
    "pixel by pixel, column after column": "p2 p1",
    "pixel by pixel, row after row; the channels of a pixel stand together": "p1 p2 channel",
    "pixel by pixel, column after column; the channels of a pixel stand together": "p2 p1 channel",
    "channel by channel; in each, pixel by pixel, row after row": "channel p1 p2",
    "channel by channel; in each, pixel by pixel, column after column": "channel p2 p1",
}


def understood(it: WritePattern) -> str:
    """The pattern that the prompt tells, as a careful reader writes it."""
    made = {"height": "h p1", "width": "w p2", "frames": "t pt"}
    if "A window is a block" in it.prompt:
        made |= {"height": "h g1 p1", "width": "w g2 p2"}
    if grid := re.search(r"`(\w+)` counts the rows of the grid, `(\w+)` its columns", it.prompt):
        down, across = grid.groups()
        made = {
            "sheet_height": f"{down} kind height" if "below each other" in it.prompt else f"{down} height",
            "sheet_width": f"{across} kind width" if "side by side" in it.prompt else f"{across} width",
        }
    for name, order in re.findall(r"In `(\w+)`, (.*?)\.", it.prompt):
        made[name] = " ".join(reversed(order.replace(" changes fastest", "").split(", then ")))
    for name, order in re.findall(r"`(\w+)` goes (.*?)\.", it.prompt):
        made[name] = {"h w": "r c", "w h": "c r"}[SAID[order]] if grid else SAID[order]
    return " -> ".join(
        " ".join(f"({made[axis]})" if axis in made else axis for axis in side) for side in (it.tensor.axes, it.output)
    )


def sized(it: WritePattern) -> dict[str, int]:
    """A size for each axis: those that are told, and small ones for the others."""
    names = re.findall(r"\w+", it.pattern)
    told = {name: int(size) for name, size in (it.face.sizes or {}).items() if str(size).isdigit()}
    free = [name for name in dict.fromkeys(names) if name not in told]
    return told | {name: 2 + i % 3 for i, name in enumerate(free)}


def example(it: WritePattern) -> torch.Tensor:
    sizes = sized(it)
    derived = {n: eval(str(size), {}, sizes) for n, size in (it.face.sizes or {}).items() if "*" in str(size)}
    shape = torch.Size([(sizes | derived)[axis] for axis in it.tensor.axes])
    return torch.arange(shape.numel(), dtype=torch.float64).reshape(shape)


@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_the_prompt_says_what_the_reference_does(name: str, level: int) -> None:
    found = 0
    for it in puzzles(name, level):
        if "```" not in it.prompt:
            found += 1
            x = example(it)
            expected = einops.rearrange(x, it.pattern, **it.given)
            assert torch.equal(einops.rearrange(x, understood(it), **it.given), expected), (it.prompt, it.pattern)
    assert found > 25


@pytest.mark.parametrize(
    ("name", "level"),
    [("patchify", 2), ("patchify", 3), ("unpatchify", 2), ("unpatchify", 3), ("space-to-depth", 2), ("image-grid", 2)],
)
def test_the_code_does_what_the_reference_does(name: str, level: int) -> None:
    """Code to translate gives what the pattern gives; code to undo is undone by it."""
    found = 0
    for it in puzzles(name, level):
        if code := re.search(r"```python\n(.*)\n```", it.prompt, re.DOTALL):
            found += 1
            x = example(it)
            y = einops.rearrange(x, it.pattern, **it.given)
            undone = re.search(r"This has made `(\w+)` of `(\w+)`", it.prompt)
            if undone:
                x, y = y, x
            after, before = undone.groups() if undone else (code[1].split("\n")[-1].partition(" =")[0], it.tensor.name)
            axes = it.output if undone else it.tensor.axes
            scope: dict[str, Any] = {"torch": torch, "F": F, before: x, **dict(zip(axes, x.shape, strict=True))}
            exec(code[1], scope)
            assert torch.equal(scope[after], y), (it.prompt, it.pattern)
    assert found > 10
