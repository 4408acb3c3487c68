"""Shapes of one tensor whose axes of size 1 come and go, and whose axes are reduced."""

from collections.abc import Iterable, Sequence

from tensordrill.authoring import PredictShape, Rng, drill
from tensordrill.building.shapes import (
    Asked,
    Guess,
    Misread,
    Rule,
    Shape,
    Shaped,
    Step,
    axis_at,
    bracketed,
    chained,
    inserted,
    method,
    misnumbered,
    replaced_at,
    shape_puzzle,
    signed,
    tensor_of,
)

SECOND, THIRD = 2, 3  # levels


def same(shape: Shape) -> Shape:
    return shape


def removing(dims: Iterable[int], *, ones: bool = False, keep: bool = False) -> Rule:
    """Without the axes that are named: of these only those of size 1, or all of them kept with size 1."""

    def rule(shape: Shape) -> Shape:
        named = [axis_at(dim, shape) for dim in dims]
        gone = [axis for axis in named if shape[axis] == 1 or not ones]
        return tuple([1 if axis in gone else size for axis, size in enumerate(shape) if keep or axis not in gone])

    return rule


# --- squeeze


def without_ones(shape: Shape) -> Shape:
    return tuple([size for size in shape if size != 1])


def without_first_one(shape: Shape) -> Shape:
    return replaced_at(shape, shape.index(1)) if 1 in shape else shape


def squeezed(rng: Rng, x: Shaped) -> Shaped:
    """One or two axes named, which may or may not have size 1."""
    axes = rng.sample(range(x.rank), 2 if rng.level > 1 and x.rank > SECOND and rng.chance(0.3) else 1)
    dims = [signed(rng, axis, x.rank) for axis in axes]
    sizes = [x.sizes[axis] for axis in axes]
    large = [size for size in sizes if size > 1]
    misread = [Misread("all-ones-removed", without_ones, "Only what is named is removed; other axes of size 1 stay.")]
    if large:
        because = f"squeeze removes an axis only where its size is 1. That of size {large[0]} stays as it is."
        misread.insert(0, Misread("non-one-removed", removing(dims), because))
        if 1 not in sizes:
            misread.append(Misread("made-one", lambda shape: replaced_at(shape, dims[0], 1), because))
    if 1 in sizes:
        misread.append(Misread("nothing-removed", same, "An axis that is named and has size 1 is removed."))
    if off := misnumbered(dims, x.rank):
        misread.append(Misread(off[0], removing(off[1], ones=True), off[2]))
    keyword = "dim=" if rng.chance(0.3) else ""
    return x.then(method(rng, x, "squeeze", keyword + bracketed(dims)), removing(dims, ones=True), misread)


def squeezed_all(rng: Rng, x: Shaped) -> Shaped:
    because = "Without a dim, squeeze removes every axis of size 1, not only one."
    misread = [
        Misread("first-one-only", without_first_one, because),
        Misread("last-one-only", lambda shape: without_first_one(shape[::-1])[::-1], because),
        Misread("nothing-removed", same, "Without a dim, squeeze removes every axis of size 1."),
    ]
    if x.sizes[0] == 1:
        because = "squeeze() knows of no batch: a first axis of size 1 goes too."
        misread.insert(0, Misread("first-axis-kept", lambda shape: (1, *without_ones(shape[1:])), because))
    return x.then(rng.pick(("{}.squeeze()", "{}.squeeze()", "torch.squeeze({})")), without_ones, misread)


def gap(rng: Rng, x: Shaped) -> int:
    """Where a new axis can be told from one next to it: beside no axis of size 1, if there is such a place."""
    places = range(x.rank + 1)
    return rng.pick([i for i in places if 1 not in x.sizes[max(i - 1, 0) : i + 1]] or places)


def new_axis(x: Shaped, text: str, at: int, dim: int, mistakes: Iterable[tuple[str, int, str]]) -> Shaped:
    """A new axis of size 1. Mistakes that put it there are none."""

    def adding(at: int) -> Rule:
        return lambda shape: inserted(shape, at, 1)

    found = [Misread(name, adding(there), because) for name, there, because in mistakes if there != at]
    return x.then(text, lambda shape: inserted(shape, dim if dim >= 0 else len(shape) + 1 + dim, 1), found)


