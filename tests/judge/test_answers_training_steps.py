"""Answers to the drills of single steps and losses as people type them, and what the judge says of them."""

import pytest
from tensordrill.drills.training_adam import Adam
from tensordrill.drills.training_adam import Steps as AdamSteps
from tensordrill.drills.training_losses import Rows, reduced
from tensordrill.drills.training_sgd import Sgd, Steps, hints, predicted

from tensordrill.authoring import PredictValue, Wrong
from tensordrill.domain import Status
from tensordrill.judge import Judge

SHAPE, VALUE, SLIP = Status.WRONG_SHAPE, Status.WRONG_VALUE, Status.UNPARSABLE


def asked(lines: list[str], ask: str, wrong: list[Wrong]) -> PredictValue:
    return PredictValue(program="\n".join(lines), ask=ask, wrong=wrong, hints=["", ""], why="It is so.")


def stepped(optimizer: str, start: int, gradients: list[int], wrong: list[Wrong]) -> PredictValue:
    lines = [
        f"w = torch.tensor({start}., requires_grad=True)",
        f"optimizer = torch.optim.{optimizer}",
        f"for g in {[float(g) for g in gradients]}:",
        "    w.grad = torch.tensor(g)",
        "    optimizer.step()",
    ]
    return asked(lines, "w", wrong)


# v = 4 + 4 = 8, w = 0; v = 4 + 6 + 0 = 10, w = -10
MOMENTUM = Steps(8, Sgd(1, 0.5, 0.5), [4, 6])
SGD = stepped("SGD([w], lr=1, momentum=0.5, weight_decay=0.5)", 8, [4, 6], predicted(-10.0, MOMENTUM.beliefs()))
TWICE = AdamSteps([4], Adam(0.75, 0.5, 0.5), [(-5, 1)])
ADAM = stepped("Adam([w], lr=0.75, betas=(0.5, 0.5), eps=0)", 4, [-5, 1], predicted(5.0, TWICE.beliefs()))
QUESTION = reduced(
    "logits", Rows([[0, 1, 0], [2, 1, 1], [1, 0, 0]], [0, 1, -100]), "F.cross_entropy(logits, targets)", wanted="mean"
)
LOSS = asked(list(QUESTION.lines), QUESTION.ask, predicted(QUESTION.right, QUESTION.beliefs))
EACH = reduced(
    "logits", Rows([[0, 1, 0], [2, 1, 1], [1, 0, 0]], [0, 0, -100]),
    "F.cross_entropy(logits, targets)", wanted="none",
)  # fmt: skip
NONE = asked(list(EACH.lines), EACH.ask, predicted(EACH.right, EACH.beliefs))


@pytest.mark.parametrize(
    ("it", "answer"),
    [
        *[(SGD, text) for text in ("-10", "-10.0", "tensor(-10.)", "-20/2", "`-10`", "\N{MINUS SIGN}10")],
        *[(ADAM, text) for text in ("5", "5.", "5.0", "tensor(5., requires_grad=True)", "10/2", "5.000")],
        *[(LOSS, text) for text in ("2", "2.0", "4/2", "tensor(2.)", "torch.tensor(2)", "`2`")],
        *[
            (NONE, text)
            for text in ("[2, 1, 0]", "2 1 0", "(2., 1., 0.)", "tensor([2, 1, 0])", "2, 1, 0", "[4/2, 1, 0]")
        ],
    ],
)
def test_the_number_is_right_however_it_is_typed(judge: Judge, it: PredictValue, answer: str) -> None:
    verdict = judge.grade(it, answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("it", "answer", "status", "turn"),
    [
        (SGD, "-8", VALUE, "decoupled-decay"),  # 8 - 4 - 4 = 0, then - (2 + 6)
        (SGD, "-6", VALUE, "first-buffer-damped"),
        (SGD, "0", VALUE, "a-step-short"),
        (SGD, "10", VALUE, None),
        (SGD, "[-10]", SHAPE, None),
        (SGD, "error", SLIP, None),
        (ADAM, "8", VALUE, None),
        (ADAM, "7", VALUE, "proportional"),
        (ADAM, "4", VALUE, None),
        (ADAM, "3", VALUE, None),
        (ADAM, "[5, 5]", SHAPE, None),
        (LOSS, "4", VALUE, "summed"),
        (LOSS, "4/3", VALUE, "ignored-counted"),
        (LOSS, "-2", VALUE, "sign"),
        (LOSS, "-1/2", VALUE, "logits-for-log-probabilities"),
        (LOSS, "[2, 2]", SHAPE, None),
        (LOSS, "3", VALUE, None),
        (NONE, "[2, 1]", SHAPE, "ignored-left-out"),
        (NONE, "3/2", SHAPE, "reduced"),
        (NONE, "[-2, -1, 0]", VALUE, "sign"),
        (NONE, "[2, 1, 1]", VALUE, None),
    ],
)
def test_what_is_wrong_is_named(judge: Judge, it: PredictValue, answer: str, status: Status, turn: str | None) -> None:
    verdict = judge.grade(it, answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


def test_hints_name_what_the_settings_have() -> None:
    assert "buffer" not in " ".join(hints(Sgd(1, 0, 0.5)))
    assert "decay" not in " ".join(hints(Sgd(1, 0.5)))
    assert hints(Sgd(1, 0.5, nesterov=True))[-1].endswith("-lr times the gradient plus momentum times the buffer.")
    assert hints(Sgd(1, 0.5, 0.5))[-1].endswith("; then the weight moves by -lr times the buffer.")
