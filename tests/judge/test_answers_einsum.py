"""Answers to the einsum drills as people type them, right and wrong, and what the judge says of them."""

from collections.abc import Callable
from string import ascii_lowercase
from typing import Any

import pytest
import torch
from tensordrill.drills.einsum_attention import ATTENTIONS, attention_mistakes

from tensordrill.building.contraction import Contraction
from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import WriteEinsum, spell

RAISED, SHAPE, VALUE = Status.RAISED, Status.WRONG_SHAPE, Status.WRONG_VALUE

# The layout of TransformerLens: positions before heads in what is stored, after them in the scores.
LENS = Contraction(
    ("Q", "K"),
    (("batch", "query", "head", "d_head"), ("batch", "key", "head", "d_head")),
    ("batch", "head", "query", "key"),
)
# Two factors, one of them a diagonal, and a third that hangs on by one axis.
THREE = Contraction(("A", "B", "C"), (("city", "month", "city"), ("month", "cabin"), ("cabin",)), ("month", "city"))
GRAM = Contraction(("X", "X"), (("user", "film"), ("other", "film")), ("user", "other"))


def puzzle(net: Contraction) -> WriteEinsum:
    mistakes = attention_mistakes(net, ATTENTIONS[0]) if net is LENS else net.single_edits()
    return WriteEinsum(
        prompt="", tensors=net.tensors, output=net.output, hints=[], why="", wrong=net.wrong_turns(mistakes)
    )


