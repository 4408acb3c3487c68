"""Answers to the drills in which training is written, and what the judge says of them."""

import pytest

from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import FixLine, Puzzle

RAISED, VALUE, REFUSED = Status.RAISED, Status.WRONG_VALUE, Status.REFUSED


def puzzle(catalog: Catalog, name: str, level: int, *words: str) -> Puzzle:
    """The first puzzle whose prompt, signature or program has all these words."""
    for seed in range(600):
        it = catalog[name].puzzle(seed, level)
        face = it.face
        if all(word in f"{face.prompt} {face.signature} {face.code}" for word in words):
            return it
    raise LookupError


PLAIN = ("training.manual-step", 1, "params, lr):", "by `-lr` times its gradient.")


@pytest.mark.parametrize(
    "answer",
    [
        "with torch.no_grad():\n    for p in params:\n        p -= lr * p.grad\n        p.grad = None",
        "for p in params:\n    p.data -= lr * p.grad\n    p.grad.zero_()",
        "with torch.no_grad():\n    for p in params:\n        p.sub_(lr * p.grad)\n        p.grad.fill_(0)",
        "for p in params:\n    with torch.no_grad():\n        p.add_(p.grad, alpha=-lr)\n    p.grad = None",
        "for p in params:\n    p.data = p.data - lr * p.grad\n    p.grad = torch.zeros_like(p)",
        "with torch.no_grad():\n    for p in params:\n        p.copy_(p - lr * p.grad)\n        p.grad = None",
        (
            "torch._foreach_add_([p.data for p in params], [p.grad for p in params], alpha=-lr)\n"
            "for p in params: p.grad = None"
        ),
    ],
)
def test_any_update_in_place_is_right(judge: Judge, catalog: Catalog, answer: str) -> None:
    verdict = judge.grade(puzzle(catalog, *PLAIN), answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("answer", "status", "turn"),
    [
        ("for p in params:\n    p -= lr * p.grad\n    p.grad = None", RAISED, "no-no-grad"),
        ("with torch.no_grad():\n    for p in params:\n        p = p - lr * p.grad\n", VALUE, None),
        ("with torch.no_grad():\n    for p in params:\n        p -= lr * p.grad", VALUE, "not-cleared"),
        (
            "with torch.no_grad():\n    for p in params:\n        p += lr * p.grad\n        p.grad = None",
            VALUE,
            "ascent",
        ),
        (
            "with torch.no_grad():\n    for i, p in enumerate(params):\n        params[i] = p - lr * p.grad",
            RAISED,
            None,
        ),
        ("torch.optim.SGD(params, lr=lr).step()", REFUSED, None),
        ("for p in params:\n    p.data -= lr * p.grad\n    p.requires_grad_(False)\n    p.grad = None", RAISED, None),
    ],
)
def test_an_update_gone_wrong_is_named(
    judge: Judge, catalog: Catalog, answer: str, status: Status, turn: str | None
) -> None:
    verdict = judge.grade(puzzle(catalog, *PLAIN), answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


ROOT = ("training.manual-step", 2, "as in RMSprop")
SQUARES = "v.mul_(beta).addcmul_(p.grad, p.grad, value=1 - beta)"
RMSPROP = """
with torch.no_grad():
    for i, (p, v) in enumerate(zip(params, velocities)):
        if p.grad is None: continue
        {squares}
        p -= lr * p.grad / {root}
        p.grad = None
"""


@pytest.mark.parametrize(
    ("squares", "root", "turn"),
    [
        (SQUARES, "(v.sqrt() + 0.01)", None),
        ("v.lerp_(p.grad**2, 1 - beta)", "v.sqrt().add(0.01)", None),
        ("v[:] = beta * v + (1 - beta) * p.grad.square()", "(0.01 + v**0.5)", None),
        ("v.mul_(1 - beta).addcmul_(p.grad, p.grad, value=beta)", "(v.sqrt() + 0.01)", "betas-swapped"),
        (SQUARES, "(v + 0.01).sqrt()", "root-of-the-sum"),
        ("velocities[i] = v = beta * v + (1 - beta) * p.grad**2", "(v.sqrt() + 0.01)", "velocity-replaced"),
    ],
)
def test_velocities_change_in_place(judge: Judge, catalog: Catalog, squares: str, root: str, turn: str | None) -> None:
    verdict = judge.grade(puzzle(catalog, *ROOT), RMSPROP.format(squares=squares, root=root))
    assert (verdict.correct, verdict.wrong_turn) == (turn is None, turn), verdict.feedback


def test_decay_leaves_what_has_no_gradient(judge: Judge, catalog: Catalog) -> None:
    it = puzzle(catalog, "training.manual-step", 2, "first shrinks", "is `None` stay", "list of")
    shrunk = (
        "with torch.no_grad():\n    for p in params:\n        {}\n        if p.grad is None: continue\n        {}\n"
    )
    shrunk += "        p -= lr * p.grad\n        p.grad = None"
    assert judge.grade(it, shrunk.format("pass", "p *= 1 - lr * decay")).correct
    assert judge.grade(it, shrunk.format("p *= 1 - lr * decay", "pass")).wrong_turn == "none-decayed"


def undivided(catalog: Catalog) -> tuple[FixLine, int, str]:
    """A stream of micro-batches whose loss nobody divides, with plain SGD; the loss's line and its text."""
    for seed in range(300):
        it = catalog["training.grad-accumulation"].puzzle(seed, 1)
        assert isinstance(it, FixLine)
        lines = it.program.split("\n")
        if (
            it.bug.startswith("loss = F.")
            and "/" not in it.bug
            and it.program.count("lr=0.1)")
            and "k = " not in it.program
        ):
            return it, next(n for n, line in enumerate(lines, 1) if line.strip() == it.bug), it.bug
    raise LookupError


def test_any_repair_that_scales_the_gradient_is_right(judge: Judge, catalog: Catalog) -> None:
    it, at, loss = undivided(catalog)
    k = it.repair.rpartition("/ ")[2]
    optimizer = it.program.split("\n")[1]
    for answer in (
        it.solution,
        f"{at}: {loss} * (1 / {k})",
        f"{at}: {loss}.div({k})",
        f"{at}: loss = 1 / {k} * {loss.removeprefix('loss = ')}",
        f"{at + 1}: (loss / {k}).backward()",
        f"{at + 1}: loss.backward(torch.tensor(1 / {k}))",
        f"2: {optimizer.replace('lr=0.1', f'lr=0.1 / {k}')}",
    ):
        verdict = judge.grade(it, answer)
        assert verdict.correct, (answer, verdict.feedback)
    for answer, turn in (
        (f"{at}: {loss} / len(batches)", "divided-by-the-stream"),
        (f"{at}: {loss} * {k}", "multiplied"),
        (f"{at}: {loss} / len(x)", "divided-by-examples"),
        (f"{at + 1}: optimizer.zero_grad(); loss.backward()", "cleared-too-early"),
        (f"{at}: {loss}.detach()", None),
        (f"{at + 2}: if True:", None),
        (f"{at + 4}: pass", None),
    ):
        verdict = judge.grade(it, answer)
        assert not verdict.correct
        assert verdict.wrong_turn == turn, (answer, verdict.feedback)


def test_what_one_puzzle_patches_in_torch_stays_out_of_the_next(judge: Judge, catalog: Catalog) -> None:
    patched, other = catalog["training.spot-the-bug"].puzzle(3, 2), catalog["training.grad-accumulation"].puzzle(0, 3)
    [_, together] = judge.certify_all([patched, other])
    [alone] = judge.certify_all([other])
    assert together.expected == alone.expected
