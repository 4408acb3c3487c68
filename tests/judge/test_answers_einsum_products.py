"""Answers to the einsum drills with several tensors, written from what the prompts say, right and wrong."""

from typing import NamedTuple

import pytest

from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge

RAISED, SHAPE, VALUE = Status.RAISED, Status.WRONG_SHAPE, Status.WRONG_VALUE


class Asked(NamedTuple):
    """A puzzle, and words of its prompt or code, so that the answers are known to be about it."""

    drill: str
    level: int
    seed: int
    about: str


# W_V is (read, d_head, head, layer), W_O (layer, head, write, d_head); wanted (layer, head, read, write).
CIRCUITS = Asked("einsum.batched-matmul", 1, 7, "The OV circuits of all heads of a model")
# h is (feature, signal, node), adj (node, neighbour); wanted (feature, node, signal).
GRAPH = Asked("einsum.batched-matmul", 3, 7, "Many signals on one graph")
# down is (filter, row), image (row, column, image), across (filter, column); wanted (image, filter).
FILTERS = Asked("einsum.bilinear", 1, 7, "Rank-one filters")
# p is (player, move), pay (row, column), q (rival, move); wanted (rival, player).
GAMES = Asked("einsum.bilinear", 3, 7, "Every player meets every rival")
# mask is (seq, batch), x (d_model, seq, batch), w (class, d_model); wanted (class, batch).
CLASSIFIER = Asked("einsum.three-operands", 1, 7, "A classifier on masked tokens")
# v is (d_head, head, position), pattern (key, head, query), keep (query, key); wanted (d_head, query, head).
SOFT_MASK = Asked("einsum.three-operands", 3, 7, "Attention patterns with a soft mask")
# A is (..., row, col), s (...); wanted (..., row, col).
SCALED = Asked("einsum.ellipsis", 1, 7, "times the number at the same place in `s`")
# A is (*others, row, col), s (row); wanted (row, col, *others).
ROWS = Asked("einsum.ellipsis", 2, 1, "Each row of each matrix in `A` times its number in `s`")
# x is (channel, *others, batch); wanted (*others, channel, batch).
MOVED = Asked("einsum.ellipsis", 3, 7, "The result has the shape `(*others, channel, batch)`")
TRANSLATED = Asked("einsum.translate", 1, 7, 'torch.einsum("gbn->n", X)')
CHAIN = Asked("einsum.translate", 3, 7, 'torch.einsum("nb,in,i->b", A, B, u)')
PRODUCT = Asked("einsum.from-code", 1, 7, "A.transpose(0, 1) @ B")
STEPS = Asked("einsum.from-code", 3, 7, "out = (h * B.T).sum(2).T")
ORDERED = Asked("einsum.output-shape", 1, 7, "P = torch.zeros(9, 7)")
MIXED = Asked("einsum.output-shape", 2, 7, "k,aki->iak")
TWICE = Asked("einsum.output-shape", 3, 8, "bad,ad->da")
SORTED = Asked("einsum.implicit-output", 1, 7, '"bkji"')
ONCE = Asked("einsum.implicit-output", 2, 7, '"jkki,bji,k"')
IMPLIED = Asked("einsum.implicit-output", 3, 9, '"kil,lij"')
RANK = Asked("einsum.invalid", 1, 7, '"ib,ik->bik"')
REPEATED = Asked("einsum.invalid", 2, 7, '"bsf,fse,sfe->ebssf"')


