"""Answers to the drills on modules as people type them, right and wrong, and what the judge says of them."""

import re
from textwrap import dedent, indent
from typing import TYPE_CHECKING

import pytest

from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import WriteCode, WriteExpression

if TYPE_CHECKING:
    from tests.judge.conftest import AskedFor, Check

RAISED, VALUE, SHAPE, SLIP = Status.RAISED, Status.WRONG_VALUE, Status.WRONG_SHAPE, Status.UNPARSABLE


# --- predictions: what a program holds says what is right, by counting by hand

COUNT, KNOWN, STACK, MODES = (
    "modules.param-count",
    "modules.registration",
    "modules.sequential-shapes",
    "modules.train-eval",
)
PREDICTIONS = [
    (COUNT, 1, [r"layer = nn.Linear\(3, 5\)$"], ["20", "20.0", "tensor(20)"], {"15": "bias-forgotten", "18": None}),
    (COUNT, 1, [r"= nn.Conv2d\(3, 2, 2\)$"], ["26"], {"24": "bias-forgotten", "8": "kernel-forgotten"}),
    (COUNT, 1, [r"= nn.Conv2d\(3, 2, 2\)$"], ["+26"], {"10": "channels-forgotten", "x": None}),
    (COUNT, 1, [r"nn.LayerNorm\(7\)$"], ["14"], {"7": "bias-forgotten", "0": "norms-have-none"}),
    (
        COUNT,
        2,
        [r"Linear\(3, 2\), nn.BatchNorm1d\(2\), nn.Linear\(2, 5\)\)"],
        ["27"],
        {"18": "bias-forgotten", "23": "norms-have-none", "32": "buffers-are-parameters"},
    ),
    (
        KNOWN,
        1,
        [r"layers = \[nn.Linear\(\d, \d\) for _ in range\(2\)\]", r"norm = nn.LayerNorm"],
        ["2"],
        {"6": "lists-register", "1": "bias-forgotten", "0": "norms-have-none"},
    ),
    (
        KNOWN,
        1,
        [r"nn.ModuleList\(\[nn.Linear\(\d, \d\) for _ in range\(3\)", r"self.scale = torch.\w+\(\d, req"],
        ["6"],
        {"7": "tensors-register", "0": "module-lists-do-not", "3": "bias-forgotten"},
    ),
    (
        KNOWN,
        1,
        [r"self.down = self.up", r"norm = nn.BatchNorm"],
        ["4"],
        {"6": "shared-twice", "7": "buffers-are-parameters"},
    ),
    (
        STACK,
        1,
        [r"Linear\(\d+, 7\),\n\)", r"zeros\(2, 4, \d+\)"],
        ["(2, 4, 7)", "2 4 7", "[2, 4, 7]"],
        {"(2, 7)": "last-axis-alone", "error": None},
    ),
    (
        STACK,
        2,
        [r"Embedding\(\d+, 9\)", r"Flatten\(\),\n    nn.Linear\(36, 8\),\n\)", r"zeros\(3, 4, dtype"],
        ["3, 8"],
        {"(3, 4, 8)": None, "error": None},
    ),
    (
        MODES,
        1,
        [r"3\.\)", r"nn.Dropout\(0.5\)\ny = drop"],
        ["[0, 6]", "[0.0, 6.0]"],
        {"[0, 3]": "not-scaled", "[3]": "dropout-off"},
    ),
    (MODES, 1, [r"2\.\)", r"drop.eval\(\)"], ["[2]", "[2.]"], {"[0, 4]": "drops-in-eval", "[0, 2]": "not-scaled"}),
    (
        MODES,
        1,
        [r"2\.\)", r"F.dropout\(x, 0.75\)", "no_grad"],
        ["[0, 8]"],
        {"[2]": "no-grad-turns-off-dropout", "[8]": "scaled-everything"},
    ),
]


@pytest.mark.parametrize(("drill", "level", "holds", "right", "wrong"), PREDICTIONS)
def test_predictions(
    check: "Check",
    asked_for: "AskedFor",
    drill: str,
    level: int,
    holds: list[str],
    right: list[str],
    wrong: dict[str, str | None],
) -> None:
    check(asked_for(drill, level, *holds), right, wrong)


