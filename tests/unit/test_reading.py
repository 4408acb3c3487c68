"""What people type, and what is understood by it: tables of answer forms for every kind of puzzle."""

import math
from dataclasses import replace
from typing import Any

import pytest

from tensordrill.puzzles import (
    FixLine,
    Forbidden,
    OrderLines,
    PredictShape,
    PredictValue,
    Program,
    Said,
    Slip,
    WriteCode,
    WriteEinsum,
    WriteExpression,
    WritePattern,
    tensor,
)
from tensordrill.puzzles.answers import MAX_ANSWER

TOLD: dict[str, Any] = {"hints": ("a", "b"), "why": "because"}
SCORES = WriteEinsum(
    prompt="",
    tensors=[tensor("Q", "batch query d_head"), tensor("K", "batch key d_head")],
    output=["batch", "query", "key"],
    **TOLD,
)
HEADS = WritePattern(
    prompt="",
    tensor=tensor("x", "batch seq d_model"),
    output=["batch", "head", "seq", "d_head"],
    pattern="b s (head d) -> b head s d",
    given={"head": 4},
    derived={"d_model": "head * d_head"},
    **TOLD,
)
SUM = WriteExpression(
    prompt="", tensors=[tensor("x", "row column")], reference_expression="x.sum(1)", forbid=("einsum",), **TOLD
)
CODE = WriteCode(
    prompt="", signature="def total(x):", body="return x.sum()", observe={"it": "total(torch.ones(3))"}, **TOLD
)
ORDER = OrderLines(
    prompt="", lines=["a = 1", "b = a", "c = b"], observe={"c": "c"}, order=(2, 0, 1), around="for _ in [0]:", **TOLD
)
FIX = FixLine(
    prompt="", program="a = 1\nif a:\n    b = a\nc = 2", bug="b = a", repair="b = 2", observe={"b": "b"}, **TOLD
)
SHAPE = PredictShape(program="x = torch.ones(2, 3)", ask="x", can_fail=True, **TOLD)
VALUE = PredictValue(program="x = 1", ask="x", **TOLD)


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("bqd,bkd->bqk", 'torch.einsum("bqd,bkd->bqk", Q, K)'),
        (" b q d , b k d -> b q k ", 'torch.einsum("bqd,bkd->bqk", Q, K)'),
        ('"bqd,bkd->bqk"', 'torch.einsum("bqd,bkd->bqk", Q, K)'),
        ("`bqd,bkd->bqk`", 'torch.einsum("bqd,bkd->bqk", Q, K)'),
        ("“bqd,bkd→bqk”", 'torch.einsum("bqd,bkd->bqk", Q, K)'),
        ("BQD,BKD->BQK", 'torch.einsum("BQD,BKD->BQK", Q, K)'),
        ("bqd,bkd", 'torch.einsum("bqd,bkd", Q, K)'),
        ("...qd,...kd->...qk", 'torch.einsum("...qd,...kd->...qk", Q, K)'),
        ("batch query d_head, batch key d_head -> batch query key", 'torch.einsum("bqd,bkd->bqk", Q, K)'),
        ("batch query dim, batch key dim -> batch query key", 'torch.einsum("bqd,bkd->bqk", Q, K)'),
        ("... query dim, ... key dim -> ... query key", 'torch.einsum("...qd,...kd->...qk", Q, K)'),
        ('torch.einsum("bqd,bkd->bqk", Q, K)', 'torch.einsum("bqd,bkd->bqk", Q, K)'),
        ("einsum('bkd,bqd->bqk', K, Q)", 'torch.einsum("bkd,bqd->bqk", K, Q)'),
        ("torch.einsum('bqd,bkd->bqk', [Q, K])", 'torch.einsum("bqd,bkd->bqk", Q, K)'),
        ("einops.einsum(Q, K, 'batch q d, batch k d -> batch q k')", 'torch.einsum("bqd,bkd->bqk", Q, K)'),
        ("torch.einsum('bqd,bkd->bqk')", 'torch.einsum("bqd,bkd->bqk", Q, K)'),
        ("```\nbqd,bkd->bqk\n```", 'torch.einsum("bqd,bkd->bqk", Q, K)'),
    ],
)
def test_equations(text: str, call: str) -> None:
    assert SCORES.read(text).source == f"answer = {call}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("   \n ", "empty"),
        ("bqd,bkd=>bqk", "no ="),
        ("(bqd,bkd)->bqk", "no ( )"),
        ("bqd,bkd->bqk->b", "one arrow"),
        ("bqd,bkd->b,q", "one output"),
        ("bqd,bkd->b..k", "no ."),
        ("bqd,bkd-bqk", "no -"),
        ("bqd,bkd->bqк", "CYRILLIC SMALL LETTER KA"),
        ("b2d,bkd->bqk", "words"),
        ("batch q d, batch k d -> " + " ".join(f"axis{i}" for i in range(30)), "names 34 axes"),
        ("sum('bqd', Q)", "calls sum"),
        ("torch.einsum('bqd,bkd->bqk', Q, V)", "passes V"),
        ("torch.einsum(Q, K)", "no string"),
        ("\x00", "U+0000"),
        ("\x1b[31mbqd", "U+001B"),
        ("x" * (MAX_ANSWER + 1), "20,001 characters"),
        ("\ud800", "U+D800"),
    ],
)
def test_slips_in_equations(text: str, says: str) -> None:
    with pytest.raises(Slip) as slip:
        SCORES.read(text)
    assert says in str(slip.value)