def graded(judge: Judge, catalog: Catalog, asked: Asked, answer: str) -> tuple[Status, str | None]:
    puzzle = catalog[asked.drill].puzzle(asked.seed, asked.level)
    assert asked.about in " ".join([puzzle.face.prompt.replace("\n", " "), puzzle.face.code or ""])
    verdict = judge.grade(puzzle, answer)
    return verdict.status, verdict.wrong_turn


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (CIRCUITS, "rdhl,lhwd->lhrw"),
        (CIRCUITS, "read d_head head layer, layer head write d_head -> layer head read write"),
        (CIRCUITS, 'torch.einsum("lhwd,rdhl->lhrw", W_O, W_V)'),
        (CIRCUITS, "RDHL , LHWD -> LHRW"),
        (CIRCUITS, "adhl,lhbd->lhab"),
        (CIRCUITS, "einsum('ijkl,lkmj->lkim', W_V, W_O)"),
        (GRAPH, "fsm,nm->fns"),
        (GRAPH, "feature signal neighbour, node neighbour -> feature node signal"),
        (GRAPH, 'torch.einsum("nm,fsm->fns", adj, h)'),
        (GRAPH, "abc,dc->adb"),
        (GRAPH, 'out = torch.einsum("f s m, n m -> f n s", h, adj)'),
        (FILTERS, "fr,rci,fc->if"),
        (FILTERS, "filter row, row column image, filter column -> image filter"),
        (FILTERS, 'torch.einsum("rci,fr,fc->if", image, down, across)'),
        (FILTERS, "ab,bcd,ac->da"),
        (FILTERS, "fr,rcI,fc->If"),
        (GAMES, "la,ab,rb->rl"),
        (GAMES, "player row, row column, rival column -> rival player"),
        (GAMES, 'torch.einsum("rb,ab,la->rl", q, pay, p)'),
        (GAMES, "ij,jk,lk->li"),
        (GAMES, "`pa,ab,rb→rp`"),
        (CLASSIFIER, "sb,dsb,cd->cb"),
        (CLASSIFIER, "seq batch, d_model seq batch, class d_model -> class batch"),
        (CLASSIFIER, "ij,kij,lk->lj"),
        (CLASSIFIER, 'torch.einsum("cd,dsb,sb->cb", w, x, mask)'),
        (CLASSIFIER, "tn,dtn,cd->cn"),
        (SOFT_MASK, "dhk,khq,qk->dqh"),
        (SOFT_MASK, "d_head head key, key head query, query key -> d_head query head"),
        (SOFT_MASK, 'torch.einsum("qk,khq,dhk->dqh", keep, pattern, v)'),
        (SOFT_MASK, "xyz,zyw,wz->xwy"),
        (SCALED, "...rc,...->...rc"),
        (SCALED, "... r c, ... -> ... r c"),
        (SCALED, 'torch.einsum("...,...ij->...ij", s, A)'),
        (SCALED, "...xy,...->...xy"),
        (ROWS, "...rc,r->rc..."),
        (ROWS, "...ij,i->ij..."),
        (ROWS, "torch.einsum('r,...rc->rc...', s, A)"),
        (ROWS, "... row col, row -> row col ..."),
        (MOVED, "c...b->...cb"),
        (MOVED, "i...j -> ...ij"),
        (MOVED, 'torch.einsum("x...y->...xy", x)'),
        (MOVED, "channel ... batch -> ... channel batch"),
        (TRANSLATED, "X.sum((0, 1))"),
        (TRANSLATED, "X.sum(dim=(0, 1))"),
        (TRANSLATED, "X.sum(0).sum(0)"),
        (TRANSLATED, "torch.sum(X, (0, 1))"),
        (TRANSLATED, "X.flatten(0, 1).sum(0)"),
        (TRANSLATED, "X.mean((0, 1)) * g * b"),
        (TRANSLATED, "torch.ones(g * b) @ X.reshape(-1, n)"),
        (CHAIN, "(u @ B) @ A"),
        (CHAIN, "A.T @ (B.T @ u)"),
        (CHAIN, "((B * u[:, None]).sum(0)[:, None] * A).sum(0)"),
        (CHAIN, "torch.linalg.multi_dot([u, B, A])"),
        (CHAIN, "u @ (B @ A)"),
        (PRODUCT, "pm,pa->ma"),
        (PRODUCT, "ji,jk->ik"),
        (PRODUCT, 'torch.einsum("pa,pm->ma", B, A)'),
        (PRODUCT, "ji,jk"),
        (STEPS, "ijk,kl,lj->ji"),
        (STEPS, "abc,cd,db->ba"),
        (STEPS, "torch.einsum('lj,ijk,kl->ji', B, X, A)"),
        (ORDERED, "(7, 9)"),
        (ORDERED, "[7,9]"),
        (ORDERED, "torch.Size([7, 9])"),
        (MIXED, "9 2 7"),
        (MIXED, "(9,2,7)"),
        (TWICE, "5,7"),
        (TWICE, "(5, 7)"),
        (SORTED, "(4, 7, 8, 3)"),
        (ONCE, "(8,)"),
        (ONCE, "8"),
        (IMPLIED, "(4, 5)"),
        (RANK, "It raises: `A` has more axes than its term has letters."),
        (RANK, "it raises: A has more axes than its term has letters"),
        (REPEATED, "It raises: `s` stands twice after the arrow."),
    ],
)
def test_what_means_the_same_is_right(judge: Judge, catalog: Catalog, asked: Asked, answer: str) -> None:
    assert graded(judge, catalog, asked, answer) == (Status.CORRECT, None)