# --- modules.linear

LINEAR = "modules.linear"
TOLD = ("bias", r"'W'|d_out', 'd_in", "'batch', 'seq', 'd_in'", r"a bias\. The")
OWN = (r"Write what `layer\(x\)` gives", "layer.bias", "'batch', 'd_in'")
LORA = ("low-rank update is added", r"\+ 2 \*")
FOLD = (r"`layer\(x \* gain\)`", "weight of that")


@pytest.mark.parametrize(
    ("level", "holds", "answer", "turn"),
    [
        (2, OWN, "x @ W.T + b", ""),
        (2, OWN, "b + torch.einsum('ni,oi->no', x, W)", ""),
        (2, OWN, "(W @ x.T).T + b", ""),
        (2, OWN, "einops.einsum(x, W, 'n i, o i -> n o') + b", ""),
        (2, OWN, "torch.addmm(b, x, W.T)", ""),
        (2, OWN, "(x[:, None] * W).sum(-1) + b", ""),
        (2, OWN, "out = torch.matmul(x, W.mT) + b", ""),
        (2, OWN, "x @ W + b", "weight-not-transposed"),
        (2, OWN, "x @ W.T", "bias-forgotten"),
        (2, OWN, "W @ x.T + b[:, None]", None),
        (2, OWN, "layer(x)", None),
        (2, OWN, "F.linear(x, W, b)", None),
        (2, OWN, "x.add_(1) @ W.T + b", None),
        (3, LORA, "W + 2 * (B @ A)", ""),
        (3, LORA, "torch.einsum('or,ri->oi', B, A) * 2 + W", ""),
        (3, LORA, "W + 2 * (A.T @ B.T).T", ""),
        (3, LORA, "W + B @ A", "unscaled"),
        (3, LORA, "W + 2 * A @ B", "order"),
        (3, LORA, "2 * (W + B @ A)", "all-scaled"),
        (3, FOLD, "W @ torch.diag(gain)", ""),
        (3, FOLD, "gain * W", ""),
        (3, FOLD, "torch.einsum('oi,i->oi', W, gain)", ""),
        (3, FOLD, "W * gain[:, None]", "scaled-outputs"),
        (3, FOLD, "W", "unchanged"),
        (3, FOLD, "W @ gain", "summed"),
    ],
)
def test_linear(
    judge: Judge, asked_for: "AskedFor", level: int, holds: tuple[str, ...], answer: str, turn: str | None
) -> None:
    it = asked_for(LINEAR, level, *holds)
    assert isinstance(it, WriteExpression)
    verdict = judge.grade(it, answer)
    assert verdict.correct == (turn == ""), (it.face.prompt, verdict.feedback)
    assert verdict.correct or verdict.wrong_turn == turn, verdict.feedback


# --- modules.write-module

WRITE = "modules.write-module"
SCALED = (r"returns `scale \* down\(up\(x\)\.sigmoid\(\)\)`", "`up`[^;]*features;", "`down`[^;]*features;")
SCALED_NET = """
class Net(nn.Module):
    def __init__(self, d_model, d_hidden):
        super().__init__()
        self.up = nn.Linear(d_model, d_hidden)
        self.down = nn.Linear(d_hidden, d_model)
        self.scale = nn.Parameter(torch.ones(d_model))

    def forward(self, x):
        return self.scale * self.down(self.up(x).sigmoid())
"""
LISTED = ("`layers`: n_layers", "through the layer and relu, and adds")
LISTED_NET = """
class Net(nn.Module):
    def __init__(self, d_model, n_layers):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(d_model, d_model) for _ in range(n_layers))

    def forward(self, x):
        for layer in self.layers:
            x = x + F.relu(layer(x))
        return x
"""


def net(catalog: Catalog, level: int, holds: tuple[str, ...]) -> WriteCode:
    for seed in range(5000):
        it = catalog[WRITE].puzzle(seed, level)
        assert isinstance(it, WriteCode)
        if (
            all(re.search(text, it.prompt) for text in holds)
            and "norm" not in it.prompt
            and "without a b" not in it.prompt
        ):
            return it
    raise AssertionError(holds)