def test_ranks_tell_words_from_letters() -> None:
    """`ij,jk` is two words for vectors, and four letters for matrices."""
    vectors = WriteEinsum(prompt="", tensors=[tensor("u", "i"), tensor("v", "j")], output=["i", "j"], **TOLD)
    assert vectors.read("row, col -> row col").source == 'answer = torch.einsum("r,c->rc", u, v)'
    assert vectors.read("ij, jk -> ij jk").source == 'answer = torch.einsum("i,j->ij", u, v)'
    matrices = WriteEinsum(prompt="", tensors=[tensor("A", "i j"), tensor("B", "j k")], output=["i", "k"], **TOLD)
    assert matrices.read("ij, jk -> ik").source == 'answer = torch.einsum("ij,jk->ik", A, B)'


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("b s (head d) -> b head s d", 'einops.rearrange(x, "b s (head d) -> b head s d", head=4)'),
        ("'b s (head d) → b head s d'", 'einops.rearrange(x, "b s (head d) -> b head s d", head=4)'),
        ("rearrange(x, 'b s (h d) -> b h s d', h=4)", 'einops.rearrange(x, "b s (h d) -> b h s d", h=4)'),
        ("einops.rearrange(x, 'b s (h d)->b h s d', h=4)", 'einops.rearrange(x, "b s (h d)->b h s d", h=4)'),
        ("reduce(x, 'b s d -> b s', 'mean')", 'einops.reduce(x, "b s d -> b s", "mean")'),
        ("rearrange('b s (h d) -> b h s d', h=4)", 'einops.rearrange(x, "b s (h d) -> b h s d", h=4)'),
        ("reduce(x, 'b s d -> b s', reduction='mean')", 'einops.reduce(x, "b s d -> b s", "mean")'),
    ],
)
def test_patterns(text: str, call: str) -> None:
    assert HEADS.read(text).source == f"answer = {call}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("b s (h d) -> b h s d", "head=4"),
        ("b s (head d)", "one arrow"),
        ("b s (head d -> b head s d", "pair up"),
        ("b s ((head d)) -> b head s d", "pair up"),
        ("b s [head d] -> b head s d", "no [ ]"),
        ("b, s, (head d) -> b head s d", "no ,"),
        ("rearrange(y, 'b s (h d) -> b h s d', h=4)", "passes y"),
        ("rearrange(x, 'b s (h d) -> b h s d', h=n)", "h=n"),
        ("x.permute(0, 1)", "calls permute"),
        ("reduce(x, 'b s d -> b s', 'mean\"), exit(\"')", "neither"),
    ],
)
def test_slips_in_patterns(text: str, says: str) -> None:
    with pytest.raises(Slip) as slip:
        HEADS.read(text)
    assert says in str(slip.value)


@pytest.mark.parametrize(
    "text", ["x.sum(1)", "  x.sum(1)  # rows", "y = x.sum(1)", "(\n  x\n  .sum(1)\n)", "```python\nx.sum(1)\n```"]
)
def test_expressions(text: str) -> None:
    source = SUM.read(text).source
    names: dict[str, Any] = {"x": __import__("numpy").ones((2, 3))}
    exec(source, names)
    assert list(names["answer"]) == [3.0, 3.0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x.sum(1", "never closed"),
        ("x.sum(1]", "does not match"),
        ("x.sum(1); x", "One expression"),
        ("for i in x: pass", "One expression"),
        ("х.sum(1)", "look-alike"),  # noqa: RUF001 -- the look-alike is the point
        ("x.sum(\u201c1\u201d)", "invalid character"),
        ("(" * 5000, "nested"),
        ("del x", "One expression"),
    ],
)
def test_slips_in_expressions(text: str, says: str) -> None:
    with pytest.raises(Slip) as slip:
        SUM.read(text)
    assert says in str(slip.value)


