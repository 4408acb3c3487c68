"""Answers to the einops drills as people type them, right and wrong, and what the judge says of them."""

import re
from collections.abc import Callable

import einops
import pytest
import torch
from tensordrill.drills.einops import posed

from tensordrill.building.patterns import Pattern, Variant, plain
from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import WritePattern

RAISED, SHAPE, VALUE, SLIP = Status.RAISED, Status.WRONG_SHAPE, Status.WRONG_VALUE, Status.UNPARSABLE


def asked(task: Pattern, *first: Variant) -> WritePattern:
    puzzle: WritePattern = posed("", task, *first, axes_told=False)
    return puzzle


WRITTEN = "batch seq d_model -> batch seq heads d_head"
HEADS = {"d_model": "head d_head"}
SPLIT = asked(Pattern.named("batch seq d_model", "batch head seq d_head", HEADS, given={"head": 4}))
MERGE = asked(Pattern.named("batch head seq d_head", "batch seq d_model", HEADS, tensor="z"))
LESSON = asked(
    Pattern.named("batch seq d_model", "batch seq heads d_head", {"d_model": "heads d_head"}, given={"heads": 12}),
    Variant(
        "not-split", plain(["batch", "seq", "d_model"]), plain(["batch", "seq", "heads", "d_head"]), "It is not split."
    ),
)
FUSED = asked(
    Pattern.named(
        "batch seq d_fused", "qkv batch head seq d_head", {"d_fused": "qkv head d_head"}, given={"qkv": 3, "head": 2}
    )
)
ROWS = asked(
    Pattern.named(
        "rows seq d_head", "batch seq d_model", {**HEADS, "rows": "batch head"}, given={"head": 4}, tensor="z"
    )
)


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (SPLIT, "batch seq (head d_head) -> batch head seq d_head"),
        (SPLIT, "b s (head d) -> b head s d"),
        (SPLIT, "b s (head d)->b head s d"),
        (SPLIT, '"b t (head k) -> b head t k"'),
        (SPLIT, "einops.rearrange(x, 'b s (h d) -> b h s d', h=4)"),
        (SPLIT, "rearrange(x, 'b s (head d_head) -> b head s d_head', head=4)"),
        (SPLIT, "y = rearrange(x, 'b s (h d) -> b h s d', h=4)"),
        (SPLIT, "b s (head d) → b head s d"),
        (SPLIT, "b ... (head d) -> b head ... d"),
        (MERGE, "b h s d -> b s (h d)"),
        (MERGE, "batch head seq d_head -> batch seq (head d_head)"),
        (MERGE, "rearrange(z, 'b h s d -> b s (h d)')"),
        (LESSON, "batch seq (heads d_head) -> batch seq heads d_head"),
        (LESSON, "rearrange(x, 'batch seq (heads d_head) -> batch seq heads d_head', heads=12)"),
        (LESSON, "... (heads d) -> ... heads d"),
        (FUSED, "b s (qkv head d) -> qkv b head s d"),
        (FUSED, "rearrange(x, 'b s (three h d) -> three b h s d', three=3, h=2)"),
        (ROWS, "(b head) s d -> b s (head d)"),
        (ROWS, "rearrange(z, '(b h) s d -> b s (h d)', h=4)"),
    ],
)
def test_what_means_the_same_is_right(judge: Judge, task: WritePattern, answer: str) -> None:
    verdict = judge.grade(task, answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("task", "answer", "status", "turn"),
    [
        (SPLIT, "b s (d head) -> b head s d", VALUE, "layout-swapped"),
        (SPLIT, "b s (head d) -> b s head d", SHAPE, "seq-head-swapped"),
        (SPLIT, "b s (head d) -> b d s head", SHAPE, "head-dim-swapped"),
        (SPLIT, "b s (head d) -> s head b d", SHAPE, "batch-seq-swapped"),
        (SPLIT, "b s (head d) -> b head d s", SHAPE, "seq-dim-swapped"),
        (SPLIT, "b s (head d) -> head b s d", SHAPE, "batch-head-swapped"),
        (SPLIT, "b s (head d) -> b head s", RAISED, None),
        (SPLIT, "b s (head d) -> b (head s) d", SHAPE, None),
        (SPLIT, "rearrange(x, 'b s (h d) -> b h s d', h=2)", SHAPE, None),
        (SPLIT, "rearrange(x, 'b s (h d) -> b h s d')", RAISED, None),
        (SPLIT, "b s (h d) -> b h s d", SLIP, None),
        (SPLIT, "b s ((head d)) -> b head s d", SLIP, None),
        (SPLIT, "b s (head d)", SLIP, None),
        (MERGE, "b h s d -> b s (d h)", VALUE, "layout-swapped"),
        (MERGE, "b s h d -> b s (h d)", SHAPE, "seq-head-swapped"),
        (MERGE, "b h s d -> b h (s d)", SHAPE, "seq-head-swapped"),
        (MERGE, "b h s d -> s b (h d)", SHAPE, "batch-seq-swapped"),
        (MERGE, "b h s d -> b (h s) d", SHAPE, None),
        (LESSON, WRITTEN, RAISED, "not-split"),
        (LESSON, f"rearrange(x, '{WRITTEN}', heads=12)", RAISED, "not-split"),
        (LESSON, "batch seq (heads d_head) -> batch seq heads d", RAISED, None),
        (LESSON, "b s (d heads) -> b s heads d", VALUE, "layout-swapped"),
        (LESSON, "b s (heads d) -> b heads s d", SHAPE, "seq-head-swapped"),
        (FUSED, "b s (head qkv d) -> qkv b head s d", VALUE, "layout-swapped"),
        (FUSED, "b s (qkv head d) -> b qkv head s d", SHAPE, "qkv-batch-swapped"),
        (ROWS, "(head b) s d -> b s (head d)", VALUE, "layout-swapped"),
        (ROWS, "(b head) s d -> b s (d head)", VALUE, "layout-swapped"),
    ],
)
def test_what_means_something_else_is_named(
    judge: Judge, task: WritePattern, answer: str, status: Status, turn: str | None
) -> None:
    verdict = judge.grade(task, answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


def short_names(it: WritePattern) -> str:
    """The pattern with a letter for each axis that the call does not name."""
    names: dict[str, str] = {name: name for name in it.given}
    return re.sub(r"\w+", lambda name: names.setdefault(name[0], "zyxwvuts"[len(names)]), it.pattern)


def whole_call(it: WritePattern) -> str:
    sizes = "".join(f", {name}={size}" for name, size in it.given.items())
    return f"rearrange({it.tensor.name}, '{it.pattern}'{sizes})"


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("form", [short_names, whole_call])
def test_every_way_to_write_it_is_right(
    judge: Judge, catalog: Catalog, level: int, seed: int, form: Callable[[WritePattern], str]
) -> None:
    it = catalog["einops.split-heads"].puzzle(seed, level)
    assert isinstance(it, WritePattern)
    verdict = judge.grade(it, form(it))
    assert verdict.correct, (form(it), verdict.feedback)


def test_code_to_translate_does_what_the_pattern_does(catalog: Catalog) -> None:
    found = 0
    for seed in range(300):
        it = catalog["einops.split-heads"].puzzle(seed, 2)
        assert isinstance(it, WritePattern)
        code = re.search(r"```python\n(.*)\n```", it.prompt)
        if code and "error" not in it.prompt:
            found += 1
            sizes = {"batch": 2, "seq": 3, "d_head": 5, "head": 7} | dict(it.given)
            sizes["d_model"] = sizes["head"] * sizes["d_head"]
            shape = [sizes[axis] for axis in it.tensor.axes]
            x = torch.arange(torch.Size(shape).numel()).reshape(shape)
            expected = einops.rearrange(x, it.pattern, **it.given)
            assert torch.equal(eval(code[1], {"torch": torch, it.tensor.name: x}), expected), code[1]
    assert found > 50