@pytest.mark.parametrize(
    ("level", "holds", "code", "old", "new", "turn"),
    [
        (1, SCALED, SCALED_NET, "", "", ""),
        (1, SCALED, SCALED_NET, "super().__init__()", "nn.Module.__init__(self)", ""),
        (1, SCALED, SCALED_NET, "super()", "super(Net, self)", ""),
        (1, SCALED, SCALED_NET, "self.up(x).sigmoid()", "F.sigmoid(self.up(x))", ""),
        (1, SCALED, SCALED_NET, "nn.Parameter(torch.ones(d_model))", "nn.Parameter(torch.full((d_model,), 1.0))", ""),
        (1, SCALED, SCALED_NET, "        self.scale", "        self.width = d_model\n        self.scale", ""),
        (1, SCALED, SCALED_NET, "        self.scale", "        self.act = nn.Sigmoid()\n        self.scale", ""),
        (1, SCALED, SCALED_NET, "        self.scale", "        self.more = nn.Linear(2, 2)\n        self.scale", None),
        (1, SCALED, SCALED_NET, "self.scale = nn.Par", "scale = nn.Par", None),
        (1, SCALED, SCALED_NET, "super().__init__()", "pass", "no-super"),
        (1, SCALED, SCALED_NET, "nn.Parameter(torch.ones(d_model))", "torch.ones(d_model)", "plain-tensor"),
        (1, SCALED, SCALED_NET, "torch.ones", "torch.zeros", "other-start"),
        (1, SCALED, SCALED_NET, ".sigmoid()", "", "activation-forgotten"),
        (1, SCALED, SCALED_NET, ".sigmoid()", ".tanh()", None),
        (1, SCALED, SCALED_NET, "self.up(x)", "self.up(x.detach())", ""),  # x requires no gradient
        (1, SCALED, SCALED_NET, "return ", "", None),
        (1, SCALED, SCALED_NET, "class Net", "class Other", None),
        (3, LISTED, LISTED_NET, "", "", ""),
        (
            3,
            LISTED,
            LISTED_NET,
            "nn.ModuleList(nn.Linear(d_model, d_model) for _ in range(n_layers))",
            "nn.Sequential(*[nn.Linear(d_model, d_model) for _ in range(n_layers)])",
            "",
        ),
        (3, LISTED, LISTED_NET, "x = x + F.relu(layer(x))", "x = layer(x).relu() + x", ""),
        (3, LISTED, LISTED_NET, "nn.ModuleList(", "list(", "plain-list"),
        (3, LISTED, LISTED_NET, "x = x + F", "x = F", "residual-forgotten"),
        (3, LISTED, LISTED_NET, "x = x + F.relu(layer(x))", "x += F.relu(layer(x))", None),  # it changes its input
        (3, LISTED, LISTED_NET, "self.layers:", "self.layers[:1]:", "first-layer-only"),
    ],
)
def test_write_module(
    judge: Judge, catalog: Catalog, level: int, holds: tuple[str, ...], code: str, old: str, new: str, turn: str | None
) -> None:
    it = net(catalog, level, holds)
    assert old in code
    verdict = judge.grade(it, code.replace(old, new, 1) if old else code)
    assert verdict.correct == (turn == ""), (it.prompt, verdict.feedback)
    assert verdict.correct or verdict.wrong_turn == turn, verdict.feedback


def test_the_body_of_the_class_alone_is_enough(judge: Judge, catalog: Catalog) -> None:
    it = net(catalog, 1, SCALED)
    body = dedent(SCALED_NET.split("(nn.Module):\n")[1])
    assert judge.grade(it, body).correct
    assert judge.grade(it, indent(body, "    ")).correct


def test_a_class_of_another_name_is_a_slip(judge: Judge, catalog: Catalog) -> None:
    verdict = judge.grade(net(catalog, 1, SCALED), SCALED_NET.replace("Net", "MLP"))
    assert verdict.status is SLIP
    assert "must be called Net" in verdict.feedback