@pytest.mark.parametrize(
    ("net", "answer"),
    [
        (LENS, "bqhd,bkhd->bhqk"),
        (LENS, "b s h d, b t h d -> b h s t"),
        (LENS, "BQHD,BKHD->BHQK"),
        (LENS, "batch query head d_head, batch key head d_head -> batch head query key"),
        (LENS, "...qhd,...khd->...hqk"),
        (LENS, "'bqhd,bkhd->bhqk'"),
        (LENS, "```\nbqhd,bkhd->bhqk\n```"),
        (LENS, "bqhd,bkhd→bhqk"),
        (LENS, 'torch.einsum("bqhd,bkhd->bhqk", Q, K)'),
        (LENS, 'scores = torch.einsum("bqhd,bkhd->bhqk", Q, K)'),
        (LENS, 'einsum("bkhd,bqhd->bhqk", K, Q)'),
        (LENS, 'einops.einsum(Q, K, "b q h d, b k h d -> b h q k")'),
        (THREE, "imi,mc,c->mi"),
        (THREE, "city month city, month cabin, cabin -> month city"),
        (THREE, 'torch.einsum("c,imi,mc->mi", C, A, B)'),
        (GRAM, "uf,vf->uv"),
        (GRAM, "uf,vf->vu"),
        (GRAM, "vf,uf->uv"),
    ],
)
def test_what_means_the_same_is_right(judge: Judge, net: Contraction, answer: str) -> None:
    verdict = judge.grade(puzzle(net), answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("net", "answer", "status", "turn"),
    [
        (LENS, "bqhd,bkhd->bhkq", SHAPE, "query-key-swapped"),
        (LENS, "bqhd,bkhd->bqk", SHAPE, "heads-summed"),
        (LENS, "bqhd,bkgd->bhqk", VALUE, "heads-mixed"),
        (LENS, "bqhd,akhd->bhqk", VALUE, "keys-unbatched"),
        (LENS, "bhqd,bhkd->bhqk", RAISED, "heads-for-positions"),
        (LENS, "bqhd,bhkd->bhqk", RAISED, "operand-order"),
        (LENS, "bshd,bshd->bhs", RAISED, "same-position"),
        (LENS, "bqhd,bkhd->bhqkd", SHAPE, "not-contracted"),
        (LENS, "bqhd,bkhd->hbqk", SHAPE, "output-order"),
        (LENS, "bqhd,bdhk->bhqk", RAISED, "operand-order"),
        (LENS, "bqhd,bkhd->hqk", SHAPE, "axis-lost"),
        (LENS, "bqhd,bkhd->qk", SHAPE, None),
        (LENS, "bqhd,bkhd->bhqz", RAISED, None),
        (LENS, "bqh,bkhd->bhqk", RAISED, None),
        (THREE, "imj,mc,c->mi", VALUE, "diagonal-lost"),
        (THREE, "imi,mc,c->im", SHAPE, "output-order"),
        (THREE, "imi,mc,c->m", SHAPE, "axis-lost"),
        (THREE, "imi,mc,c->mic", SHAPE, "axis-kept"),
        (THREE, "imi,mc,k->mi", VALUE, "not-tied"),
        (THREE, "imi,cm,c->mi", RAISED, "operand-order"),
        (THREE, "iim,mc,c->mi", RAISED, "operand-order"),
        (THREE, "imi,mc->mi", RAISED, None),
        (GRAM, "uf,uf->u", SHAPE, "tied"),
        (GRAM, "uf,vg->uv", VALUE, "not-tied"),
        (GRAM, "uf,fv->uv", RAISED, "operand-order"),
    ],
)
def test_what_means_something_else_is_named(
    judge: Judge, net: Contraction, answer: str, status: Status, turn: str | None
) -> None:
    verdict = judge.grade(puzzle(net), answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


@pytest.mark.parametrize("answer", ["", "bqhd bkhd", "b+q->h", "bqhd,bkhd->bhqk->b", "torch.matmul(Q, K)", "->->"])
def test_what_cannot_be_read_is_not_judged(judge: Judge, answer: str) -> None:
    if answer == "bqhd bkhd":  # one term: torch has something to say about that
        assert judge.grade(puzzle(LENS), answer).status is RAISED
    else:
        assert judge.grade(puzzle(LENS), answer).status is Status.UNPARSABLE


def in_words(it: WriteEinsum) -> str:
    return ", ".join(" ".join(t.axes) for t in it.tensors) + " -> " + " ".join(it.output)


def backwards(it: WriteEinsum) -> str:
    """The call with its operands in the other order."""
    equation = spell([t.axes for t in it.tensors[::-1]], it.output)
    return f'torch.einsum("{equation}", {", ".join(t.name for t in it.tensors[::-1])})'


def other_letters(it: WriteEinsum) -> str:
    letters = str.maketrans(ascii_lowercase, ascii_lowercase[::-1])
    return it.solution.translate(letters)


def more_space(it: WriteEinsum) -> str:
    return " ".join(it.solution.replace("->", "→"))


@pytest.mark.parametrize("drill", ["einsum.attention-scores", "einsum.random"])
@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("form", [in_words, backwards, other_letters, more_space])
def test_every_way_to_write_it_is_right(
    judge: Judge, catalog: Catalog, drill: str, level: int, seed: int, form: Callable[[WriteEinsum], str]
) -> None:
    it = catalog[drill].puzzle(seed, level)
    assert isinstance(it, WriteEinsum)
    verdict = judge.grade(it, form(it))
    assert verdict.correct, (it.solution, form(it), verdict.feedback)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_contractions_are_all_sorts(catalog: Catalog, level: int) -> None:
    made = [catalog["einsum.random"].puzzle(seed, level) for seed in range(400)]
    nets = [it for it in made if isinstance(it, WriteEinsum)]
    meanings = {tuple(map(it.solution.index, it.solution)) for it in nets}
    assert len(meanings) > 200
    ranks = {len(t.axes) for it in nets for t in it.tensors}
    assert ranks == {1, 2, 3, 4}
    for it in nets:
        axes = {axis for t in it.tensors for axis in t.axes}
        assert set(it.output) <= axes
        assert len(set(it.output)) == len(it.output)
        assert [t.axes for t in it.tensors] != [it.output]


def test_loops_to_translate_do_what_the_equation_does(catalog: Catalog) -> None:
    found = 0
    for seed in range(200):
        it = catalog["einsum.random"].puzzle(seed, 2)
        assert isinstance(it, WriteEinsum)
        if it.code:
            found += 1
            sizes = dict(zip(dict.fromkeys(axis for t in it.tensors for axis in t.axes), (2, 3, 4, 5, 6), strict=False))
            tensors = {t.name: torch.randint(9, [sizes[axis] for axis in t.axes]) for t in it.tensors}
            names: dict[str, Any] = {"torch": torch} | tensors
            exec(it.code, names)
            assert torch.equal(names["out"], torch.einsum(it.solution, *tensors.values()).float()), it.code
    assert found > 40
