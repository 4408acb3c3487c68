"""Answers to the drills on dtypes and devices as people type them, right and wrong, and what the judge says of them."""

import re
from typing import TYPE_CHECKING

import pytest

from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import Choose, FixLine

if TYPE_CHECKING:
    from tests.judge.conftest import AskedFor, Check

SLIP = Status.UNPARSABLE


PREDICTIONS = [
    (
        "default",
        1,
        [r"x = torch.arange\(\d\)$", r"y = torch.zeros\(\d\)$"],
        ["[int64, float32]", "[torch.int64, torch.float32]", "(long, torch.float)", "int64, float32"],
        {"[int64, float64]": "float64-default", "[float32, float32]": "ints-made-float", "[int32, float32]": "int32"},
    ),
    (
        "default",
        2,
        [
            r"x = torch.\w+\(np.(zeros|ones|eye|linspace)\([\d, ]+\)\)$",
            r"y = torch.arange\(\d\) [/*] [\d.]+$",
            r"z = torch.(tensor|arange|randperm|randint)\([\d\[\], ]+\)$",
        ],
        ["[float64, float32, int64]"],
        {
            "[float32, float32, int64]": "numpy-made-float32",
            "[float64, float64, int64]": "float64-default",
            "[float64, int64, int64]": "points-dropped",
        },
    ),
    (
        "default",
        3,
        [
            r"set_default_dtype",
            r"x = torch.arange\(\d\).float\(\)",
            r"y = .*x",
            r"z = torch.(randn|rand|zeros|ones|eye|empty)\(",
        ],
        ["[float32, float32, float64]", "[torch.float, float32, double]"],
        {"[float32, float32, float32]": "default-ignored", "[float64, float64, float64]": "default-reaches-everything"},
    ),
    (
        "promotion",
        1,
        [r"x = .*dtype=torch.float16", r"y = torch.arange"],
        ["float16", "torch.float16", "half"],
        {"float64": "numpy-rules", "int64": "bits-decide", "float32": None},
    ),
    (  # as many bits on either side: it is the order that would decide
        "promotion",
        1,
        [r"x = .*dtype=torch.float16", r"y = .*dtype=torch.bfloat16"],
        ["float32", "fp32"],
        {"float16": "left-decides", "bfloat16": "right-decides"},
    ),
    (  # what is made like another tensor has the dtype that this is taken for
        "default",
        3,
        [r"^x = nn.Linear", r"^y = torch.tensor\(\d\.5\)$", r"^z = torch.ones_like\(x\)$"],
        ["[float32, float32, float32]"],
        {"[float64, float64, float64]": "float64-default", "[float64, float64, float32]": None},
    ),
    (
        "promotion",
        2,
        [r"x = .*dtype=torch.float16", r"s = torch.tensor\(2, dtype=torch.float64\)", r"p = x \S s", r"q = x \S \d$"],
        ["[float16, float16]"],
        {"[float64, float16]": "scalar-lifts"},
    ),
    ("promotion", 3, [r"x = .*arange", r"^x \+= \d\.5"], ["error", "raises"], {"[int64, int64]": "in-place-casts"}),
    (
        "promotion",
        3,
        [r"x = .*torch.float16", r"y = .*dtype=torch.float64", r"^x \S= y", r"z = x \S y"],
        ["[float16, float64]"],
        {"[float64, float64]": "in-place-promotes", "error": None},
    ),
    (
        "half",
        2,
        [r"x = torch.tensor\(256.,.*bfloat16", r"y = torch.tensor\(1\.", r"^\(z - x\).item\(\)"],
        ["0", "0.0", "tensor(0.)"],
        {"1": "as-float32", "2": "halves-away", "inf": None},
    ),
    (
        "half",
        2,
        [r"x = torch.tensor\(64", r"y = torch.tensor\(2048", r"^\[\([xy] \* [xy] / y\).item"],
        ["[inf, 64]"],
        {"[64, 64]": "as-float32", "[31.984375, 64]": "saturated"},
    ),
    ("half", 3, [r"total = torch.tensor\(254\., dtype=torch.b", r"\+ 1$|\+= 1$"], ["2"], {"256": None, "error": None}),
    (
        "half",
        3,
        [r"x = torch.tensor\(64\., dtype=torch.float16", r"^\[\(z - z\)"],
        ["[nan, inf]"],
        {"[0, 2048]": "as-float32"},
    ),
    (
        "autocast",
        1,
        [r"h = layer\(x\)$", r"z = [xy] \+ [xy]$", r"^\[h.dtype, z.dtype\]"],
        ["[bfloat16, float32]"],
        {"[bfloat16, bfloat16]": "everything-low", "[float32, float32]": "cast-back", "[float16, float32]": None},
    ),
    (
        "autocast",
        2,
        [r"h = layer\(x\)$", r"a = [xh] [+*-] [xh]$", r"b = F.mse_loss\(h", r"^\[h.dtype, a.dtype, b.dtype\]"],
        ["[bfloat16, float32, float32]"],
        {"[bfloat16, bfloat16, float32]": "low-wins", "[bfloat16, float32, bfloat16]": "losses-low"},
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
    check(asked_for(f"dtypes.{drill}", level, *holds), right, wrong)


CHOICES = [
    (
        "matmul-mismatch",
        1,
        [r"a = torch.rand\(3, 3\)$", r"b = .*float64|b = .*double|b = .*np", r"c = a @ b$"],
        "The last line raises",
        {"`c` has dtype float64": "promotes-float64"},
    ),
    (
        "matmul-mismatch",
        1,
        [r"[abwx] = (torch.rand|torch.ones|torch.eye)\([3, ]+\)$", r"float64|double|np", r"c = . [+*-] .$"],
        "`c` has dtype float64",
        {"The last line raises": "raises"},
    ),
    (
        "matmul-mismatch",
        2,
        [r"layer = nn.Linear\(3, 3\)$", r"x = .*np.ones\(\(2, 3\)\)\)$", r"z = layer\(x\)$"],
        "The last line raises",
        {"`z` has dtype float64": "promotes-float64", "`z` has dtype float32": "promotes-float32"},
    ),
    (
        "device",
        1,
        [r"x = torch.ones\(3, 3, device", r"y = ", r"a = (x \S s|s \S x)$", r"b = a.relu", r"c = torch.cat\(\[.*y"],
        "Line 7 raises",
        {"Line 5 raises": "scalars-always-raise", "Every line runs": None},
    ),
    (
        "device",
        2,
        [r"^y.to\(device\)$", r"a = (x [+*-] y|y [+*-] x)$"],
        "Line [56] raises",
        {"Every line runs": "to-in-place"},
    ),
    (
        "device",
        3,
        [r"layer.to\(device\)", r"x = .*device=device", r"a = layer\(x\)\ny = .*device=device", r"c = .*y"],
        "Every line runs",
        {"Line 5 raises": "layers-stay"},
    ),
]


def test_who_takes_a_line_to_raise_is_told_about_that_line(asked_for: "AskedFor") -> None:
    """Line 3 promotes and runs, line 5 raises: of line 3 the rule of what promotes is told, not that of products."""
    it = asked_for("dtypes.matmul-mismatch", 3, r"^x = .*half", r"^w = torch.eye\(3\)$", r"^a = w - x$", "c = .*mm")
    assert isinstance(it, Choose)
    told = {wrong.id: wrong.because for wrong in it.wrong}
    assert "Elementwise operations promote" in told["line-3"]
    assert "Matrix products do not promote" in told["runs-float32"]


@pytest.mark.parametrize(("drill", "level", "holds", "right", "wrong"), CHOICES)
def test_choices(
    judge: Judge,
    asked_for: "AskedFor",
    drill: str,
    level: int,
    holds: list[str],
    right: str,
    wrong: dict[str, str | None],
) -> None:
    it = asked_for(f"dtypes.{drill}", level, *holds)
    assert isinstance(it, Choose)
    texts = [choice.text for choice in it.choices]
    [answer] = [text for text in texts if re.fullmatch(right, text)]
    verdict = judge.grade(it, answer)
    assert verdict.correct, (it.program, verdict.feedback)
    for text, turn in wrong.items():
        if text in texts:
            verdict = judge.grade(it, text)
            assert not verdict.correct, it.program
            assert turn is None or verdict.wrong_turn == turn, (it.program, verdict.feedback)


# --- dtypes.device-fix: which line is replaced (a pattern), and by what

DROPPED = (1, (r"^    x.to\(device\)$",))
BUFFER = (2, (r"self.scale = torch.ones\(3\)", r"self.linear"))
PLAIN_LIST = (2, (r"self.layers = \[",))


@pytest.mark.parametrize(
    ("which", "line", "text", "turn"),
    [
        (DROPPED, r"x.to\(device\)", "x = x.to(device)", ""),
        (DROPPED, r"x.to\(device\)", "x = x.to(next(model.parameters()).device)", ""),
        (DROPPED, r"x.to\(device\)", "x = torch.Tensor.to(x, device, non_blocking=True)", ""),
        (DROPPED, r"x = torch.randn", "x = torch.randn(4, 3, device=device)", ""),
        (DROPPED, r"x = torch.randn", "x = torch.randn(4, 3).to(device)", ""),
        (DROPPED, r"x.to\(device\)", "x.to(device, copy=True)", "result-dropped"),
        (DROPPED, r"x.to\(device\)", "x = x.cuda()", "hard-coded"),
        (DROPPED, r"x.to\(device\)", 'x = x.to("cpu")', None),
        (DROPPED, r"x.to\(device\)", 'x = x.to("meta")', None),
        (DROPPED, r"x.to\(device\)", "pass", None),
        (BUFFER, "self.scale = ", 'self.register_buffer("scale", torch.ones(3))', ""),
        (BUFFER, "self.scale = ", 'self.register_buffer("scale", torch.ones(3), persistent=False)', ""),
        (BUFFER, "self.scale = ", "self.scale = nn.Buffer(torch.ones(3))", ""),
        (BUFFER, "self.scale = ", "self.scale = nn.Parameter(torch.ones(3))", "trained"),
        (BUFFER, "self.scale = ", "self.scale = torch.ones(3).clone()", "plain-attribute"),
        (BUFFER, "self.scale = ", "self.scale = torch.ones(3, device='meta')", None),
        (PLAIN_LIST, "self.layers = ", "self.layers = nn.ModuleList(nn.Linear(3, 3) for _ in range({k}))", ""),
        (PLAIN_LIST, "self.layers = ", "self.layers = nn.Sequential(*[nn.Linear(3, 3) for _ in range({k})])", ""),
        (PLAIN_LIST, "self.layers = ", "self.layers = tuple([nn.Linear(3, 3) for _ in range({k})])", "plain-list"),
        (PLAIN_LIST, "self.layers = ", "self.layers = nn.ModuleList([nn.Linear(3, 3)] * {k})", None),
    ],
)
def test_device_fix(
    judge: Judge, asked_for: "AskedFor", which: tuple[int, tuple[str, ...]], line: str, text: str, turn: str | None
) -> None:
    level, holds = which
    it = asked_for("dtypes.device-fix", level, *holds)
    assert isinstance(it, FixLine)
    lines = it.face.lines or ()
    number = next(i for i, one in enumerate(lines, 1) if re.match(rf"\s*{line}", one))
    k = re.search(r"range\((\d)\)", it.program)
    verdict = judge.grade(it, f"{number}: {text.format(k=k[1]) if k else text}")
    assert verdict.correct == (turn == ""), (it.program, text, verdict.feedback)
    assert not turn or verdict.wrong_turn == turn, verdict.feedback
