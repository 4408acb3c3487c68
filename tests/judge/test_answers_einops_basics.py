"""Answers to the drills of one pattern each, as people type them, right and wrong, and what the judge says of them."""

import itertools
import re
from collections.abc import Callable

import einops
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 -- as everybody writes it

from tensordrill.authoring import Drill
from tensordrill.building.patterns import Pattern, Side, Variant
from tensordrill.building.variants import bracket_variants, order_variants
from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import Choose, PredictShape, WriteExpression, WritePattern

RAISED, SHAPE, VALUE, SLIP = Status.RAISED, Status.WRONG_SHAPE, Status.WRONG_VALUE, Status.UNPARSABLE
PATTERNS = ("permute", "flatten", "split", "reduce", "pool", "repeat")
every_pattern = pytest.mark.parametrize("name", [f"einops.{name}" for name in PATTERNS])


def sides(text: str) -> tuple[Side, Side]:
    """`"b (h d) -> b h d"` as the two sides of a pattern."""
    made = []
    for side in text.split("->"):
        parts = re.findall(r"\([^)]*\)|\S+", side)
        made.append(tuple(() if part == "1" else tuple(part.strip("()").split()) for part in parts))
    return made[0], made[1]


def pattern(text: str, **others: object) -> Pattern:
    left, right = sides(text)
    return Pattern(left=left, right=right, **others)  # type: ignore[arg-type]


def posed(it: Pattern, *wrong: tuple[str, str]) -> WritePattern:
    """A puzzle with the general wrong turns, and with those given as an id and a pattern."""
    own = [Variant(name, *sides(text), "It is not so.") for name, text in wrong]
    return it.posed("", [*own, *bracket_variants(it), *order_variants(it)], ["", ""], "")


PERMUTE = posed(pattern("b h w c -> b c h w"), ("inverse-order", "b c h w -> b h w c"))
FLATTEN = posed(pattern("b h w c -> b (h w) c", merged={("h", "w"): "pixel"}))
SPLIT = posed(
    pattern("s (day hour) -> day s hour", given={"hour": 4}, merged={("day", "hour"): "hours"}),
    ("size-misplaced", "s (hour day) -> hour s day"),
)
REDUCE = posed(
    pattern("b h w c -> b c", operation="reduce", reduction="mean"),
    ("others-reduced", "b h w c -> h w"),
    ("kept-as-one", "b h w c -> b 1 1 c"),
)
POOL = posed(
    pattern(
        "b (h kh) (w kw) -> b h w", given={"kh": 2, "kw": 3}, merged={("h", "kh"): "height", ("w", "kw"): "width"},
        operation="reduce", reduction="max",
    ),
    ("strided-not-blocked", "b (kh h) (kw w) -> b h w"),
)  # fmt: skip
REPEAT = posed(
    pattern("b t -> b (t n)", given={"n": 3}, merged={("t", "n"): "long"}, operation="repeat"),
    ("tiled-not-interleaved", "b t -> b (n t)"),
    ("not-merged", "b t -> b t n"),
)
NEW = posed(pattern("b t -> b n t", given={"n": 3}, operation="repeat"), ("merged-not-new", "b t -> (n b) t"))


