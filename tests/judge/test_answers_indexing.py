"""Answers to the indexing drills as people type them, right and wrong, and what the judge says of them."""

from typing import Any

import numpy as np
import pytest
import torch
from tensordrill.drills.indexing import INF, SCENES, Choice, aligned, puzzle

from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import WriteExpression

RAISED, SHAPE, VALUE, DTYPE = Status.RAISED, Status.WRONG_SHAPE, Status.WRONG_VALUE, Status.WRONG_DTYPE


def choice(tensor: str, *masks: str, fill: str = "0", fill_axes: str | None = None) -> WriteExpression:
    scene = next(scene for scene in SCENES if scene.tensor.name == tensor)
    chosen = tuple(next(mask for mask in scene.masks if mask.name == name) for name in masks)
    asked: WriteExpression = puzzle(Choice(scene, chosen, fill, fill_axes), "")
    return asked


PAD = choice("scores", "pad", fill=INF)
REAL = choice("scores", "real", fill="-10000")
SEEN = choice("scores", "allowed", "pad", fill=INF)
ALIVE = choice("latents", "alive")
MEAN = choice("latents", "special", fill="mean", fill_axes="latent")
FLOOR = choice("latents", "active", fill="floor", fill_axes="token")
LABELS = choice("labels", "real", fill="-100")
GAPS = choice("labels", "prompt", "skipped", fill="-100")
CLEAN = choice("acts", "patched", fill="clean", fill_axes="batch seq d_model")


