"""Answers to the drills about the graph as people type them, right and wrong, and what the judge says of them."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from tensordrill.drills.autograd_detach import Cutting, detach_beliefs
from tensordrill.drills.autograd_flags import TRACKING as MODES
from tensordrill.drills.autograd_flags import Line, as_text, flags_of
from tensordrill.drills.autograd_graph import RULES as SUMS
from tensordrill.drills.autograd_graph import Step, played
from tensordrill.drills.autograd_kept import RULES as KEPT
from tensordrill.drills.autograd_kept import Item
from tensordrill.drills.autograd_kept import seen as kept_by
from tensordrill.drills.autograd_leaves import RULES as LEAVES
from tensordrill.drills.autograd_leaves import Act, Scene

from tensordrill.authoring import Edit, Wrong
from tensordrill.building.gradients import Belief, Tape, predicted
from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import Choose, PredictValue

SHAPE, VALUE, SLIP, DTYPE = Status.WRONG_SHAPE, Status.WRONG_VALUE, Status.UNPARSABLE, Status.WRONG_DTYPE


def asked(lines: Sequence[str], ask: str, wrong: Sequence[Wrong | Edit], **more: Any) -> PredictValue:
    return PredictValue(program="\n".join(lines), ask=ask, hints=["a", "b"], why="c", wrong=wrong, **more)


# --- accumulate


def summed(steps: Sequence[Step], head: Sequence[str], ask: str, names: Sequence[str]) -> PredictValue:
    def seen(rule: str) -> object:
        end = played(steps, rule)
        numbers = [box[0] if (box := end.get(name)) else None for name in names]
        return numbers[0] if len(names) == 1 else numbers

    beliefs = [Belief(rule, seen(rule), because) for rule, because in SUMS.items()]
    return asked([*head, *[step.text for step in steps]], ask, predicted(seen(""), beliefs))


X = ["x = torch.tensor(3., requires_grad=True)"]
FOUR_X, X_SQUARED = Step("(4 * x).backward()", "back", {"x": 4}), Step("(x ** 2).backward()", "back", {"x": 6})
TWICE = summed([FOUR_X, X_SQUARED], X, "x.grad", ["x"])
CLEARED = summed([FOUR_X, Step("x.grad = None", "none", names="x"), X_SQUARED], X, "x.grad", ["x"])
OPTIMIZER = [*X, "optimizer = torch.optim.SGD([x], lr=0.1)"]
NONE = summed([FOUR_X, Step("optimizer.zero_grad()", "none", names="x")], OPTIMIZER, "x.grad", ["x"])
ZEROS = summed([FOUR_X, Step("optimizer.zero_grad(set_to_none=False)", "zero", names="x")], OPTIMIZER, "x.grad", ["x"])
ALIAS = summed([FOUR_X, Step("g = x.grad", "alias", names="x"), X_SQUARED], X, "[x.grad.item(), g.item()]", ["x", "g"])
APART = summed([FOUR_X, Step("torch.autograd.grad(x ** 2, x)", "grad", {"x": 6})], X, "x.grad", ["x"])


# --- detach


def own_square() -> PredictValue:
    """The lesson's y * y.detach(): x = 3, y = 2x = 6, so 6 · 2."""
    tape = Tape()
    x = tape.leaf("x", 3)
    y = tape.let("y", 2 * x)
    loss = tape.backward(y * y.detach())
    return asked(tape.lines, "x.grad", predicted(loss.gradient(x), detach_beliefs(Cutting(x, loss))))


def commitment() -> PredictValue:
    """Of (sg(z) - e)² + 3 (z - sg(e))², with z = [5, 2] and e = [1, 4], only the second moves z: 6 (z - e)."""
    tape = Tape()
    z, e = tape.leaf("z", [5, 2]), tape.leaf("e", [1, 4])
    loss = tape.backward(((z.detach() - e) ** 2).sum() + 3 * ((z - e.detach()) ** 2).sum())
    return asked(tape.lines, "z.grad", predicted(loss.gradient(z), detach_beliefs(Cutting(z, loss, [e]))))


SQUARE, COMMITMENT = own_square(), commitment()


# --- no-grad


def tracked(lines: Sequence[Line], names: str) -> PredictValue:
    def seen(rule: str) -> list[bool]:
        flags = flags_of(lines, rule)
        return [flags[name].requires for name in names]

    beliefs = [Belief(rule, seen(rule), because) for rule, because in MODES.items()]
    ask = f"[{', '.join([f'{name}.requires_grad' for name in names])}]"
    return asked([as_text(lines)], ask, predicted(seen(""), beliefs))