@pytest.mark.parametrize(
    ("puzzle", "answer"),
    [
        (PERMUTE, "b h w c -> b c h w"),
        (PERMUTE, "batch height width channel -> batch channel height width"),
        (PERMUTE, "b ... c -> b c ..."),
        (PERMUTE, "w x y z->w z x y"),
        (PERMUTE, '"b h w c -> b c h w"'),
        (PERMUTE, "out = einops.rearrange(x, 'b h w c -> b c h w')"),
        (PERMUTE, "b h w c → b c h w"),
        (FLATTEN, "b h w c -> b (h w) c"),
        (FLATTEN, "image row col ch -> image (row col) ch"),
        (FLATTEN, "b h w ... -> b (h w) ..."),
        (FLATTEN, "rearrange(x, 'b h w c -> b (h w) c')"),
        (FLATTEN, "b h w c->b ( h w ) c"),
        (FLATTEN, "a b c d -> a (b c) d"),
        (SPLIT, "s (day hour) -> day s hour"),
        (SPLIT, "station (d hour) -> d station hour"),
        (SPLIT, "rearrange(x, 's (d h) -> d s h', h=4)"),
        (SPLIT, "einops.rearrange(x, 'a (b c) -> b a c', c=4)"),
        (SPLIT, "... (day hour) -> day ... hour"),
        (SPLIT, "y = rearrange(x, 's (d hour) -> d s hour', hour=4)"),
        (REDUCE, "b h w c -> b c"),
        (REDUCE, "image row col ch -> image ch"),
        (REDUCE, "b ... c -> b c"),
        (REDUCE, "reduce(x, 'b h w c -> b c', 'mean')"),
        (REDUCE, "reduce(x, 'b h w c -> b c', reduction='mean')"),
        (REDUCE, "einops.reduce(x, 'a b c d->a d', \"mean\")"),
        (POOL, "b (h kh) (w kw) -> b h w"),
        (POOL, "x (i kh) (j kw) -> x i j"),
        (POOL, "reduce(x, 'b (h p) (w q) -> b h w', 'max', p=2, q=3)"),
        (POOL, "reduce(x, 'b (h 2) (w 3) -> b h w', 'max')"),
        (POOL, "einops.reduce(x, '... (h kh) (w kw) -> ... h w', 'max', kh=2, kw=3)"),
        (POOL, "b (h kh) (w kw)->b h w"),
        (REPEAT, "b t -> b (t n)"),
        (REPEAT, "batch seq -> batch (seq n)"),
        (REPEAT, "... t -> ... (t n)"),
        (REPEAT, "repeat(x, 'b t -> b (t copies)', copies=3)"),
        (REPEAT, "repeat(x, 'b t -> b (t 3)')"),
        (REPEAT, "einops.repeat(x, 'b t -> b (t n)', n=3)"),
        (NEW, "b t -> b n t"),
        (NEW, "repeat(x, 'b t -> b 3 t')"),
        (NEW, "repeat(x, 'b t -> b r t', r=3)"),
    ],
)
def test_what_means_the_same_is_right(judge: Judge, puzzle: WritePattern, answer: str) -> None:
    verdict = judge.grade(puzzle, answer)
    assert verdict.correct, verdict.feedback


@pytest.mark.parametrize(
    ("puzzle", "answer", "status", "turn"),
    [
        (PERMUTE, "b c h w -> b h w c", SHAPE, "inverse-order"),
        (PERMUTE, "b h w c -> b h c w", SHAPE, "output-order"),
        (PERMUTE, "b h w c -> c b h w", SHAPE, "output-order"),
        (PERMUTE, "b h w c -> b c w h", SHAPE, "output-order"),
        (PERMUTE, "b h w -> b w h", RAISED, None),
        (PERMUTE, "b h w c -> b h w", RAISED, None),
        (PERMUTE, "b, h, w, c -> b, c, h, w", SLIP, None),
        (PERMUTE, "b h w c", SLIP, None),
        (FLATTEN, "b h w c -> b (w h) c", VALUE, "merged-backwards"),
        (FLATTEN, "b h w c -> (h w) b c", SHAPE, "output-order"),
        (FLATTEN, "b h w c -> b c (h w)", SHAPE, "output-order"),
        (FLATTEN, "b h w c -> b h (w c)", SHAPE, None),
        (FLATTEN, "b h w c -> b (h w)", RAISED, None),
        (FLATTEN, "b h w c -> b ((h w) c)", SLIP, None),
        (SPLIT, "s (hour day) -> day s hour", VALUE, "merged-backwards"),
        (SPLIT, "s (hour day) -> hour s day", SHAPE, "size-misplaced"),
        (SPLIT, "s (day hour) -> s day hour", SHAPE, "output-order"),
        (SPLIT, "s (day hour) -> day hour s", SHAPE, "output-order"),
        (SPLIT, "rearrange(x, 's (d h) -> d s h')", RAISED, None),
        (SPLIT, "s (d h) -> d s h", SLIP, None),
        (SPLIT, "rearrange(x, 's (d h) -> d s h', h=2)", SHAPE, None),
        (REDUCE, "b h w c -> h w", SHAPE, "others-reduced"),
        (REDUCE, "b h w c -> b 1 1 c", SHAPE, "kept-as-one"),
        (REDUCE, "b h w c -> c b", SHAPE, "output-order"),
        (REDUCE, "b h w c -> b h c", SHAPE, None),
        (REDUCE, "b h w c -> ", SHAPE, None),
        (REDUCE, "reduce(x, 'b h w c -> b c', 'max')", VALUE, None),
        (REDUCE, "b c -> b", RAISED, None),
        (POOL, "b (kh h) (kw w) -> b h w", VALUE, "strided-not-blocked"),
        (POOL, "b (kh h) (w kw) -> b h w", VALUE, "merged-backwards"),
        (POOL, "b (h kh) (w kw) -> b w h", SHAPE, "output-order"),
        (POOL, "b (h kh) (w kw) -> b kh kw", SHAPE, None),
        (POOL, "b (h k) (w k) -> b h w", SLIP, None),
        (POOL, "reduce(x, 'b (h kh) (w kw) -> b h w', 'mean', kh=2, kw=3)", VALUE, None),
        (POOL, "reduce(x, 'b (h kh) (w kw) -> b h w', 'max', kh=3, kw=2)", RAISED, None),
        (REPEAT, "b t -> b (n t)", VALUE, "tiled-not-interleaved"),
        (REPEAT, "b t -> b t n", SHAPE, "not-merged"),
        (REPEAT, "b t -> (b n) t", SHAPE, None),
        (REPEAT, "b t -> (t n) b", SHAPE, "output-order"),
        (REPEAT, "b t -> b (t copies)", SLIP, None),
        (REPEAT, "repeat(x, 'b t -> b (t n)', n=2)", SHAPE, None),
        (NEW, "b t -> (n b) t", SHAPE, "merged-not-new"),
        (NEW, "b t -> n b t", SHAPE, "output-order"),
        (NEW, "b t -> b t n", SHAPE, "output-order"),
    ],
)
def test_what_means_something_else_is_named(
    judge: Judge, puzzle: WritePattern, answer: str, status: Status, turn: str | None
) -> None:
    verdict = judge.grade(puzzle, answer)
    assert (verdict.status, verdict.wrong_turn) == (status, turn), verdict.feedback