@pytest.mark.parametrize(
    ("it", "answer"),
    [
        (PAD, 'torch.where(pad[:, None], float("-inf"), scores)'),
        (PAD, "scores.masked_fill(pad[:, None, :], -torch.inf)"),
        (PAD, "scores.masked_fill(pad.unsqueeze(1), float('-inf'))"),
        (PAD, "out = torch.where(pad[:, None], -math.inf, scores)"),
        (PAD, "scores.clone().masked_fill_(pad[:, None], -np.inf)"),
        (PAD, "scores.where(~pad[:, None], -torch.inf)"),
        (PAD, "scores + torch.where(pad, -torch.inf, 0.0)[:, None]"),
        (REAL, "torch.where(real[:, None], scores, -10000)"),
        (REAL, "torch.where(einops.repeat(real, 'b k -> b q k', q=scores.shape[1]), scores, -1e4)"),
        (REAL, "torch.where(real.logical_not()[:, None], torch.tensor(-10000.0), scores)"),
        (SEEN, "scores.masked_fill(~allowed | pad[:, None], -torch.inf)"),
        (SEEN, "torch.where(allowed[None] & ~pad[:, None, :], scores, -torch.inf)"),
        (SEEN, "scores.masked_fill(~allowed, -torch.inf).masked_fill(pad[:, None], -torch.inf)"),
        (ALIVE, "latents * alive"),
        (ALIVE, "torch.where(alive, latents, 0)"),
        (ALIVE, "torch.where(alive[None, :], latents, torch.zeros_like(latents))"),
        (MEAN, "torch.where(special[:, None], mean, latents)"),
        (MEAN, "torch.where(special[..., None], mean.expand_as(latents), latents)"),
        (MEAN, "special[:, None] * mean + ~special[:, None] * latents"),
        (FLOOR, "torch.where(active, latents, floor[:, None])"),
        (FLOOR, "torch.where(~active.T, floor, latents.T).T"),
        (LABELS, "torch.where(real, labels, -100)"),
        (LABELS, "labels.masked_fill(~real, -100)"),
        (GAPS, "torch.where(prompt | skipped[:, None], -100, labels)"),
        (CLEAN, "torch.where(patched[..., None], clean, acts)"),
        (CLEAN, "torch.lerp(acts, clean, patched[:, :, None].double())"),
    ],
)
def test_what_means_the_same_is_right(judge: Judge, it: WriteExpression, answer: str) -> None:
    verdict = judge.grade(it, answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("it", "answer", "status", "turn"),
    [
        (PAD, "scores.masked_fill(~pad[:, None], -torch.inf)", VALUE, "inverted-mask"),
        (PAD, "scores.masked_fill(pad, -torch.inf)", RAISED, "mask-misaligned"),
        (PAD, "scores.masked_fill(pad[..., None], -torch.inf)", RAISED, "none-misplaced"),
        (PAD, "scores * ~pad[:, None]", VALUE, "zeroed"),
        (PAD, "scores.masked_fill_(pad[:, None], -torch.inf)", VALUE, "in-place"),
        (PAD, "scores.masked_fill(pad[:, None], torch.inf)", VALUE, None),
        (REAL, "torch.where(real[:, None], -10000, scores)", VALUE, "inverted-mask"),
        (REAL, "scores * real[:, None]", VALUE, "zeroed"),
        (REAL, "torch.where(real[:, None], scores, -1000)", VALUE, None),
        (SEEN, "scores.masked_fill(~allowed & pad[:, None], -torch.inf)", VALUE, "either-for-both"),
        (SEEN, "scores.masked_fill(~allowed, -torch.inf)", VALUE, "one-mask-forgotten"),
        (SEEN, "scores.masked_fill(pad[:, None], -torch.inf)", VALUE, "one-mask-forgotten"),
        (SEEN, "scores.masked_fill(allowed | pad[:, None], -torch.inf)", VALUE, "one-mask-inverted"),
        (SEEN, "scores.masked_fill(~allowed | ~pad[:, None], -torch.inf)", VALUE, "one-mask-inverted"),
        (SEEN, "torch.where(allowed & ~pad[:, None], -torch.inf, scores)", VALUE, "inverted-mask"),
        (ALIVE, "latents * ~alive", VALUE, "inverted-mask"),
        (ALIVE, "latents[:, alive]", SHAPE, None),
        (MEAN, "torch.where(special, mean, latents)", RAISED, "mask-misaligned"),
        (MEAN, "torch.where(special[:, None], latents, mean)", VALUE, "inverted-mask"),
        (MEAN, "latents[~special]", SHAPE, "selected"),
        (MEAN, "latents.masked_fill(special[:, None], 0)", VALUE, "zeroed"),
        (FLOOR, "torch.where(active, latents, floor)", RAISED, "fill-misaligned"),
        (LABELS, "torch.where(real, labels, -100.0)", DTYPE, None),
        (LABELS, "labels * real", VALUE, "zeroed"),
        (LABELS, "labels[real]", SHAPE, "selected"),
        (GAPS, "torch.where(prompt & skipped[:, None], -100, labels)", VALUE, "either-for-both"),
        (CLEAN, "torch.where(patched, clean, acts)", RAISED, "mask-misaligned"),
        (CLEAN, "torch.where(patched[:, None], clean, acts)", RAISED, "none-misplaced"),
        (CLEAN, "acts.copy_(torch.where(patched[..., None], clean, acts))", VALUE, "in-place"),
        (CLEAN, "clean", VALUE, None),
        (CLEAN, "torch.where(patched[..., None], clean, acts).tolist()", VALUE, None),
        (CLEAN, "torch.where(patched[..., None], clean", Status.UNPARSABLE, None),
        (CLEAN, "acts[patched] = clean[patched]", Status.UNPARSABLE, None),
    ],
)
def test_what_means_something_else_is_named(
    judge: Judge, it: WriteExpression, answer: str, status: Status, turn: str | None
) -> None:
    verdict = judge.grade(it, answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


@pytest.mark.parametrize(
    ("name", "axes", "index"),
    [
        ("m", "query key", "m"),
        ("m", "key", "m"),
        ("m", "batch key", "m[:, None]"),
        ("m", "batch query", "m[:, :, None]"),
        ("m", "query", "m[:, None]"),
        ("m", "batch", "m[:, None, None]"),
    ],
)
def test_none_stands_where_an_axis_is_missing(name: str, axes: str, index: str) -> None:
    assert aligned(name, axes, "batch query key") == index


def test_loops_to_translate_do_what_the_expression_does(catalog: Catalog) -> None:
    found = 0
    for seed in range(100):
        it = catalog["indexing.where"].puzzle(seed, 2)
        assert isinstance(it, WriteExpression)
        if it.code:
            found += 1
            axes = dict.fromkeys(axis for t in it.tensors for axis in t.axes)
            sizes = dict(zip(axes, (2, 3, 4, 5), strict=False))
            names: dict[str, Any] = {"torch": torch, "np": np}
            for t in it.tensors:
                values = torch.randint(2 if t.domain == "mask" else 100, [sizes[axis] for axis in t.axes])
                names[t.name] = values.bool() if t.domain == "mask" else values if "index" in t.domain else values / 2
            exec(it.code, names)
            assert torch.equal(names["out"], eval(it.reference_expression, names)), it.code
    assert found > 20