def unsqueezed(rng: Rng, x: Shaped) -> Shaped:
    at = gap(rng, x)
    dim = signed(rng, at, x.rank + 1)
    because = f"The new axis stands where dim={dim} says: it is axis {at} of the result."
    mistakes = [("put-first", 0, because), ("put-last", x.rank, because)]
    if dim < 0:
        because = "A negative dim counts the axes of the result, of which there is one more: -1 puts the new axis last."
        mistakes.insert(0, ("counted-in-the-input", at - 1, because))
    else:
        mistakes.insert(0, ("put-behind", at + 1, f"The new axis comes before the axis that was at {dim}, not behind."))
    text = method(rng, x, "unsqueeze", f"dim={dim}" if rng.chance(0.3) else f"{dim}")
    return new_axis(x, text, at, dim, mistakes)


def indexed(rng: Rng, x: Shaped) -> Shaped:
    """A new axis by None, after some : or before some and behind an ellipsis."""
    at = gap(rng, x)
    behind = x.rank - at
    if rng.level > 1 and behind < THIRD and rng.chance():
        index, dim, taken = ["...", "None", *[":"] * behind], -behind - 1, at - 1
        because = (
            f"The new axis comes behind all others{f' but the last {behind}' if behind else ''}: ... stands for them."
        )
    else:
        index, dim, taken = [*[":"] * at, "None"], at, at
        because = f"Each : before None stands for one axis, so the new one is axis {at} of the result."
    mistakes = [("put-behind", at + 1, because), ("put-first", 0, because), ("put-last", x.rank, because)]
    y = new_axis(x, f"{{}}[{', '.join(index)}]", at, dim, mistakes)
    if 0 <= taken < x.rank:
        because = "None stands for no axis of the input: it adds one of size 1, and all the others stay."
        y = y.mistaken(Guess("none-takes-axis", replaced_at(x.sizes, taken, 1), because))
    return y


def item_taken(rng: Rng, x: Shaped) -> Shaped:
    """The first item along the first or the last axis."""
    index, dim = rng.pick((("[0]", 0), ("[-1]", 0), ("[..., 0]", -1)))
    because = f"{index} picks one item along the {'last' if dim else 'first'} axis, and that axis is gone."
    misread = [
        Misread("item-keeps-axis", lambda shape: replaced_at(shape, dim, 1), because),
        Misread("other-end-taken", lambda shape: replaced_at(shape, -1 - dim), because),
    ]
    return x.then("{}" + index, lambda shape: replaced_at(shape, dim), misread)


def with_ones(rng: Rng, rank: int, ones: int) -> Asked:
    """A tensor with so many axes of size 1; the others are all different."""
    shape = rng.sizes(rank, 2, 8)
    for at in rng.sample(range(rank), ones):
        shape[at] = 1
    return tensor_of(rng, shape)


def squeezed_twice(rng: Rng) -> Asked:
    """Two dims one after the other, where those go wrong who number the axes once and for all."""
    program, x = with_ones(rng, rng.integer(4, 5), rng.integer(2, 3))
    first, second = rng.sample(range(x.rank - 1), 2)
    function = rng.pick(("squeeze", "squeeze", "unsqueeze"))
    if function == "squeeze":
        rules = [removing([dim], ones=True) for dim in (first, second)]
        at_once = removing([first, second], ones=True)(x.sizes)
    else:
        rules = [lambda shape, dim=dim: inserted(shape, dim, 1) for dim in (first, second)]
        low, high = sorted((first, second))
        at_once = inserted(inserted(x.sizes, high, 1), low, 1)
    y = x.then(f"{{}}.{function}({first})", rules[0]).then(f"{{}}.{function}({second})", rules[1])
    because = f"The second {function} counts the axes of what the first returns, not those of `{x.text}`."
    return program, y.mistaken(
        Guess("old-numbering", at_once, because),
        Guess(
            "second-ignored", rules[0](x.sizes), "Count the axes anew after the first call: the second does something."
        ),
        Guess("first-ignored", rules[1](x.sizes), "Both calls do something, one after the other."),
    )


SQUEEZES: tuple[Step, ...] = (squeezed, squeezed, squeezed_all, unsqueezed, indexed)


def squeeze_program(rng: Rng) -> Asked:
    if rng.level == 1:
        return chained(rng, with_ones(rng, rng.integer(3, 4), rng.integer(1, 2)), [rng.pick(SQUEEZES)])
    if rng.level == SECOND:
        start = with_ones(rng, rng.integer(3, 5), rng.integer(1, 2))
        return squeezed_twice(rng) if rng.chance(0.25) else chained(rng, start, rng.sample(SQUEEZES, 2))
    last = rng.pick((*SQUEEZES, item_taken))
    return chained(rng, with_ones(rng, rng.integer(4, 5), 2), [*rng.sample(SQUEEZES, 2), last])