LEAF = Line("x", "x = torch.tensor([1., 2.], requires_grad=True)", asks=True)
BLOCK = tracked(
    [LEAF, Line("y", "y = 2 * x", "x", ["no_grad"]), Line("z", "z = x + y", "xy"), Line("u", "u = y + 1", "y")], "xyzu"
)
NESTED = tracked(
    [LEAF, Line("y", "y = 2 * x", "x", ["no_grad"]), Line("z", "z = x + y", "xy", ["no_grad", "enable"])], "xyz"
)


# --- leaf


def leafy(acts: Sequence[Act], names: str, what: str, edits: Sequence[Edit] = ()) -> PredictValue:
    scene = Scene(list(acts), [(name, what) for name in names], None)
    beliefs = [Belief(rule, scene.seen(rule), because) for rule, because in LEAVES.items()]
    wrong = [*predicted(scene.seen(), beliefs), Wrong("must-fail", "error", "It runs.")]
    ask = f"[{', '.join([f'{name}.{what}' for name in names])}]"
    return asked([act.text for act in acts], ask, edits or wrong, can_fail=True)


MADE = [
    Act("x = torch.tensor([1., 2.], requires_grad=True)", "leaf", "x"),
    Act("d = torch.tensor([3., 4.])", "data", "d"),
    Act("y = x + d", "operation", "y", "xd"),
]
IS_LEAF = leafy([*MADE, Act("c = y.detach()", "detach", "c")], "xdyc", "is_leaf")
HAS_GRAD = leafy([*MADE, Act("y.sum().backward()", "backward", inputs="y")], "xdy", "grad is None")
IN_PLACE = leafy(
    [*MADE, Act("x += 1", "", "x")],
    "xy",
    "is_leaf",
    [Edit("leaf-in-place", "x += 1", "x.data += 1", "No."), Edit("rebound", "x += 1", "x = x + 1", "No.")],
)


# --- graph-kept


def storing(items: Sequence[Item]) -> PredictValue:
    head = ["w = torch.tensor([1., 2.], requires_grad=True)", "loss = (w ** 2).sum()", "loss.backward()"]
    beliefs = [Belief(rule, kept_by(items, rule), because) for rule, because in KEPT.items()]
    listed = ", ".join([item.source for item in items])
    ask = f"[getattr(v, 'grad_fn', None) is not None for v in ({listed})]"
    return asked(head, ask, predicted(kept_by(items), beliefs))