@pytest.mark.parametrize("text", ["(lambda einsum: einsum.sum(1))(x)", "[einsum.sum() for einsum in x]"])
def test_a_name_of_ones_own_is_not_what_the_prompt_rules_out(text: str) -> None:
    assert text in SUM.read(text).source


@pytest.mark.parametrize(
    "helper", ["def einsum(x):\n    return x.sum()", "einsum = torch.sum", "import math as einsum"]
)
def test_a_helper_of_ones_own_is_not_what_the_prompt_rules_out(helper: str) -> None:
    text = f"{helper}\ndef total(x):\n    return einsum(x)"
    assert replace(CODE, forbid=("einsum",)).read(text).source == text


@pytest.mark.parametrize(
    "text",
    [
        "def total(x, einsum=einsum):\n    return einsum(x)",
        "from torch import einsum\ndef total(x):\n    return einsum(x)",
        "def total(x):\n    def inner():\n        return einsum(x)\n    return inner()",
        "def other(einsum):\n    pass\ndef total(x):\n    return einsum(x)",
        "def total(x):\n    global einsum\n    return einsum(x)",
    ],
)
def test_a_name_that_comes_from_elsewhere_is_ruled_out(text: str) -> None:
    with pytest.raises(Forbidden, match="einsum"):
        replace(CODE, forbid=("einsum",)).read(text)


@pytest.mark.parametrize("text", ["torch.einsum('ij->i', x)", "einops.einsum(x, 'i j -> i')", "getattr(x, 'y').einsum"])
def test_what_the_prompt_rules_out(text: str) -> None:
    with pytest.raises(Forbidden):
        SUM.read(text)


def test_a_name_of_ones_own_may_be_greek() -> None:
    assert isinstance(SUM.read("[σ for σ in x]"), Program)  # noqa: RUF001 -- the look-alike is the point


@pytest.mark.parametrize(
    "text",
    [
        "def total(x):\n    return x.sum()",
        "    def total(x):\n        return x.sum()",
        "return x.sum()",
        "    y = x\n    return y.sum()",
        "y = x\n    return y.sum()",
        "import math\n\ndef helper(x):\n    return x.sum()\n\ndef total(x):\n    return helper(x)",
        "def helper(x):\n    return x.sum()\nreturn helper(x)",
        "@torch.no_grad()\ndef total(x):\n    return x.sum()",
    ],
)
def test_functions(text: str) -> None:
    source = CODE.read(text).source
    names: dict[str, Any] = {"torch": __import__("types").SimpleNamespace(no_grad=lambda: lambda f: f)}
    exec(source, names)
    assert names["total"](__import__("numpy").ones(3)) == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def sum_up(x):\n    return x.sum()", "must be called total"),
        ("return x.sum(", "never closed"),
        ("if x:\nreturn x", "expected an indented block"),
        ("def total(x):\n    retrun x", "invalid syntax"),
    ],
)
def test_slips_in_functions(text: str, says: str) -> None:
    with pytest.raises(Slip) as slip:
        CODE.read(text)
    assert says in str(slip.value)


@pytest.mark.parametrize("text", ["2 3 1", "2,3,1", "2, 3, 1", "[2, 3, 1]", "231", "2-3-1", "2 > 3 > 1", "2. 3. 1."])
def test_orders(text: str) -> None:
    assert ORDER.read(text) == ORDER.reference


@pytest.mark.parametrize("text", ["1 2", "1 2 3 3", "1 1 2", "0 1 2", "a b c", "1 2 3 4", "2 3 x", "9" * 15_000])
def test_slips_in_orders(text: str) -> None:
    with pytest.raises(Slip):
        ORDER.read(text)


@pytest.mark.parametrize("text", ["3: b = 2", "3:b = 2", "3 b = 2", "line 3: b = 2", "3.     b = 2", "3) b = 2"])
def test_fixes(text: str) -> None:
    assert FIX.read(text).source == "a = 1\nif a:\n    b = 2\nc = 2"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("b = 2", "line's number"),
        ("9: b = 2", "no line 9"),
        ("0: b = 2", "no line 0"),
        ("3: b = (", "never closed"),
        ("3: b = 2\n4: c = 3", "one line"),
        ("1: if a:", "expected an indented block"),
    ],
)
def test_slips_in_fixes(text: str, says: str) -> None:
    with pytest.raises(Slip) as slip:
        FIX.read(text)
    assert says in str(slip.value)