@pytest.mark.parametrize(
    ("asked", "answer", "status", "turn"),
    [
        (CIRCUITS, "rdhl,lhwd->lhwr", SHAPE, "output-order"),
        (CIRCUITS, "rdhl,lhwd->hrw", SHAPE, "batch-summed"),
        (CIRCUITS, "rdhl,lhwd->lhrwd", SHAPE, "not-contracted"),
        (CIRCUITS, "rdhl,khwd->lhrw", VALUE, "batch-mixed"),
        (CIRCUITS, "rdhl,lhdw->lhrw", RAISED, "operand-order"),
        (GRAPH, "gnf,on->fog", VALUE, "layout-assumed"),
        (GRAPH, "fsn,nm->fms", VALUE, "operand-order"),
        (GRAPH, "fsm,nm->fsn", VALUE, "output-order"),
        (GRAPH, "sfm,nm->fns", VALUE, "operand-order"),
        (FILTERS, "fr,rci,fc->fi", SHAPE, "output-order"),
        (FILTERS, "fr,rci,gc->if", VALUE, "batch-mixed"),
        (FILTERS, "fr,rci,fc->i", SHAPE, "batch-summed"),
        (FILTERS, "fr,cri,fc->if", RAISED, "operand-order"),
        (GAMES, "la,ba,rb->rl", VALUE, "operand-order"),
        (GAMES, "la,ab,rb->lr", VALUE, "output-order"),
        (GAMES, "la,ab,ra->rl", VALUE, None),
        (CLASSIFIER, "sb,dsb,cd->bc", SHAPE, "output-order"),
        (CLASSIFIER, "sb,dsb,cd->c", SHAPE, "axis-lost"),
        (CLASSIFIER, "sn,dsb,cd->cb", VALUE, "not-tied"),
        (CLASSIFIER, "tb,dsb,cd->cb", VALUE, "not-tied"),
        (SOFT_MASK, "dhk,khq,kq->dqh", VALUE, "operand-order"),
        (SOFT_MASK, "dhq,khq,qk->dqh", VALUE, None),
        (SOFT_MASK, "dhk,khq,qk->dhq", VALUE, "output-order"),
        (SCALED, "...rc,...->...cr", SHAPE, "output-order"),
        (SCALED, "...rc,...->...r", SHAPE, "axis-lost"),
        (SCALED, "rc,->rc", RAISED, "ellipsis-missing"),
        (SCALED, "brc,b->brc", RAISED, "one-axis-assumed"),
        (ROWS, "...rc,r->...rc", SHAPE, "ellipsis-moved"),
        (ROWS, "...rc,c->rc...", RAISED, None),
        (ROWS, "...rc,r->r...c", SHAPE, "ellipsis-moved"),
        (MOVED, "c...b->cb...", SHAPE, "ellipsis-moved"),
        (MOVED, "c...b->...bc", SHAPE, "output-order"),
        (MOVED, "cob->ocb", RAISED, "one-axis-assumed"),
        (TRANSLATED, "X.sum((1, 2))", SHAPE, None),
        (TRANSLATED, "X.sum((0, 1), keepdim=True)", SHAPE, None),
        (TRANSLATED, "X.mean((0, 1))", VALUE, None),
        (TRANSLATED, 'torch.einsum("gbn->n", X)', Status.REFUSED, None),
        (CHAIN, "A @ (B.T @ u)", VALUE, "transpose-missing"),
        (CHAIN, "u @ B.T @ A", VALUE, "transpose-missing"),
        (CHAIN, "(u @ B) * A", SHAPE, None),
        (PRODUCT, "pm,pa->am", SHAPE, "output-order"),
        (PRODUCT, "mp,pa->ma", RAISED, "transpose-ignored"),
        (PRODUCT, "pm,pa->pma", SHAPE, "axis-kept"),
        (STEPS, "ijk,kl,jl->ji", VALUE, "transpose-ignored"),
        (STEPS, "ijk,kl,lj->ij", VALUE, "output-order"),
        (STEPS, "ijk,lk,lj->ji", VALUE, "operand-order"),
        (ORDERED, "(9, 7)", VALUE, "input-order"),
        (ORDERED, "63", SHAPE, None),
        (MIXED, "(7, 2, 9)", VALUE, "input-order"),
        (TWICE, "(7, 5)", VALUE, "input-order"),
        (SORTED, "(4, 3, 8, 7)", VALUE, "order-of-appearance"),
        (ONCE, "(8, 5, 9, 3)", SHAPE, "repeated-kept"),
        (IMPLIED, "(5, 4)", VALUE, "order-of-appearance"),
        (RANK, "It gives shape `(7, 2, 6)`.", VALUE, "rank-runs"),
        (REPEATED, "It gives shape `(9, 2, 3, 3, 6)`.", VALUE, "output-repeat-runs"),
    ],
)
def test_what_means_something_else_is_wrong(
    judge: Judge, catalog: Catalog, asked: Asked, answer: str, status: Status, turn: str | None
) -> None:
    assert graded(judge, catalog, asked, answer) == (status, turn)


def test_a_sum_over_one_entry_is_no_mistake(judge: Judge, catalog: Catalog) -> None:
    """`A[:, :, None] @ B[:, None]` means what `*` means there, so it cannot be a wrong turn."""
    assert judge.certify(catalog["einsum.translate"].puzzle(68823, 3)).ok


@pytest.mark.parametrize("asked", [CIRCUITS, ROWS, CHAIN, MIXED, RANK])
@pytest.mark.parametrize("answer", ["", "?", "->->", "(("])
def test_what_cannot_be_read_is_not_judged(judge: Judge, catalog: Catalog, asked: Asked, answer: str) -> None:
    assert graded(judge, catalog, asked, answer)[0] is Status.UNPARSABLE