@drill(levels=3, arena="0.0", structures=(22, 450, 800))
def squeeze(rng: Rng) -> PredictShape:
    """Axes of size 1 that come and go: squeeze, unsqueeze, None."""
    return shape_puzzle(
        rng,
        squeeze_program,
        hints=[
            "Write down the sizes, numbered from 0, and number them anew after each call. Which of them are 1?",
            (
                "squeeze drops what it names only where the size is 1; without a dim, all such axes. unsqueeze(d) "
                "makes axis d of the result, where a negative d counts the axes of the result too."
            ),
        ],
        why="`squeeze(dim)` removes an axis of size 1, and leaves any other as it is; `squeeze()` removes all axes of "
        "size 1, a batch of one too. `unsqueeze(dim)` makes a new axis of size 1 at position dim of the result, so "
        "that -1 is the very last. `None` in an index makes one where it stands, and each `:` passes over one axis.",
    )


# --- reduce


MANY = ("sum", "mean", "amax", "amin", "logsumexp", "std")  # these take several dims
ONE = (("prod", ""), ("max", ".values"), ("min", ".values"), ("median", ".values"))
PLACES = (("argmax", ""), ("argmin", ""), ("max", ".indices"), ("min", ".indices"))  # whole numbers: not to be averaged


def reducing_one_by_one(dims: Sequence[int]) -> Rule:
    def rule(shape: Shape) -> Shape:
        for dim in dims:
            shape = replaced_at(shape, dim)
        return shape

    return rule


def reduced_by(rng: Rng, x: Shaped, call: tuple[str, str], dims: Sequence[int], *, keep: bool) -> Shaped:
    """That call with those dims: a function, and what is taken of what it returns."""
    shown = f"{'dim=' if keep or rng.chance() else ''}{bracketed(dims)}{', keepdim=True' if keep else ''}"
    others = [axis for axis in range(x.rank) if axis not in [dim % x.rank for dim in dims]]
    misread = [
        Misread("keepdim-forgotten", removing(dims), f"With keepdim=True, what {call[0]} reduces is kept with size 1.")
        if keep
        else Misread(
            "kept-as-one", removing(dims, keep=True), f"Without keepdim=True, what {call[0]} reduces is gone."
        ),
        Misread("others-reduced", removing(others, keep=keep), f"{call[0]} reduces what dim names; the others stay."),
    ]
    if off := misnumbered(dims, x.rank):
        misread.append(Misread(off[0], removing(off[1], keep=keep), off[2]))
    if len(dims) > 1:
        misread.append(
            Misread("first-dim-only", removing(dims[:1], keep=keep), f"{call[0]} reduces both axes that are named.")
        )
        if not keep:
            because = "Both dims count the axes of the input: nothing is numbered anew in between."
            misread.append(Misread("one-by-one", reducing_one_by_one(dims), because))
    rule = removing(dims, keep=keep)
    labels = tuple(range(2, x.rank + 2))
    text = method(rng, x, call[0], shown) + call[1]
    return x.then(text, rule, [it for it in misread if not agree(it.rule, rule, labels)])


def agree(one: Rule, other: Rule, shape: Shape) -> bool:
    try:
        return one(shape) == other(shape)
    except IndexError:
        return False


def functions(x: Shaped) -> list[tuple[str, str]]:
    """Those that take several dims. The deviation of a single number is none."""
    return [(function, "") for function in MANY if function != "std" or 1 not in x.sizes]


def reduced(rng: Rng, x: Shaped) -> Shaped:
    """One or two axes reduced; those of two are not always in order."""
    axes = rng.sample(range(x.rank), 2 if x.rank > SECOND and rng.chance(0.4) else 1)
    call = rng.pick(functions(x) if len(axes) > 1 else [*functions(x), *ONE])
    return reduced_by(rng, x, call, [signed(rng, axis, x.rank) for axis in axes], keep=rng.chance(0.4))


def located(rng: Rng, x: Shaped) -> Shaped:
    """Where the largest or the smallest is."""
    dim = signed(rng, rng.integer(0, x.rank - 1), x.rank)
    return reduced_by(rng, x, rng.pick(PLACES), [dim], keep=rng.chance(0.3))


