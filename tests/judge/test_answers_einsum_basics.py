"""Answers to the basic einsum drills as people type them, right and wrong, and what the judge says of them."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 -- as everybody writes it
from tensordrill.drills import einsum_axes as axes
from tensordrill.drills import einsum_diagonals as diagonals
from tensordrill.drills import einsum_matrices as matrices
from tensordrill.drills import einsum_vectors as vectors

from tensordrill.building.contraction import Contraction
from tensordrill.building.equations import Task, posed
from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.judge.instances import instances
from tensordrill.puzzles import PredictValue, WriteEinsum

RAISED, SHAPE, VALUE = Status.RAISED, Status.WRONG_SHAPE, Status.WRONG_VALUE


def net(inputs: str, output: str, names: str = "AB") -> Contraction:
    """`net("row inner, inner column", "row column")`."""
    operands = tuple(tuple(term.split()) for term in inputs.split(","))
    return Contraction(tuple(names[: len(operands)]), operands, tuple(output.split()))


SUM = net("month cabin route", "route", "x")
PERMUTE = net("batch height width channel", "batch channel height width", "x")
TRACE = net("n head n", "head")
TRACE_OF_PRODUCT = net("row inner, inner row", "")
DIAGONAL = net("n head n", "head n")
INNER = net("token feature, feature token", "token", "xy")
LENGTH = net("token feature, token feature", "token", "xx")
OUTER = net("row, column", "row column", "uv")
OUTERS = net("d_out batch, batch d_in", "d_in d_out", "gx")
HADAMARD = net("row column, column row", "row column")
MATVEC = net("row column, column", "row", "Av")
STACK = net("head d_in d_out, d_in", "d_out head", "Wx")
CHAIN = net("out mid, in mid, in", "out", "BAv")
MATMUL = net("inner row, column inner", "row column")
GRAM = net("row column, row other_column", "column other_column", "XX")
LINEAR = net("batch d_in token, d_out d_in", "batch token d_out", "xW")
MISTAKES = {
    SUM: axes.mistakes_of_sums,
    PERMUTE: axes.mistakes_of_permutations,
    TRACE: diagonals.mistakes_of_traces,
    TRACE_OF_PRODUCT: diagonals.mistakes_of_traces,
    DIAGONAL: diagonals.mistakes_of_diagonals,
    INNER: vectors.mistakes_of_inner,
    LENGTH: vectors.mistakes_of_inner,
    OUTER: vectors.mistakes_of_outer,
    OUTERS: vectors.mistakes_of_outer,
    HADAMARD: vectors.mistakes_of_hadamard,
    MATVEC: matrices.mistakes_of_matvec,
    STACK: matrices.mistakes_of_matvec,
    CHAIN: matrices.mistakes_of_matvec,
    MATMUL: matrices.mistakes_of_matmul,
    GRAM: matrices.mistakes_of_matmul,
    LINEAR: matrices.mistakes_of_matmul,
}


def puzzle(of: Contraction) -> WriteEinsum:
    made = posed(Task(of, ""), MISTAKES[of], level=1, hint="", why="")
    assert isinstance(made, WriteEinsum)
    return made


@pytest.mark.parametrize(
    ("of", "answer"),
    [
        (SUM, "mcr->r"),
        (SUM, "abc -> c"),
        (SUM, "month cabin route -> route"),
        (SUM, "...r->r"),
        (SUM, 'torch.einsum("ijk->k", x)'),
        (SUM, "`ijk→k`"),
        (PERMUTE, "bhwc->bchw"),
        (PERMUTE, "b h w c -> b c h w"),
        (PERMUTE, "batch height width channel -> batch channel height width"),
        (PERMUTE, "bxyc->bcxy"),
        (PERMUTE, "b...c->bc..."),
        (PERMUTE, 'y = torch.einsum("NHWC->NCHW", x)'),
        (TRACE, "nhn->h"),
        (TRACE, "iji->j"),
        (TRACE, "n head n -> head"),
        (TRACE, "iji"),
        (TRACE, "'xax->a'"),
        (TRACE, 'torch.einsum("ibi -> b", A)'),
        (TRACE_OF_PRODUCT, "ij,ji->"),
        (TRACE_OF_PRODUCT, "ij,ji"),
        (TRACE_OF_PRODUCT, "row inner, inner row ->"),
        (TRACE_OF_PRODUCT, 'torch.einsum("ab,ba->", B, A)'),
        (DIAGONAL, "nhn->hn"),
        (DIAGONAL, "iai->ai"),
        (DIAGONAL, "i a i -> a i"),
        (DIAGONAL, "XYX->YX"),
        (DIAGONAL, "n head n -> head n"),
        (DIAGONAL, 'torch.einsum("nhn->hn", A)'),
        (INNER, "tf,ft->t"),
        (INNER, "ij,ji->i"),
        (INNER, "token feature, feature token -> token"),
        (INNER, 'torch.einsum("ft,tf->t", y, x)'),
        (INNER, "i j , j i -> i"),
        (INNER, "td,dt→t"),
        (LENGTH, "tf,tf->t"),
        (LENGTH, "ij,ij->i"),
        (LENGTH, "torch.einsum('nd,nd->n', x, x)"),
        (OUTER, "i,j->ij"),
        (OUTER, "i,j"),
        (OUTER, "row, column -> row column"),
        (OUTER, 'torch.einsum("j,i->ij", v, u)'),
        (OUTER, "r , c -> r c"),
        (OUTER, "R,C->RC"),
        (OUTERS, "ob,bi->io"),
        (OUTERS, "yn,nx->xy"),
        (OUTERS, "d_out batch, batch d_in -> d_in d_out"),
        (OUTERS, 'torch.einsum("bi,ob->io", x, g)'),
        (HADAMARD, "ij,ji->ij"),
        (HADAMARD, "rc,cr->rc"),
        (HADAMARD, "row column, column row -> row column"),
        (HADAMARD, 'torch.einsum("ji,ij->ij", B, A)'),
        (HADAMARD, "mn,nm→mn"),
        (HADAMARD, '"ab,ba->ab"'),
        (MATVEC, "ij,j->i"),
        (MATVEC, "ij,j"),
        (MATVEC, "...j,j->..."),
        (MATVEC, "row column, column -> row"),
        (MATVEC, 'torch.einsum("j,ij->i", v, A)'),
        (MATVEC, "oi,i->o"),
        (STACK, "hio,i->oh"),
        (STACK, "head d_in d_out, d_in -> d_out head"),
        (CHAIN, "om,im,i->o"),
        (CHAIN, 'torch.einsum("i,im,om->o", v, A, B)'),
        (MATMUL, "kr,ck->rc"),
        (MATMUL, "ji,kj->ik"),
        (MATMUL, "inner row, column inner -> row column"),
        (MATMUL, 'torch.einsum("ck,kr->rc", B, A)'),
        (MATMUL, "einsum('ba,cb->ac', A, B)"),
        (MATMUL, "ji,kj"),
        (GRAM, "ij,ik->jk"),
        (GRAM, "ij,ik->kj"),
        (GRAM, "torch.einsum('nd,ne->de', X, X)"),
        (LINEAR, "bit,oi->bto"),
        (LINEAR, "batch d_in token, d_out d_in -> batch token d_out"),
        (LINEAR, 'torch.einsum("oi,bit->bto", W, x)'),
    ],
)
def test_what_means_the_same_is_right(judge: Judge, of: Contraction, answer: str) -> None:
    verdict = judge.grade(puzzle(of), answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("of", "answer", "status", "turn"),
    [
        (SUM, "mcr->mc", SHAPE, "others-summed"),
        (SUM, "mcr->mr", SHAPE, "axis-kept"),
        (SUM, "mcr->rm", SHAPE, "axis-kept"),
        (SUM, "mcr->", SHAPE, "axis-lost"),
        (SUM, "mcr->c", SHAPE, "wrong-axis-summed"),
        (SUM, "mcr", SHAPE, None),
        (SUM, "mmr->r", RAISED, None),
        (SUM, "mr->r", RAISED, None),
        (PERMUTE, "bhwc->bwch", SHAPE, "inverse-permutation"),
        (PERMUTE, "bhwc->bhwc", SHAPE, "unchanged"),
        (PERMUTE, "bhwc->bcwh", SHAPE, "output-order"),
        (PERMUTE, "bhwc->bch", SHAPE, "axis-lost"),
        (PERMUTE, "bhwc->cbhw", SHAPE, "output-order"),
        (PERMUTE, "bhwc->bchww", RAISED, None),
        (TRACE, "nhn->hn", SHAPE, "diagonal-kept"),
        (TRACE, "nhn->nh", SHAPE, "diagonal-kept"),
        (TRACE, "nhm->h", VALUE, "all-entries-summed"),
        (TRACE, "nhn->", SHAPE, "batch-summed"),
        (TRACE, "nnh->h", RAISED, "operand-order"),
        (TRACE, "nhm->nm", SHAPE, None),
        (TRACE_OF_PRODUCT, "ij,ij->", RAISED, "operand-order"),
        (TRACE_OF_PRODUCT, "ij,jk->", VALUE, "not-tied"),
        (TRACE_OF_PRODUCT, "ij,jk->ik", SHAPE, None),
        (TRACE_OF_PRODUCT, "ij,ji->i", SHAPE, "axis-kept"),
        (TRACE_OF_PRODUCT, "ij,ji->j", SHAPE, "diagonal-kept"),
        (TRACE_OF_PRODUCT, "ii,ii->", RAISED, None),
        (DIAGONAL, "nhn->h", SHAPE, "trace-taken"),
        (DIAGONAL, "nhm->hn", VALUE, "row-sums"),
        (DIAGONAL, "nhm->hm", VALUE, "column-sums"),
        (DIAGONAL, "nhn->nh", SHAPE, "output-order"),
        (DIAGONAL, "nhn->n", SHAPE, "batch-summed"),
        (DIAGONAL, "nhn->hnn", RAISED, None),
        (INNER, "tf,ft->tf", SHAPE, "hadamard"),
        (INNER, "tf,gt->tfg", SHAPE, "outer"),
        (INNER, "tf,ft->", SHAPE, "batch-summed"),
        (INNER, "tf,ft->f", SHAPE, "wrong-axis-summed"),
        (INNER, "tf,tf->t", RAISED, "operand-order"),
        (INNER, "tf,fs->t", VALUE, "not-tied"),
        (INNER, "tf,fs->ts", SHAPE, None),
        (LENGTH, "tf,sf->ts", SHAPE, None),
        (LENGTH, "tf,tg->t", VALUE, "not-tied"),
        (LENGTH, "tf->t", RAISED, None),
        (OUTER, "i,j->ji", SHAPE, "transposed"),
        (OUTER, "i,i->", RAISED, "inner"),
        (OUTER, "i,i->i", RAISED, "elementwise"),
        (OUTER, "i,j->i", SHAPE, "axis-lost"),
        (OUTER, "i,j->", SHAPE, None),
        (OUTER, "ij->ij", RAISED, None),
        (OUTERS, "ob,bi->oi", SHAPE, "transposed"),
        (OUTERS, "ob,bi->iob", SHAPE, "axis-kept"),
        (OUTERS, "ob,ni->io", VALUE, "not-tied"),
        (OUTERS, "bo,bi->io", RAISED, "operand-order"),
        (HADAMARD, "ij,ij->ij", RAISED, "not-transposed"),
        (HADAMARD, "ij,ji->ji", SHAPE, "output-order"),
        (HADAMARD, "ij,ji->i", SHAPE, "summed"),
        (HADAMARD, "ij,ji->", SHAPE, None),
        (HADAMARD, "ij,jk->ik", SHAPE, None),
        (HADAMARD, "ij,ki->ij", VALUE, "not-tied"),
        (MATVEC, "ij,i->j", RAISED, "vector-on-the-left"),
        (MATVEC, "ij,j->ij", SHAPE, "not-summed"),
        (MATVEC, "ij,j->", SHAPE, "axis-lost"),
        (MATVEC, "ij,k->i", VALUE, "not-tied"),
        (MATVEC, "ij,j->j", SHAPE, None),
        (MATVEC, "ij,jk->ik", RAISED, None),
        (STACK, "hio,i->ho", SHAPE, "output-order"),
        (STACK, "hio,o->ih", RAISED, "wrong-axis"),
        (STACK, "hoi,i->oh", RAISED, "wrong-axis"),
        (CHAIN, "om,mi,i->o", RAISED, "operand-order"),
        (MATMUL, "rk,ck->rc", RAISED, "first-transposed"),
        (MATMUL, "kr,kc->rc", RAISED, "second-transposed"),
        (MATMUL, "kr,ck->cr", SHAPE, "result-transposed"),
        (MATMUL, "ij,jk->ik", RAISED, "both-transposed"),
        (MATMUL, "kr,ck->rkc", SHAPE, "not-summed"),
        (MATMUL, "kr,cj->rc", VALUE, "not-tied"),
        (MATMUL, "ij,ij->ij", RAISED, None),
        (GRAM, "ij,kj->ik", SHAPE, "both-transposed"),
        (GRAM, "ij,ij->j", SHAPE, "tied"),
        (LINEAR, "bit,oi->bot", SHAPE, "output-order"),
        (LINEAR, "bti,oi->bto", RAISED, "operand-order"),
        (LINEAR, "bit,io->bto", RAISED, "operand-order"),
        (LINEAR, "bit,oi->bo", SHAPE, "axis-lost"),
    ],
)
def test_what_means_something_else_is_named(
    judge: Judge, of: Contraction, answer: str, status: Status, turn: str | None
) -> None:
    verdict = judge.grade(puzzle(of), answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


def ran(program: str) -> dict[str, Any]:
    names: dict[str, Any] = {"torch": torch}
    exec(program, names)
    return names


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_reading(judge: Judge, catalog: Catalog, level: int, seed: int) -> None:
    it = catalog["einsum.read"].puzzle(seed, level)
    assert isinstance(it, PredictValue)
    right = eval(it.ask, ran(it.program))
    for answer in (f"{right.tolist()}", repr(right), f"torch.{right!r}", repr(right.float()), f" {right.tolist()} "):
        verdict = judge.grade(it, answer)
        assert verdict.correct, (it.program, answer, verdict.feedback)
    for answer in (f"{(right + 1).tolist()}", f"{[right.tolist()]}", f"{(-right).tolist()}", "0", "[0]", "[[1, 2]]"):
        verdict = judge.grade(it, answer)
        assert verdict.status in (VALUE, SHAPE), (it.program, answer)
    assert judge.grade(it, "error").status is Status.UNPARSABLE


@pytest.mark.parametrize("level", [1, 2, 3])
def test_what_is_read_is_small_enough_for_a_head(catalog: Catalog, level: int) -> None:
    for seed in range(200):
        it = catalog["einsum.read"].puzzle(seed, level)
        assert isinstance(it, PredictValue)
        assert eval(it.ask, ran(it.program)).numel() <= 6


SKILLS = ("sum-axes", "permute", "trace", "diagonal", "inner", "outer", "hadamard", "matvec", "matmul")


@pytest.mark.parametrize("name", SKILLS)
@pytest.mark.parametrize("level", [1, 2, 3])
def test_the_code_that_is_shown_computes_what_is_asked(catalog: Catalog, name: str, level: int) -> None:
    for seed in range(60):
        it = catalog[f"einsum.{name}"].puzzle(seed, level)
        assert isinstance(it, WriteEinsum)
        code = it.face.code or ""
        if "____" in code or "was meant" in it.face.prompt or "do not belong together" in it.face.prompt:
            continue
        [sizes, *_] = [instance.sizes for instance in instances(it.setting, 1)]
        names: dict[str, Any] = {"torch": torch, "F": F, **sizes}
        for t in it.tensors:
            names.setdefault(t.name, torch.randint(-9, 10, [sizes[axis] for axis in t.axes]).double())
        exec(it.reference.source, names)
        right = names["answer"]
        if code.startswith("x = "):  # it asks for the y that x was made of
            names |= {"y": right, "stored": names["x"]}
            exec(code, names)
            assert torch.equal(names["x"], names["stored"]), (code, it.solution)
            continue
        if code.startswith("out["):
            into, taken = (side[side.index("[") + 1 : -1].split(", ") for side in code.split(" = "))
            names["out"] = names["x"].permute([taken.index(index) for index in into])
        else:
            exec(code if code.startswith("out = ") else f"out = {code}", names)
        assert names["out"].shape == right.shape, (code, it.solution)
        assert torch.allclose(names["out"].double(), right), (code, it.solution)
