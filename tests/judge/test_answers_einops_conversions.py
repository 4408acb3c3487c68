"""Packing, patterns as torch and back, words as axis names, groups: answers as people type them, right and wrong."""

import itertools
import re
from collections.abc import Iterator, Sequence
from math import prod

import einops
import pytest
import torch

from tensordrill.catalog import Catalog
from tensordrill.domain import Status
from tensordrill.judge import Judge
from tensordrill.puzzles import PredictShape, Slip, WriteEinsum, WriteExpression, WritePattern, tensor

RAISED, SHAPE, VALUE, SLIP = Status.RAISED, Status.WRONG_SHAPE, Status.WRONG_VALUE, Status.UNPARSABLE
REFUSED = Status.REFUSED
every_level = pytest.mark.parametrize("level", [1, 2, 3])


def named_as(judge: Judge, it: object, answer: str) -> str | None:
    """The wrong turn that an answer is known as; it must be wrong."""
    verdict = judge.grade(it, answer)  # type: ignore[arg-type]
    assert not verdict.correct, answer
    return verdict.wrong_turn


def all_right(judge: Judge, it: object, answers: Sequence[str]) -> None:
    for answer in answers:
        verdict = judge.grade(it, answer)  # type: ignore[arg-type]
        assert verdict.correct, (answer, verdict.feedback)


# --- pack


def packed(shapes: Sequence[Sequence[int]], pattern: str) -> tuple[list[int], list[list[int]]]:
    """The packed shape and what `*` took of each, worked out by hand."""
    before, after = [len(side.split()) for side in pattern.split("*")]
    inner = [list(shape[before : len(shape) - after]) for shape in shapes]
    first = list(shapes[0])
    return [*first[:before], sum(map(prod, inner)), *first[len(first) - after :]], inner