# --- whole puzzles, at any level


def puzzles(drill: Drill, count: int) -> list[tuple[int, WritePattern]]:
    made = [(level, drill.puzzle(seed, level)) for level in range(1, drill.levels + 1) for seed in range(count)]
    return [(level, puzzle) for level, puzzle in made if isinstance(puzzle, WritePattern)]


def short_names(it: WritePattern) -> str:
    """The pattern with a letter for each axis that the call does not name."""
    names: dict[str, str] = {name: name for name in it.given}
    return re.sub(r"[A-Za-z_]\w*", lambda name: names.setdefault(name[0], "zyxwvutsrq"[len(names)]), it.pattern)


def whole_call(it: WritePattern) -> str:
    reduction = f", '{it.reduction}'" if it.reduction else ""
    sizes = "".join(f", {name}={size}" for name, size in it.given.items())
    return f"{it.operation}({it.tensor.name}, '{it.pattern}'{reduction}{sizes})"


@every_pattern
@pytest.mark.parametrize("form", [short_names, whole_call])
def test_every_way_to_write_it_is_right(
    judge: Judge, catalog: Catalog, name: str, form: Callable[[WritePattern], str]
) -> None:
    for _, it in puzzles(catalog[name], 1):
        verdict = judge.grade(it, form(it))
        assert verdict.correct, (form(it), verdict.feedback)


def concrete(it: WritePattern) -> tuple[torch.Tensor, dict[str, int]]:
    """A tensor for the puzzle, and the size of every name of its pattern."""
    free = iter((2, 3, 4, 5, 7, 6))
    names = dict.fromkeys(re.findall(r"[A-Za-z_]\w*", it.pattern))
    sizes = {name: it.given.get(name) or next(free) for name in names}
    left = re.findall(r"\([^)]*\)|\S+", it.pattern.partition("->")[0])
    shape = [int(np.prod([sizes[name] for name in part.strip("()").split()])) for part in left]
    return torch.randperm(int(np.prod(shape))).double().reshape(shape), sizes


def applied(it: WritePattern, x: torch.Tensor) -> torch.Tensor:
    function = getattr(einops, it.operation)
    result = function(x, it.pattern, it.reduction, **it.given) if it.reduction else function(x, it.pattern, **it.given)
    assert isinstance(result, torch.Tensor)
    return result