STORED = storing(
    [
        Item("loss", True, "storing-cuts"), Item("loss.item()", False, "number-keeps"),
        Item("loss.detach()", False, "detach-keeps"), Item("loss.clone()", True, "clone-cuts"),
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("it", "answer"),
    [
        (TWICE, "10"),
        (TWICE, "10."),
        (TWICE, "tensor(10.)"),
        (CLEARED, "6"),
        (NONE, "None"),
        (NONE, "none"),
        (ZEROS, "0"),
        (ZEROS, "tensor(0.)"),
        (ALIAS, "[10, 10]"),
        (ALIAS, "10 10"),
        (ALIAS, "(10., 10.)"),
        (APART, "4"),
        (SQUARE, "12"),
        (SQUARE, "12.0"),
        (SQUARE, "24/2"),
        (SQUARE, "tensor(12.)"),
        (COMMITMENT, "[24, -12]"),
        (COMMITMENT, "24 -12"),
        (COMMITMENT, "tensor([ 24., -12.])"),
        (BLOCK, "[True, False, True, False]"),
        (BLOCK, "True, False, True, False"),
        (BLOCK, "(true, false, true, false)"),
        (BLOCK, "[True,False,True,False]"),
        (NESTED, "[True, False, True]"),
        (NESTED, "`[True, False, True]`"),
        (IS_LEAF, "[True, True, False, True]"),
        (IS_LEAF, "true, true, false, true"),
        (HAS_GRAD, "[False, True, True]"),
        (HAS_GRAD, "(False, True, True)"),
        (IN_PLACE, "error"),
        (IN_PLACE, "It raises."),
        (STORED, "[True, False, False, True]"),
        (STORED, "True, False, False, True"),
        (STORED, "(True, False, False, True)"),
        (STORED, "[true, false, false, true]"),
        (STORED, "[True,False,False,True]"),
        (STORED, "list([True, False, False, True])"),
    ],
)
def test_right_however_it_is_typed(judge: Judge, it: PredictValue, answer: str) -> None:
    verdict = judge.grade(it, answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("it", "answer", "status", "turn"),
    [
        (TWICE, "6", VALUE, "overwritten"),
        (TWICE, "4", VALUE, "first-only"),
        (TWICE, "5", VALUE, "averaged"),
        (TWICE, "None", VALUE, None),
        (CLEARED, "10", VALUE, "zeroing-ignored"),
        (NONE, "0", VALUE, "zero-for-none"),
        (NONE, "4", VALUE, "zeroing-ignored"),
        (ZEROS, "None", VALUE, "none-for-zero"),
        (ZEROS, "4", VALUE, "zeroing-ignored"),
        (ALIAS, "[10, 4]", VALUE, "alias-is-copy"),
        (ALIAS, "[6, 4]", VALUE, "overwritten"),
        (APART, "10", VALUE, "grad-adds"),
        (SQUARE, "24", VALUE, "not-cut"),
        (SQUARE, "0", VALUE, "all-cut"),
        (SQUARE, "6", VALUE, None),
        (SQUARE, "-12", VALUE, None),
        (SQUARE, "[12]", SHAPE, None),
        (SQUARE, "x", SLIP, None),
        (COMMITMENT, "[32, -16]", VALUE, "not-cut"),
        (COMMITMENT, "[8, -4]", VALUE, "cut-path-only"),
        (COMMITMENT, "[-8, 4]", VALUE, "another-leaf"),
        (BLOCK, "[False, False, False, False]", VALUE, "input-loses"),
        (BLOCK, "[True, False, False, False]", VALUE, "outlives"),
        (BLOCK, "[True, True, True, True]", VALUE, "block-ignored"),
        (BLOCK, "[True, False, True]", SHAPE, None),
        (BLOCK, "[1, 0, 1, 0]", DTYPE, None),
        (NESTED, "[True, False, False]", VALUE, "all-inputs-needed"),
        (NESTED, "[True, True, True]", VALUE, "block-ignored"),
        (IS_LEAF, "[True, False, False, False]", VALUE, "leaf-means-requires"),
        (IS_LEAF, "[True, True, False, False]", VALUE, "cut-off-no-leaf"),
        (IS_LEAF, "error", VALUE, "must-fail"),
        (HAS_GRAD, "[False, True, False]", VALUE, "non-leaves-keep-grad"),
        (HAS_GRAD, "[False, False, True]", VALUE, "data-gets-grad"),
        (IN_PLACE, "[True, False]", VALUE, "leaf-in-place"),
        (IN_PLACE, "[False, False]", VALUE, "rebound"),
        (STORED, "[False, False, False, True]", VALUE, "storing-cuts"),
        (STORED, "[True, True, False, True]", VALUE, "number-keeps"),
        (STORED, "[True, False, True, True]", VALUE, "detach-keeps"),
        (STORED, "[True, False, False, False]", VALUE, "clone-cuts"),
        (STORED, "[False, True, True, False]", VALUE, None),
        (STORED, "2", SHAPE, None),
    ],
)
def test_what_is_wrong_is_named(judge: Judge, it: PredictValue, answer: str, status: Status, turn: str | None) -> None:
    verdict = judge.grade(it, answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


# --- graph-freed and inplace: which of the choices is true follows from a few lines of the program


def chosen(catalog: Catalog, name: str, level: int, pattern: str) -> tuple[Choose, str]:
    """The first puzzle of the drill with such a program, and the program."""
    for seed in range(4000):
        puzzle = catalog[name].puzzle(seed, level)
        assert isinstance(puzzle, Choose)
        if re.fullmatch(pattern, puzzle.program, re.DOTALL):
            return puzzle, puzzle.program
    raise AssertionError(pattern)


VECTOR = r"x = torch.tensor\(\[(.*?), (.*?)\], requires_grad=True\)\n"
TWO_PASSES = r"\nloss = y.sum\(\)\nloss.backward\(\)\nloss.backward\(\)"
SECOND = "The second backward pass raises: what it needs has been freed"
FIRST = "The first backward pass raises: what it needs has been freed"
GONE = "backward() raises: a tensor that it needs has been overwritten"
AT_ONCE = "The write raises at once: it is to a leaf that requires a gradient"


@pytest.mark.parametrize(
    ("name", "level", "pattern", "right", "wrong"),
    [
        ("graph-freed", 1, VECTOR + r"y = \d \* x" + TWO_PASSES, SECOND, {FIRST: "first-raises"}),
        ("graph-freed", 1, VECTOR + r"y = x \*\* 2" + TWO_PASSES, SECOND, {FIRST: "first-raises"}),
        (
            "graph-freed", 1, VECTOR + r"y = x \+ \d" + TWO_PASSES, "Everything runs, and `x.grad` is [2., 2.]",
            {SECOND: "always-freed", FIRST: "first-raises", "Everything runs, and `x.grad` is [1., 1.]": "overwritten"},
        ),
        (
            "graph-freed", 1, VECTOR + r"y = -x" + TWO_PASSES, "Everything runs, and `x.grad` is [-2., -2.]",
            {SECOND: "always-freed", "Everything runs, and `x.grad` is [-1., -1.]": "overwritten"},
        ),
        (
            "graph-freed", 2, VECTOR + r"h = \d \* x\na = \(h \+ \d\).sum\(\)\nb = .*?\na.backward\(\)\nb.backward\(\)",
            SECOND, {FIRST: "first-raises"},
        ),
        (
            "graph-freed", 2, VECTOR + r"for step in range\(2\):\n    h = 2 \* x\n    loss = \(h \+ \d\).sum\(\)\n.*",
            "Everything runs, and `x.grad` is [4., 4.]", {SECOND: "always-freed"},
        ),
        ("inplace", 1, r"x = .*?\ny = x.exp\(\)\ny \+= \d\n.*", GONE, {AT_ONCE: "leaf-raises"}),
        ("inplace", 1, VECTOR + r"y = x.relu\(\)\ny\.mul_\(\d\)\n.*", GONE, {AT_ONCE: "leaf-raises"}),
        ("inplace", 1, VECTOR + r".*?\nx \*= \d\n.*", AT_ONCE, {GONE: "always-breaks"}),
        (
            "inplace", 1, VECTOR + r"y = x \+ \d\ny \*= 3\n.*", "Everything runs, and `x.grad` is [3., 3.]",
            {
                GONE: "always-breaks", AT_ONCE: "leaf-raises",
                "Everything runs, and `x.grad` is [1., 1.]": "write-ignored",
            },
        ),
        (
            "inplace", 1, VECTOR + r"y = x.clone\(\)\ny\[0\] = \d\.\n.*", "Everything runs, and `x.grad` is [0., 1.]",
            {GONE: "always-breaks", "Everything runs, and `x.grad` is [1., 1.]": "write-ignored"},
        ),
        (
            "inplace", 2, VECTOR + r"w = .*?\ny = x \+ w\nw \*= \d\ny.sum\(\).backward\(\)",
            "Everything runs, and `x.grad` is [1., 1.]", {GONE: "always-breaks", AT_ONCE: "leaf-raises"},
        ),
        ("inplace", 2, VECTOR + r"w = .*?\ny = x \* w\nw \*= \d\n.*", GONE, {AT_ONCE: "leaf-raises"}),
    ],
)  # fmt: skip
def test_choices(
    judge: Judge, catalog: Catalog, name: str, level: int, pattern: str, right: str, wrong: dict[str, str]
) -> None:
    it, program = chosen(catalog, f"autograd.{name}", level, pattern)
    letters = dict(zip(it.face.choices or (), "abcdefg", strict=False))
    for answer in (right, letters[right], letters[right].upper(), f"{letters[right]})"):
        verdict = judge.grade(it, answer)
        assert verdict.correct, (program, verdict.feedback)
    for text, turn in wrong.items():
        for answer in (text, f"({letters[text]})"):
            verdict = judge.grade(it, answer)
            assert (verdict.status, verdict.wrong_turn) == (VALUE, turn), (program, verdict.feedback)
    assert judge.grade(it, "z").status is SLIP


@pytest.mark.parametrize(("name", "low", "high"), [("leaf", 0.25, 0.5), ("non-scalar", 0.25, 0.5)])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_errors_are_natural_answers(catalog: Catalog, name: str, level: int, low: float, high: float) -> None:
    """Where a line raises, the mistakes are other lines in its place."""
    puzzles = [catalog[f"autograd.{name}"].puzzle(seed, level) for seed in range(200)]
    share = sum(isinstance(puzzle.wrong[0], Edit) for puzzle in puzzles) / len(puzzles)
    assert low <= share <= high