def shape_by_hand(it: PredictShape) -> tuple[list[int], str]:
    """The right shape, from the program's text, and which kind of question it is."""
    code = it.face.code or ""
    made = {
        name: [int(n) for n in re.findall(r"\d+", text)]
        for name, text in re.findall(r"(\w+) = torch.zeros\((.*)\)", code)
    }
    ask = it.ask
    if found := re.search(r"(.*) = einops\.unpack\((\w), (\[.*\]|ps), '(.*)'\)", code):
        at = found[1].split(", ").index(ask)
        before, after = [len(side.split()) for side in found[4].split("*")]
        if found[2] == "x":
            whole, inner = (
                made["x"],
                [[int(n) for n in re.findall(r"-?\d+", text)] for text in re.findall(r"\[([-\d, ]*)\]", found[3])],
            )
            rest = whole[before] - sum(prod(sizes) for sizes in inner if -1 not in sizes)
            inner = [[n if n > 0 else rest // -prod(sizes) for n in sizes] for sizes in inner]
        else:
            names, pattern = re.findall(r"pack\(\[(.*)\], '(.*)'\)", code)[0]
            first, inner = packed([made[name] for name in names.split(", ")], pattern)
            axes = dict(zip(pattern.replace("*", "s").split(), first, strict=True))
            if moved := re.search(r"'([^']*) -> ([^']*)'", code):
                whole = [axes[name] for name in moved[2].split()]
            else:
                whole = [*first[:-1], int(re.findall(r"torch.zeros\(\d+, (\d+)\)", code.partition("y = ")[2])[0])]
        return [*whole[:before], *inner[at], *whole[len(whole) - after :]], "unpacked"
    names, pattern = re.findall(r"pack\(\[(.*)\], '(.*)'\)", code)[0]
    whole, inner = packed([made[name] for name in names.split(", ")], pattern)
    if ask == "packed":
        return whole, "packed"
    return inner[int(re.findall(r"\d", ask)[0])], "ps"


@every_level
@pytest.mark.parametrize("seed", range(5))
def test_packed_shapes(judge: Judge, catalog: Catalog, level: int, seed: int) -> None:
    it = catalog["einops.pack"].puzzle(seed, level)
    assert isinstance(it, PredictShape)
    shape, _ = shape_by_hand(it)
    sizes = [str(size) for size in shape]
    all_right(
        judge,
        it,
        [
            str(tuple(shape)),
            f"[{', '.join(sizes)}]",
            f"torch.Size([{', '.join(sizes)}])",
            *([" ".join(sizes), ",".join(sizes), "x".join(sizes)] if sizes else ["()", "( )", "torch.Size([])"]),
        ],
    )
    wrong = [[*shape, 1], [1, *shape], [size + 1 for size in shape] or [0], [*shape, *shape, 2], [97], [*shape, 5]]
    for other in wrong:
        assert not judge.grade(it, str(tuple(other))).correct
    assert judge.grade(it, "error").status is SLIP


def test_every_kind_of_packing_is_asked(catalog: Catalog) -> None:
    asked = {level: set[str]() for level in (1, 2, 3)}
    for level, seed in itertools.product(asked, range(60)):
        it = catalog["einops.pack"].puzzle(seed, level)
        assert isinstance(it, PredictShape)
        asked[level].add(shape_by_hand(it)[1])
    assert asked == {1: {"packed"}, 2: {"packed", "ps", "unpacked"}, 3: {"unpacked"}}


def test_wrong_turns_of_packing_are_named(judge: Judge, catalog: Catalog) -> None:
    found = set()
    for seed in range(6):
        it = catalog["einops.pack"].puzzle(seed, 1)
        assert isinstance(it, PredictShape)
        code = it.face.code or ""
        shapes = [[int(n) for n in re.findall(r"\d+", text)] for text in re.findall(r"torch.zeros\((.*)\)", code)]
        names, pattern = re.findall(r"pack\(\[(.*)\], '(.*)'\)", code)[0]
        order = [line.partition(" = ")[0] for line in code.split("\n")[:-1]]
        shapes = [shapes[order.index(name)] for name in names.split(", ")]
        whole, inner = packed(shapes, pattern)
        at = len(pattern.partition("*")[0].split())

        def with_star(size: int, whole: list[int] = whole, at: int = at) -> str:
            return str((*whole[:at], size, *whole[at + 1 :]))

        if [] in inner:
            assert named_as(judge, it, with_star(whole[at] - inner.count([]))) == "none-for-nothing"
            found.add("none")
        assert named_as(judge, it, with_star(sum(sum(part) or 1 for part in inner))) == "added-not-multiplied"
        assert named_as(judge, it, str((len(shapes), *whole))) == "stacked"
        assert named_as(judge, it, with_star(len(shapes))) == "tensors-counted"
        if len(whole) > 1:
            rest = [*whole[:at], *whole[at + 1 :]]
            moved = [whole[at], *rest] if at else [*rest, whole[at]]
            assert named_as(judge, it, str(tuple(moved))) == "star-misplaced"
            found.add("star")
    assert found == {"none", "star"}


# --- a pattern as torch


def parts(side: str) -> list[list[str]]:
    return [[] if part == "1" else part.strip("()").split() for part in re.findall(r"\([^)]*\)|\S+", side)]


def flat(side: list[list[str]]) -> list[str]:
    return [name for axis in side for name in axis]


def asked_of(it: WriteExpression) -> tuple[str, list[list[str]], list[list[str]]]:
    """The tensor, and both sides of the pattern that is asked for."""
    left, right = re.findall(r"'(.*) -> (.*)'", it.code)[0]
    return ("y", parts(right), parts(left)) if it.code.startswith("y =") else ("x", parts(left), parts(right))


def as_sizes(side: list[list[str]]) -> str:
    return ", ".join(" * ".join(axis) or "1" for axis in side)


def torch_forms(it: WriteExpression) -> tuple[list[str], list[str]]:
    """Right expressions, and wrong ones."""
    x, left, right = asked_of(it)
    names, order = flat(left), [flat(left).index(name) for name in flat(right)]
    dims = ", ".join(map(str, order))
    apart, merged = f"{x}.reshape({', '.join(names)})", as_sizes(right)
    gathered = "".join(
        f".flatten({at}, {at + len(axis) - 1})" if len(axis) > 1 else f".unsqueeze({at})"
        for at, axis in enumerate(right)
        if len(axis) != 1
    )
    split = f"{x}" + "".join(
        f".unflatten({sum(max(len(a), 1) for a in left[:at])}, ({', '.join(axis)}))" if len(axis) > 1 else ""
        for at, axis in enumerate(left)
    )
    split = f"{split}.reshape({', '.join(names)})" if [] in left else split
    here, there = "abcdef"[: len(names)], "".join("abcdef"[i] for i in order)
    good = [
        f"{apart}.permute({dims}).reshape({merged})",
        f"{x}.view({', '.join(names)}).permute({dims}).contiguous().view({merged})",
        f"{split}.permute({dims}){gathered}",
        f"result = torch.reshape(torch.permute({x}.view({', '.join(names)}), ({dims})), ({merged},))",
        f"torch.from_numpy({x}.numpy().reshape({', '.join(names)}).transpose({dims}).reshape({merged}).copy())",
        f"(\n  {apart}\n  .permute({dims})\n  .clone()\n  .reshape({merged})\n)",
    ]
    return good, [
        f"{x}.reshape({merged})",
        f"{apart}.permute({dims}).view({merged})",
        f"{apart}.reshape({merged})",
        x,
        f"{apart}.permute({dims})[None]",
        f"{apart}.permute({', '.join(map(str, reversed(order)))}).reshape({merged})",
        f"einsum('{here} -> {there}', {apart})",
    ]


@every_level
@pytest.mark.parametrize("seed", range(3))
def test_a_pattern_as_torch(judge: Judge, catalog: Catalog, level: int, seed: int) -> None:
    it = catalog["einops.to-torch"].puzzle(seed, level)
    assert isinstance(it, WriteExpression)
    right, wrong = torch_forms(it)
    all_right(judge, it, right)
    _, left, wanted = asked_of(it)
    together = set(itertools.pairwise(flat(left)))
    assert named_as(judge, it, wrong[0]) == named_as(judge, it, wrong[2]) == "permute-missing"
    if not all(pair in together for axis in wanted for pair in itertools.pairwise(axis)):
        assert named_as(judge, it, wrong[1]) == "view-after-permute"
    for answer in wrong[3:6]:
        assert judge.grade(it, answer).status in (SHAPE, VALUE), answer
    for answer in (wrong[6], f"rearrange({it.tensors[0].name}, 'a -> a')", "einops.repeat(x, 'a -> a')"):
        assert judge.grade(it, answer).status is REFUSED, answer


# --- torch as a pattern


def run(code: str, x: torch.Tensor) -> torch.Tensor:
    scope = {"torch": torch, "x": x}
    if "out = " not in code:
        return torch.as_tensor(eval(code, scope))
    exec(code, scope)
    return torch.as_tensor(scope["out"])


def groupings(names: Sequence[str], count: int) -> Iterator[str]:
    """The names in so many axes, as one side of a pattern."""
    for cuts in itertools.combinations(range(1, len(names)), count - 1):
        bounds = [0, *cuts, len(names)]
        pieces = [names[a:b] for a, b in itertools.pairwise(bounds)]
        yield " ".join(piece[0] if len(piece) == 1 else f"({' '.join(piece)})" for piece in pieces)


def found_by_trying(it: WritePattern) -> tuple[str, list[str]]:
    """The pattern that does what the code does, and some that give its shape and do not."""
    code = re.search(r"```python\n(.*)\n```", it.prompt, re.DOTALL)
    assert code
    free = iter((8, 9, 10, 11, 13, 7))
    inside = {name: size.split(" * ") for name, size in it.derived.items() if name in it.tensor.axes}
    names = [part for axis in it.tensor.axes for part in inside.get(axis, [axis])]
    sizes = {name: it.given[name] if name in it.given else next(free) for name in names}
    x = torch.arange(prod(sizes.values())).reshape([prod(sizes[n] for n in inside.get(a, [a])) for a in it.tensor.axes])
    wanted = run(code[1], x)
    found, others = list[str](), list[str]()
    for orders in itertools.product(*[list(itertools.permutations(inside.get(a, [a]))) for a in it.tensor.axes]):
        left = " ".join(axis[0] if len(axis) == 1 else f"({' '.join(axis)})" for axis in orders)
        apart = einops.rearrange(x, f"{left} -> {' '.join(flat(list(map(list, orders))))}", **it.given)
        for order in itertools.permutations(flat(list(map(list, orders)))):
            shape = [sizes[name] for name in order]
            if not fits(shape, wanted.shape):
                continue
            moved = apart.permute([flat(list(map(list, orders))).index(name) for name in order])
            pattern = next(p for p in groupings(order, wanted.ndim) if fits_exactly(p, sizes, wanted.shape))
            same = torch.equal(moved.reshape(wanted.shape), wanted)
            (found if same else others).append(f"{left} -> {pattern}")
    assert len(found) == 1, found
    return found[0], others


def fits(sizes: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether axes of these sizes can be merged, neighbours alone, into that shape."""
    ends = list(itertools.accumulate(sizes, lambda a, b: a * b))
    return all(end in ends for end in itertools.accumulate(shape, lambda a, b: a * b))


def fits_exactly(side: str, sizes: dict[str, int], shape: Sequence[int]) -> bool:
    return [prod(sizes[name] for name in axis) for axis in parts(side)] == list(shape)


def lettered(it: WritePattern, pattern: str) -> str:
    names = {name: name for name in it.given}
    return re.sub(r"[A-Za-z_]\w*", lambda name: names.setdefault(name[0], "zyxwvutsrq"[len(names)]), pattern)


@every_level
@pytest.mark.parametrize("seed", range(3))
def test_torch_as_a_pattern(judge: Judge, catalog: Catalog, level: int, seed: int) -> None:
    it = catalog["einops.from-torch"].puzzle(seed, level)
    assert isinstance(it, WritePattern)
    pattern, others = found_by_trying(it)
    sizes = "".join(f", {name}={size}" for name, size in it.given.items())
    all_right(
        judge,
        it,
        [
            pattern,
            f'"{pattern}"',
            pattern.replace("->", "→"),
            lettered(it, pattern),
            f"rearrange(x, '{pattern}'{sizes})",
            f"out = einops.rearrange(x, '{pattern}'{sizes})",
        ],
    )
    left, _, right = pattern.partition(" -> ")
    wrong = [*others[:4], f"{left} -> ({right.replace('(', '').replace(')', '')})"]
    for answer in wrong:
        assert judge.grade(it, answer).status in (SHAPE, VALUE), answer
    for answer in (right, f"{pattern} -> a", pattern.replace(next(iter(it.given)), "nobody")):
        assert judge.grade(it, answer).status is SLIP, answer
    for bracket in re.findall(r"\((\w+) (\w+)\)", left):
        turned = pattern.replace(f"({' '.join(bracket)})", f"({' '.join(bracket[::-1])})", 1)
        verdict = judge.grade(it, turned)
        assert verdict.wrong_turn or len(it.derived) > 2, turned


# --- words as the names of axes

SCORES = WriteEinsum(
    prompt="",
    tensors=[tensor("Q", "batch head query d_head"), tensor("K", "batch head key d_head")],
    output=["batch", "head", "query", "key"],
    words=True,
    hints=("a", "b"),
    why="because",
)
WORDS = "batch head query d_head, batch head key d_head -> batch head query key"


@pytest.mark.parametrize(
    ("text", "call"),
    [
        (WORDS, f'einops.einsum(Q, K, "{WORDS}")'),
        (f"einops.einsum(Q, K, '{WORDS}')", f'einops.einsum(Q, K, "{WORDS}")'),
        (f"out = einsum(Q, K, '{WORDS}')", f'einops.einsum(Q, K, "{WORDS}")'),
        ("b h q d,b h k d->b h q k", 'einops.einsum(Q, K, "b h q d, b h k d -> b h q k")'),
        ("... q d, ... k d -> ... q k", 'einops.einsum(Q, K, "... q d, ... k d -> ... q k")'),
        ("einops.einsum(K, Q, 'b h k d, b h q d → b h q k')", 'einops.einsum(K, Q, "b h k d, b h q d -> b h q k")'),
        ("bhqd,bhkd->bhqk", 'torch.einsum("bhqd,bhkd->bhqk", Q, K)'),
        ("torch.einsum('bhqd,bhkd', Q, K)", None),
        ("np.einsum('bhqd,bhkd->bhqk', Q, K)", 'torch.einsum("bhqd,bhkd->bhqk", Q, K)'),
    ],
)
def test_words_are_read_as_einops_reads_them(text: str, call: str | None) -> None:
    if call is None:
        with pytest.raises(Slip):
            SCORES.read(text)
    else:
        assert SCORES.read(text).source == f"answer = {call}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("batch head query d, batch head key d", "needs its arrow"),
        ("b h q d, b h k d", "needs its arrow"),
        ("einops.einsum(Q, K, 'bhqd,bhkd->bhqk')", "spaces between"),
        ("batch head (query d), batch head key d -> batch", "no ( )"),
        ("einops.einsum(Q, V, 'b h q d, b h k d -> b h q k')", "passes V"),
        ("einops.rearrange(Q, 'b h q d -> b h d q')", "calls rearrange"),
    ],
)
def test_slips_in_words(text: str, says: str) -> None:
    with pytest.raises(Slip) as slip:
        SCORES.read(text)
    assert says in str(slip.value)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("batch head query, batch head key d_head -> batch head query key", "your term batch head query names 3"),
        ("batch head query d_head, batch head key d_head -> batch heads query key", "heads, which is in none"),
        ("batch head query d, batch head d key -> batch head query key", "You use d for d_head of Q"),
        ("batch head query d_head -> batch head query", "1 term, and there are 2 tensors"),
        ("batch head query d, batch head key d -> batch batch", "batch stands twice"),
        ("batch head _q d, batch head key d -> batch head _q key", "Invalid axis identifier"),
    ],
)
def test_errors_are_told_in_the_learner_s_words(judge: Judge, answer: str, says: str) -> None:
    verdict = judge.grade(SCORES, answer)
    assert verdict.status is RAISED
    assert says in verdict.feedback


def equation(it: WriteEinsum, names: dict[str, str], space: str = " ") -> str:
    terms = [space.join(names[axis] for axis in axes) for axes in (*(t.axes for t in it.tensors), it.output)]
    return f"{', '.join(terms[:-1])} -> {terms[-1]}"


@every_level
@pytest.mark.parametrize("seed", range(3))
def test_contractions_in_words(judge: Judge, catalog: Catalog, level: int, seed: int) -> None:
    it = catalog["einops.einsum-words"].puzzle(seed, level)
    assert isinstance(it, WriteEinsum)
    axes = list(dict.fromkeys(axis for t in it.tensors for axis in t.axes))
    same, letters = {axis: axis for axis in axes}, dict(zip(axes, "pqrstuvw", strict=False))
    own = {axis: f"axis_{i}" for i, axis in enumerate(axes)}
    names = ", ".join(t.name for t in it.tensors)
    terms = equation(it, letters).split(" -> ")[0].split(", ")
    turned = f"{', '.join(terms[::-1])} -> {equation(it, letters).split(' -> ')[1]}"
    all_right(
        judge,
        it,
        [
            equation(it, same),
            equation(it, own),
            equation(it, letters),
            equation(it, letters, ""),
            f"einops.einsum({names}, '{equation(it, same)}')",
            f"torch.einsum('{equation(it, letters, '')}', {names})",
            f"einops.einsum({', '.join(names.split(', ')[::-1])}, '{turned}')",
        ],
    )
    inputs, _, output = equation(it, same).partition(" -> ")
    held = output.split()
    summed = [axis for axis in axes if axis not in held]
    shared = [axis for axis in held if sum(axis in t.axes for t in it.tensors) > 1]
    for axis in held:
        lost = f"{inputs} -> {' '.join(name for name in held if name != axis)}"
        assert named_as(judge, it, lost) == ("batch-summed" if axis in shared else "axis-lost")
    for axis in summed:
        assert named_as(judge, it, f"{inputs} -> {output} {axis}") == "not-contracted"
    for axis in shared:
        own_name = inputs.split(", ")
        at = next(i for i, t in enumerate(it.tensors) if axis in t.axes)
        own_name[at] = re.sub(rf"\b{axis}\b", "mine", own_name[at])
        if sum(axis in t.axes for t in it.tensors) == 2:
            assert named_as(judge, it, f"{', '.join(own_name)} -> {output}") == "batch-mixed"
    assert named_as(judge, it, f"{inputs} -> {' '.join([held[1], held[0], *held[2:]])}") == "output-order"
    for answer in (inputs, f"einops.einsum({names}, '{equation(it, letters, '')}')"):
        assert judge.grade(it, answer).status is SLIP


# --- groups


def group_forms(it: WriteExpression) -> tuple[dict[str, str], dict[str, str]] | None:
    """Right and wrong expressions by name, from the prompt alone; None where the question is a loop."""
    told = re.search(r"Along `(\w+)` come first (\w+) 0 for every (\w+),", it.prompt)
    if not told:
        return None
    merged, slow, fast = told.groups()
    axes = list(it.tensors[0].axes)
    at, rank = axes.index(merged), len(axes)
    group = re.search(r"entry of its (\w+), every|(?:mean|sum) of its (\w+), every|the same (\w+)", it.prompt)
    assert group
    name = next(found for found in group.groups() if found)
    inner = fast if name == slow else slow  # the member
    eps = re.search(r", and ([\d.]+)\.", it.prompt)
    apart = re.findall(r"the same ([\w, ]+?)[.)]|every ([\w ]+?) on its own", it.prompt)
    own = re.findall(r"\w+", " ".join("".join(pair) for pair in apart))
    dims = [i + (i > at) for i, axis in enumerate(axes) if axis != merged and axis not in own]
    dims.append(at if inner == slow else at + 1)
    view = f"x.unflatten({at}, ({slow}, {fast}))"
    index = f"({', '.join(map(str, sorted(dims)))},)"
    size, groups = inner, name
    piece = f"[{':, ' * at}{{}}]"
    part = f"x{piece.format(f'i * {size} : (i + 1) * {size}' if name == slow else f'i::{groups}')}"
    over = f"({', '.join(str(i) for i, axis in enumerate(axes) if axis not in own)},)"

    def whole(value: str, dims: str) -> str:
        if eps and "Subtract the mean from" in it.prompt:
            c = f"({value} - {value}.mean({dims}, keepdim=True))"
            return f"({c} / ({value}.var({dims}, keepdim=True, correction=0) + {eps[1]}).sqrt())"
        if eps:
            return f"({value} / (({value} ** 2).mean({dims}, keepdim=True) + {eps[1]}).sqrt())"
        how = (
            "amax"
            if "largest" in it.prompt
            else "amin"
            if "smallest" in it.prompt
            else "sum"
            if "sum of" in it.prompt
            else "mean"
        )
        return f"({value} {'/' if 'Divide' in it.prompt else '-'} {value}.{how}({dims}, keepdim=True))"

    stored = " ".join(f"({slow} {fast})" if axis == merged else axis for axis in axes)
    loose = " ".join(f"{slow} {fast}" if axis == merged else axis for axis in axes)
    taken = f"rearrange(x, '{stored} -> {loose}', {slow}={slow})"
    right = {
        "unflatten": f"{whole(view, index)}.flatten({at}, {at + 1})",
        "reshape": f"{whole(view, index)}.reshape(x.shape)",
        "einops": f"rearrange({whole(taken, index)}, '{loose} -> {stored}')",
        "walrus": f"{whole(f'(v := {view})', index)}.reshape_as(x)",
        "assigned": f"out = {whole(view, index)}.flatten({at}, {at + 1})",
        "moved": f"{whole(f'{view}.movedim({at}, 0).movedim(0, {at})', index)}.flatten({at}, {at + 1})",
    }
    if name == slow:
        right["pieces"] = f"torch.cat([{whole(part, over)} for i in range({groups})], dim={at})"
    swapped = f"x.unflatten({at}, ({fast}, {slow}))"
    other_dims = sorted([*dims[:-1], at + 1 if inner == slow else at])
    other = f"({', '.join(map(str, other_dims))},)"
    both = f"({', '.join(map(str, sorted({*dims, at, at + 1})))},)"
    wrong = {
        "strided-groups" if name == slow else "blocked-groups": f"{whole(swapped, other)}.flatten({at}, {at + 1})",
        "members-kept": f"{whole(view, other)}.flatten({at}, {at + 1})",
        "one-for-all": f"{whole(view, both)}.flatten({at}, {at + 1})",
        "size-misplaced": f"{whole(swapped, index)}.flatten({at}, {at + 1})",
        "": "x",
        "all": whole("x", f"tuple(range({rank}))"),
    }
    return right, wrong


@every_level
def test_groups(judge: Judge, catalog: Catalog, level: int) -> None:
    tried = 0
    for seed in range(3):
        it = catalog["einops.group-normalise"].puzzle(seed, level)
        assert isinstance(it, WriteExpression)
        if not (forms := group_forms(it)):
            continue
        tried += 1
        right, wrong = forms
        all_right(judge, it, list(right.values()))
        for turn, answer in wrong.items():
            named = named_as(judge, it, answer)
            assert turn in ("", "all") or named == turn, (seed, turn, named, answer)
    assert tried


def test_loops_over_groups_do_what_is_asked(catalog: Catalog) -> None:
    found = 0
    for seed in range(40):
        it = catalog["einops.group-normalise"].puzzle(seed, 2)
        assert isinstance(it, WriteExpression)
        if not (code := re.search(r"```python\n(.*)\n```", it.prompt, re.DOTALL)):
            continue
        found += 1
        [(known, size)] = [(name, size) for name, size in it.sizes.items() if isinstance(size, int)]
        [merged] = [name for name in it.sizes if name != known]
        [free] = [name for name in str(it.sizes[merged]).split(" * ") if name != known]
        sizes = {known: size, free: size + 1, merged: size * (size + 1)}
        x = torch.rand([sizes.get(axis, 3) for axis in it.tensors[0].axes]) + 1
        scope = {"torch": torch, "repeat": einops.repeat, "reduce": einops.reduce, "x": x, **sizes}
        exec(code[1], scope)
        assert torch.allclose(torch.as_tensor(scope["out"]), eval(it.reference_expression, scope))
    assert found > 8


@pytest.mark.parametrize("answer", ["F.group_norm(x, 2)", "nn.GroupNorm(2, 4)(x)", "F.layer_norm(x, x.shape[1:])"])
def test_the_norms_of_torch_are_ruled_out(judge: Judge, catalog: Catalog, answer: str) -> None:
    assert judge.grade(catalog["einops.group-normalise"].puzzle(1, 3), answer).status is REFUSED