def run(code: str, x: torch.Tensor, sizes: dict[str, int], like: torch.Tensor, start: float) -> torch.Tensor:
    """What the code of a prompt gives: an expression of x, lines that end with `out`, or a loop that fills it."""
    scope = {"torch": torch, "np": np, "F": F, "rearrange": einops.rearrange, "x": x}
    if code.startswith("for "):
        out = torch.full_like(like, start)
        scope |= {name.upper(): size for name, size in sizes.items()} | {"out": out}
        exec(code if out.ndim else code.replace("out = min(", "out[()] = min("), scope)
        return torch.as_tensor(scope["out"])
    if re.match(r"(y|out) = ", code):
        exec(code, scope)
        return torch.as_tensor(scope.get("out", scope.get("y")))
    return torch.as_tensor(eval(code, scope))


@every_pattern
def test_code_to_translate_does_what_the_pattern_does(catalog: Catalog, name: str) -> None:
    found = 0
    for _, it in puzzles(catalog[name], 60):
        code = re.search(r"```python\n(.*)\n```", it.prompt, re.DOTALL)
        if code is None or "==" in code[1]:
            continue
        found += 1
        x, sizes = concrete(it)
        expected = applied(it, x)
        start = re.search(r"starts at (-?\w+)", it.prompt)
        if it.tensor.name != "x":  # the code made this of x: undoing it gives x again
            source = torch.randperm(x.numel()).double().reshape(expected.shape)
            made = run(code[1], source, sizes, x, 0)
            assert torch.equal(applied(it, made), source), code[1]
            continue
        got = run(code[1], x, sizes, expected, float(start[1]) if start else 0)
        assert got.shape == expected.shape, (code[1], it.pattern)
        assert torch.allclose(got, expected), (code[1], it.pattern)
    assert found > 20


def test_equations_of_indices_hold(catalog: Catalog) -> None:
    found = 0
    for _, it in puzzles(catalog["einops.permute"], 60):
        if not (code := re.search(r"out\[(.*)\] == x\[(.*)\]", it.prompt)):
            continue
        found += 1
        x, sizes = concrete(it)
        out = applied(it, x)
        for index in itertools.product(*[range(sizes[name]) for name in sorted(sizes)]):
            at = dict(zip(sorted(sizes), index, strict=True))
            left, right = (tuple(at[name] for name in side.split(", ")) for side in code.groups())
            assert out[left] == x[right]
    assert found > 8


# --- a statistic, broadcast back


def forms(it: WriteExpression) -> tuple[list[str], list[str]]:
    """Right and wrong expressions, from the axes of the tensors and what the prompt says."""
    axes = it.tensors[0].axes
    found = re.search(r"reduce\((\w+), '([^']*) -> ([^']*)', '(\w+)'\)", it.reference_expression)
    assert found
    source, stored, kept, how = found.groups()
    operator = it.reference_expression[2]
    held = kept.split()
    ones = " ".join(axis if axis in held else "1" for axis in axes)
    squeezed = " ".join(axis if axis in held else "1" for axis in axes).lstrip("1 ")
    letters = dict(zip(dict.fromkeys([*axes, *stored.split()]), "abcdefgh", strict=False))

    def short(text: str) -> str:
        return " ".join(letters.get(name, name) for name in text.split())

    statistic = f"reduce({source}, '{stored} -> {kept}', '{how}')"
    sizes = f"**{{name: x.shape[i] for i, name in enumerate({list(axes)}) if name not in {held}}}"
    right = [
        f"x {operator} rearrange({statistic}, '{kept} -> {ones}')",
        f"x {operator} reduce({source}, '{stored} -> {ones}', '{how}')",
        f"x {operator} rearrange({statistic}, '{kept} -> {squeezed}')",
        f"x {operator} einops.reduce({source}, '{short(stored)} -> {short(ones)}', '{how}')",
        f"result = x {operator} reduce({source}, '{stored} -> {ones}', '{how}')",
        f"x {operator} repeat({statistic}, '{kept} -> {' '.join(axes)}', {sizes})",
    ]
    other = next(axis for axis in axes if axis not in held)
    along = " ".join(axis if axis == other else "1" for axis in axes)
    wrong = [
        f"x {operator} {statistic}",
        f"reduce({source}, '{stored} -> {ones}', '{how}')",
        f"x {operator} reduce({source}, '{stored} -> ', '{how}')",
        f"{source} {operator} reduce({source}, '{stored} -> {' '.join('1' for _ in stored.split())}', '{how}')",
        f"rearrange({statistic}, '{kept} -> {ones}') {operator} x",
        f"x {operator} rearrange(reduce(x, '{' '.join(axes)} -> {other}', '{how}'), '{other} -> {along}')",
    ]
    return right, wrong


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("seed", range(2))
def test_a_statistic_broadcast_back(judge: Judge, catalog: Catalog, level: int, seed: int) -> None:
    it = catalog["einops.broadcast-bias"].puzzle(seed, level)
    assert isinstance(it, WriteExpression)
    right, wrong = forms(it)
    for answer in right:
        verdict = judge.grade(it, answer)
        assert verdict.correct, (answer, verdict.feedback)
    for answer in wrong:
        verdict = judge.grade(it, answer)
        assert not verdict.correct, answer
        assert verdict.status in (RAISED, SHAPE, VALUE), verdict.feedback
    assert judge.grade(it, wrong[0]).wrong_turn == "keepdim-lost"
    assert judge.grade(it, "x - x.mean()").status is Status.REFUSED