def reduced_wholly(rng: Rng, x: Shaped) -> Shaped:
    function = rng.pick(("sum", "mean", "max", "argmax", "std"))
    because = f"Without a dim, {function} goes over all axes"
    misread = [
        Misread("last-axis-only", lambda shape: shape[:-1], f"{because}, not only the last."),
        Misread("first-axis-only", lambda shape: shape[1:], f"{because}, not only the first."),
        Misread("scalar-has-axis", lambda _: (1,), f"{because}. A single number has no axes: its shape is ()."),
    ]
    if function == "argmax":
        because += ", and gives one number: the place in the flattened tensor."
        misread.insert(0, Misread("coordinates", lambda shape: (len(shape),), because))
    return x.then(f"{{}}.{function}()", lambda _: (), misread)


def not_reduced(rng: Rng, x: Shaped) -> Shaped:
    """A function that takes a dim and reduces nothing."""
    function = rng.pick(("softmax", "cumsum", "log_softmax", "cumprod", "sort"))
    dim = signed(rng, rng.integer(0, x.rank - 1), x.rank)
    others = [axis for axis in range(x.rank) if axis != dim % x.rank]
    because = f"{function} works along an axis and gives as many numbers as it gets, so the shape stays."
    misread = [
        Misread("taken-for-reduction", removing([dim]), because),
        Misread("taken-for-reduction", removing([dim], keep=True), because),
        Misread("others-reduced", removing(others), because),
    ]
    text = method(rng, x, function, f"dim={dim}" if rng.chance() else f"{dim}")
    return x.then(text + ".values" * (function == "sort"), same, misread)


def centred(rng: Rng, x: Shaped) -> Shaped:
    """Less its mean, or divided by its norm or its maximum."""
    dim = signed(rng, rng.integer(0, x.rank - 1), x.rank)
    sign, function = rng.pick((("-", "mean"), ("/", "norm"), ("-", "amax")))
    because = "The reduced side has size 1 there and is stretched, so the result has the shape of the larger side."
    misread = [
        Misread("shrinks", removing([dim], keep=True), because),
        Misread("shrinks", removing([dim]), because),
    ]
    return x.then(f"{{0}} {sign} {{0}}.{function}(dim={dim}, keepdim=True)", same, misread)


def reduced_twice(rng: Rng) -> Asked:
    """Two reductions, where those go wrong who number the axes once and for all."""
    program, x = tensor_of(rng, rng.sizes(rng.integer(3, 4), 2, 8))
    second = rng.integer(0, x.rank - 2)
    first = rng.integer(0, second)
    y = reduced_by(rng, x, rng.pick([*functions(x), *ONE]), [first], keep=False)
    y = reduced_by(rng, y, rng.pick([*functions(x), *ONE, *PLACES]), [second], keep=False)
    because = f"The second call counts the axes that are left after the first, not those of `{x.text}`."
    return program, y.mistaken(Guess("old-numbering", removing([first, second])(x.sizes), because))


def reduce_program(rng: Rng) -> Asked:
    start = tensor_of(rng, rng.sizes(rng.integer(2 + (rng.level > 1), 4), 2, 8))
    if rng.level == 1:
        return chained(rng, start, [rng.pick((reduced, reduced, located, reduced_wholly, not_reduced))])
    if rng.level == SECOND:
        steps = rng.pick(((reduced, reduced), (reduced, not_reduced), (not_reduced, reduced), (reduced, located)))
        return reduced_twice(rng) if rng.chance(0.3) else chained(rng, start, steps)
    start = tensor_of(rng, rng.sizes(rng.integer(3, 5), 2, 8))
    first: Step = rng.pick((centred, reduced, indexed, unsqueezed))
    second: Step = centred if first is reduced else reduced
    return chained(rng, start, [first, second, rng.pick((reduced, located, not_reduced, item_taken))])


@drill(levels=3, arena="0.0", structures=(260, 800, 900))
def reduce(rng: Rng) -> PredictShape:
    """Sums, means and maxima along an axis."""
    return shape_puzzle(
        rng,
        reduce_program,
        hints=[
            "Does the function make one number of many, or give as many as it gets? Which axes does dim name?",
            (
                "Strike out what dim names; with keepdim=True write 1 there instead. Number what is left anew before "
                "you read the next call."
            ),
        ],
        why="A reduction (`sum`, `mean`, `amax`, `argmax`, `max(dim).values` …) makes one number of all that lie along "
        "the axes that dim names. These axes are gone, or have size 1 with keepdim=True; without a dim all are gone, "
        "and the shape is (). softmax, cumsum and sort work along an axis too, and leave the shape as it is.",
    )