@pytest.mark.parametrize(
    "text",
    ["(2, 3)", "2,3", "2 3", "[2, 3]", "torch.Size([2, 3])", "Size((2, 3))", "2x3", "(2,3,)", "（2，3）", "'2 3'"],  # noqa: RUF001
)
def test_shapes(text: str) -> None:
    assert SHAPE.read(text) == Said((2, 3))


@pytest.mark.parametrize(
    ("text", "shape"), [("()", ()), ("[]", ()), ("torch.Size([])", ()), ("(4,)", (4,)), ("4", (4,)), ("0 3", (0, 3))]
)
def test_small_shapes(text: str, shape: tuple[int, ...]) -> None:
    assert SHAPE.read(text) == Said(shape)


@pytest.mark.parametrize(
    "text", ["{2, 3}", "<2, 3>", "(2, 3", "2, 3]", "(2, 3]", "two three", "2; 3", "-2 3", "9" * 30, "2.0 3", "(2, (3))"]
)
def test_slips_in_shapes(text: str) -> None:
    with pytest.raises(Slip):
        SHAPE.read(text)


@pytest.mark.parametrize(
    "text",
    ["error", "Error", "raises", "an error", "'error'", "RuntimeError", "it raises an error", "raises a TypeError."],
)
def test_an_error_is_an_answer_where_the_puzzle_allows_for_it(text: str) -> None:
    assert SHAPE.read(text) == Said(error=True)
    with pytest.raises(Slip):
        VALUE.read(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("+3", 3),
        ("3/8", 0.375),
        ("-3/8", -0.375),
        ("3.5e-1", 0.35),
        ("inf", math.inf),
        ("-inf", -math.inf),
        ("float('-inf')".replace("float('-inf')", "-torch.inf"), -math.inf),
        ("True", True),
        ("false", False),
        ("None", None),
        ("[1, 2]", [1, 2]),
        ("1, 2", [1, 2]),
        ("1 2 -3", [1, 2, -3]),
        ("(1, 2)", [1, 2]),
        ("[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
        ("tensor([1., 2.])", [1.0, 2.0]),
        ("torch.tensor([1, 2], dtype=torch.float32)", [1, 2]),
        ("tensor(5.)", 5.0),
        ("torch.float32", "torch.float32"),
        ("float32", "torch.float32"),
        ("long", "torch.int64"),
        ("[1/2, 1/3]", [1 / 2, 1 / 3]),
        ("[True, False]", [True, False]),
        ("True False 1", [True, False, 1]),
        ("[9 50 2]", [9, 50, 2]),
        ("-2 inf", [-2, math.inf]),
        ("0 -inf", [0, -math.inf]),
        ('[-2., float("inf")]', [-2.0, math.inf]),
        ("float32 torch.int64", ["torch.float32", "torch.int64"]),
        ("['float32', 'torch.int64']", ["torch.float32", "torch.int64"]),
        ("bf16, fp32", ["torch.bfloat16", "torch.float32"]),
        ("−3", -3),  # noqa: RUF001 -- a minus sign as it is copied from a page
    ],
)
def test_values(text: str, value: object) -> None:
    assert VALUE.read(text) == Said(value)


@pytest.mark.parametrize(
    ("ask", "how"),
    [
        ("x", "the value, such as 3, 3/8, True, [1, 2] or [[1, 2], [3, 4]]"),
        ("x.dtype", "the dtype, such as float32"),
        ("[x.dtype, y.dtype]", "the dtypes, such as [float32, int64]"),
        ("[x.dtype, y.item()]", "the value, such as 3, 3/8, True, [1, 2] or [[1, 2], [3, 4]]"),
    ],
)
def test_what_is_typed_is_told_by_what_is_asked(ask: str, how: str) -> None:
    assert replace(VALUE, ask=ask).face.how == how


def test_nan_is_a_value() -> None:
    said = VALUE.read("nan").value
    assert isinstance(said, float)
    assert math.isnan(said)


@pytest.mark.parametrize(
    "text",
    [
        "{1, 2}",
        "<1>",
        "[1, 2",
        "[1, 2)",
        "[1 2",
        "1 2]",
        "1 x",
        "float",
        "[float, 'int']",
        "['a']",
        "x",
        "1/0",
        "__import__('os')",
        "1 if 1 else 2",
        "2**9999",
        "[" * 3000,
        "'a'*3",
        "0x" + "f" * 5000,
        "-0x" + "f" * 5000,
        "[1, 1" + "0" * 400 + "]",
    ],
)
def test_slips_in_values(text: str) -> None:
    with pytest.raises(Slip):
        VALUE.read(text)