# --- what a call gives, or why it raises


def outcome(it: PredictShape) -> str:
    """The shape that the program gives, run here, or `error`."""
    scope = {"torch": torch, "einops": einops, "rearrange": einops.rearrange}
    scope |= {"reduce": einops.reduce, "repeat": einops.repeat}
    try:
        exec(it.face.code or "", scope)
        return str(tuple(eval(it.ask, scope).shape))
    except Exception:  # noqa: BLE001 -- whatever it raises, it is an error
        return "error"


@pytest.mark.parametrize("name", ["einops.output-shape", "einops.parse-shape"])
@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("seed", range(2))
def test_a_shape(judge: Judge, catalog: Catalog, name: str, level: int, seed: int) -> None:
    it = catalog[name].puzzle(seed, level)
    assert isinstance(it, PredictShape)
    told = outcome(it)
    sizes = re.findall(r"\d+", told)
    right = [told, told.upper(), f"`{told}`"]
    if told != "error":
        right += [told.strip("()"), " ".join(sizes), f"[{', '.join(sizes)}]", f"torch.Size([{', '.join(sizes)}])"]
    for answer in right:
        verdict = judge.grade(it, answer)
        assert verdict.correct, (answer, verdict.feedback)
    wrong = [
        "(97,)",
        "(1, 1)",
        "()",
        f"({', '.join([*sizes, '1'])})",
        f"({', '.join(sizes[:-1])},)" if sizes[1:] else "(3, 5, 8)",
    ]
    wrong += ["error"] if it.can_fail and told != "error" else ["(2, 3, 5, 7, 11, 13)"]
    for answer in wrong:
        assert not judge.grade(it, answer).correct, answer
    for answer in ("nothing", "2 by 3", "(2, 3", "" if it.can_fail else "error"):
        assert judge.grade(it, answer).status is SLIP, answer


def test_errors_are_asked_for_often_enough(catalog: Catalog) -> None:
    for level in (2, 3):
        made = [catalog["einops.parse-shape"].puzzle(seed, level) for seed in range(200)]
        raised = sum(isinstance(it, PredictShape) and outcome(it) == "error" for it in made)
        assert 50 <= raised <= 100


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_whether_it_raises(judge: Judge, catalog: Catalog, level: int, seed: int) -> None:
    it = catalog["einops.invalid"].puzzle(seed, level)
    assert isinstance(it, Choose)
    choices = it.face.choices or ()
    letter = "abcd"[choices.index(it.right)]
    for answer in (
        letter,
        letter.upper(),
        f"{letter})",
        f"({letter})",
        it.right,
        it.right.replace("`", "").rstrip("."),
    ):
        assert judge.grade(it, answer).correct, answer
    for other in set("abcd") - {letter}:
        verdict = judge.grade(it, other)
        assert verdict.status is VALUE
        assert verdict.wrong_turn
    for answer in ("e", "5", "it raises"):
        assert judge.grade(it, answer).status is SLIP


def test_the_lesson_s_own_pattern_is_asked_about(catalog: Catalog) -> None:
    made = [catalog["einops.invalid"].puzzle(seed, 1).face.code or "" for seed in range(100)]
    assert sum("'batch seq d_model -> batch seq heads d_head', heads=" in code for code in made) >= 8
