"""Printed einops calls: the shape that they give, or why they raise."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from tensordrill.authoring import Choice, Choose, PredictShape, Rng, Wrong, drill
from tensordrill.building.contraction import axes_of, listed
from tensordrill.building.patterns import Axis, Side, grouped, names_in, plain, spelled

SECOND, THIRD = 2, 3  # levels


# --- what a call gives


@dataclass(frozen=True)
class Call:
    """An einops call on a tensor of known sizes: `sizes` has one for each name."""

    operation: str
    left: Side
    right: Side
    sizes: Mapping[str, int]
    given: Sequence[str]
    reduction: str = ""

    def text(self, tensor: str = "x") -> str:
        pattern = f"'{spelled(self.left)} -> {spelled(self.right)}'"
        reduction = [f"'{self.reduction}'"] if self.reduction else []
        sizes = [f"{name}={self.sizes[name]}" for name in self.given]
        return f"{self.operation}({', '.join([tensor, pattern, *reduction, *sizes])})"

    def shape(self, side: Side, sizes: Mapping[str, int] | None = None) -> tuple[int, ...]:
        return tuple([prod([(sizes or self.sizes)[name] for name in axis]) for axis in side])

    @property
    def after(self) -> tuple[int, ...]:
        return self.shape(self.right)


NAMES = ("b", "c", "d", "h", "k", "n", "s", "t", "w")
OPERATIONS = ("rearrange", "reduce", "repeat")


def divisors(size: int) -> list[int]:
    return [part for part in range(2, size // 2 + 1) if size % part == 0]


def fresh_shape(rng: Rng) -> list[int]:
    """Sizes, all different, of which at least one can be divided in two ways."""
    return rng.shuffled([rng.pick((6, 10, 12, 15)), *rng.sample((2, 3, 5, 7), rng.integer(1, 2))])


def random_call(rng: Rng, shape: Sequence[int], operation: str, *, splits: bool, merges: bool) -> Call:
    """A call that runs on a tensor of that shape."""
    names = iter(rng.sample(NAMES, len(NAMES)))
    sizes: dict[str, int] = {}
    given: list[str] = []
    left: list[Axis] = []
    able = [i for i, size in enumerate(shape) if any(part * part != size for part in divisors(size))]
    at = rng.pick(able) if splits and able else -1
    for i, size in enumerate(shape):
        one = next(names)
        sizes[one] = size
        if i != at:
            left.append((one,))
            continue
        other = next(names)
        sizes[one] = rng.pick([part for part in divisors(size) if part * part != size])
        sizes[other] = size // sizes[one]
        left.append((one, other))
        given.append(rng.pick((one, other)))
    kept = names_in(tuple(left))
    if operation == "reduce":
        kept = rng.sample(kept, rng.integer(min(2, len(kept) - 1), len(kept) - 1))
    idle = operation == "rearrange" and not merges and not given
    right = plain(kept[1:] + kept[:1] if idle else rng.shuffled(kept))  # where nothing else is done, something moves
    if operation == "repeat":
        new = next(names)
        sizes[new] = rng.pick([size for size in (2, 3, 4, 5) if size not in sizes.values()] or [4])
        given.append(new)
        place = rng.integer(0, len(right) - 1)
        if merges:
            bracket = rng.pick(((new, *right[place]), (*right[place], new)))
            right = (*right[:place], bracket, *right[place + 1 :])
        else:
            right = (*right[:place], (new,), *right[place:])
    elif merges and len(right) > 1:
        place = rng.integer(0, len(right) - 2)
        right = (*right[:place], right[place] + right[place + 1], *right[place + 2 :])
    reduction = rng.pick(("mean", "max", "sum")) if operation == "reduce" else ""
    return Call(operation, tuple(left), right, sizes, given, reduction)


def shape_mistakes(call: Call) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """What people say instead of the shape."""
    split = next((axis for axis in call.left if len(axis) > 1), ())
    merged = next((axis for axis in call.right if len(axis) > 1), ())
    if split:
        known, other = (split if split[0] in call.given else split[::-1])[:2]
        total = call.sizes[known] * call.sizes[other]
        names = f"({' '.join(split)})"
        yield (
            "size-misplaced",
            call.shape(call.right, {**call.sizes, known: call.sizes[other], other: call.sizes[known]}),
            f"The call passes {known}={call.sizes[known]}, so {other} is {total} / {call.sizes[known]}.",
        )
        because = f"{names} takes {total} apart: {known} is {call.sizes[known]}, and {other} what is left."
        yield "not-divided", call.shape(call.right, {**call.sizes, other: total}), because
    if merged:
        sizes = [call.sizes[name] for name in merged]
        bracket = f"({' '.join(merged)})"
        yield (
            "added-not-multiplied",
            tuple([sum(sizes) if axis == merged else prod([call.sizes[n] for n in axis]) for axis in call.right]),
            f"A merged axis has the product of its sizes: {bracket} is {' * '.join(map(str, sizes))}.",
        )
        yield (
            "brackets-ignored",
            tuple([call.sizes[name] for name in names_in(call.right)]),
            f"{bracket} is one axis, not {len(merged)}.",
        )
    if call.operation == "reduce":
        gone = [name for name in names_in(call.left) if name not in names_in(call.right)]
        yield (
            "kept-as-one",
            tuple([1 if name in gone else call.sizes[name] for name in names_in(call.left)]),
            f"{listed(gone)} is missing on the right, so it is reduced away; a 1 there would keep it.",
        )
        yield (
            "others-reduced",
            tuple([call.sizes[name] for name in gone]),
            f"What the right side names is kept; {listed(gone)} is reduced.",
        )
    if call.operation == "repeat":
        new = next(name for name in call.given if name not in names_in(call.left))
        yield (
            "not-repeated",
            call.shape(tuple([tuple(n for n in axis if n != new) for axis in call.right if axis != (new,)])),
            f"{new}={call.sizes[new]} is new on the right: the entries are repeated along it.",
        )
    order = [name for name in call.sizes if name in names_in(call.right)]
    yield (
        "input-order",
        call.shape(grouped(order, [len(axis) for axis in call.right])),
        "You list the sizes as `x` has them. The right side gives the order.",
    )


def as_wrong(right: object, mistakes: Iterable[tuple[str, tuple[int, ...], str]]) -> list[Wrong]:
    """The shapes that are neither right nor said before."""
    seen = {right}
    wrong = []
    for name, shape, because in mistakes:
        if shape not in seen:
            seen.add(shape)
            wrong.append(Wrong(name, repr(shape), because))
    return wrong


MAX_RANK = 5  # of what is typed


def chain(rng: Rng) -> tuple[str, str, Call]:
    """A program, the tensor that the last call is given, and that call."""
    shape = fresh_shape(rng)
    operation = "rearrange" if rng.level == 1 else rng.pick(OPERATIONS)
    splits = rng.chance(0.5 if rng.level == 1 else 0.7)
    call = random_call(rng, shape, operation, splits=splits, merges=not splits or rng.chance(0.4))
    program = f"x = torch.zeros{axes_of([str(size) for size in shape])}"
    if rng.level < THIRD:
        return program, "x", call
    second = random_call(rng, call.after, rng.pick(OPERATIONS), splits=rng.chance(0.7), merges=rng.chance())
    return f"{program}\ny = {call.text()}", "y", second


@drill(after=["einops.split"], levels=3, arena="0.0", structures=(230, 550, 900))
def output_shape(rng: Rng) -> PredictShape:
    """The shape of what a call returns."""
    while True:
        program, tensor, call = chain(rng)
        wrong = as_wrong(call.after, shape_mistakes(call))
        if len(wrong) > 1 and len(call.after) <= MAX_RANK and len(call.left) > 1:
            break
    return PredictShape(
        program=program,
        ask=call.text(tensor),
        wrong=wrong,
        hints=[
            "Write the size above every name on the left. Brackets there: what is not passed is found by dividing.",
            "Then read the right side from left to right: each name gives its size, brackets give one product.",
        ],
        why="The left side binds a size to every name, axis by axis; in brackets the sizes multiply to the axis, so "
        "one of them may be left out. The right side is the shape: names in order, brackets multiplied. `reduce` drops "
        "names that are missing on the right, `repeat` takes new ones, whose sizes are passed.",
    )


# --- sizes taken from another tensor


@dataclass(frozen=True)
class Captured:
    """What `parse_shape` takes from `x`: the names by the axis that they stand for, and the shape of `x`."""

    known: Mapping[int, str]
    shape: Sequence[int]

    @property
    def pattern(self) -> str:
        return " ".join([self.known.get(place, "_") for place in range(len(self.shape))])

    @property
    def sizes(self) -> dict[str, int]:
        return {name: self.shape[place] for place, name in self.known.items()}

    @property
    def shifted(self) -> dict[str, int]:
        """The sizes where each `_` is passed over as if it stood for nothing."""
        return dict(zip(self.known.values(), self.shape, strict=False))

    @property
    def skipped(self) -> int:
        """The first size that is not captured."""
        return next(size for place, size in enumerate(self.shape) if place not in self.known)


def captured(rng: Rng, names: Iterator[str]) -> Captured:
    """Names for some axes, not all, and after some that are skipped."""
    rank = 3 if rng.level == 1 else rng.integer(3, 4)
    count = 1 if rng.level == 1 else rng.integer(1, 2)
    places = sorted(rng.sample(range(rank), count))
    if places == list(range(count)):
        places = [place + 1 for place in places]
    return Captured({place: next(names) for place in places}, rng.sample((2, 3, 4, 5, 6, 7), rank))


def in_a_bracket(rng: Rng, it: Captured, free: str, rest: str) -> tuple[Call, Mapping[str, int]]:
    """One captured size takes an axis apart; and the sizes that the names have where `_` is passed over."""
    split, *others = it.known.values()
    total = it.sizes[split] * it.shifted[split] * rng.integer(2, 3)  # divides in the wrong reading too
    sizes = {**it.sizes, free: total // it.sizes[split], rest: rng.pick((8, 9, 11))}
    bracket = rng.pick(((split, free), (free, split)))
    left = tuple(rng.shuffled([bracket, (rest,), *plain(others)]))
    right = plain(rng.shuffled(names_in(left)))
    if rng.level > 1 and rng.chance():
        right = (*right[:-2], right[-2] + right[-1])
    return Call("rearrange", left, right, sizes, ()), {**sizes, **it.shifted, free: total // it.shifted[split]}


def as_new_axes(rng: Rng, it: Captured, free: str, rest: str) -> tuple[Call, Mapping[str, int]]:
    """The captured sizes are those of new axes; and the sizes where `_` is passed over."""
    sizes = {**it.sizes, free: rng.pick((10, 13)), rest: rng.pick((8, 9, 11))}
    right = plain(rng.shuffled([rest, free, *it.known.values()]))
    if rng.chance(0.4):
        right = (*right[:-2], right[-2] + right[-1])
    return Call("repeat", ((rest,), (free,)), right, sizes, ()), {**sizes, **it.shifted}


@drill(after=["einops.split"], levels=3, arena="0.0", structures=(45, 600, 550))
def parse_shape(rng: Rng) -> PredictShape:
    """Sizes taken from another tensor with parse_shape."""
    names = iter(rng.shuffled(NAMES))
    it = captured(rng, names)
    free, rest, extra = next(names), next(names), next(names)
    repeats = rng.level == THIRD and rng.chance(0.6)
    call, shifted = (as_new_axes if repeats else in_a_bracket)(rng, it, free, rest)
    split = next(iter(it.known.values()))
    y = list(call.shape(call.left))
    fault = rng.pick(("", "", "", "unused", "unused" if repeats else "unequal")) if rng.level > 1 else ""
    mistakes = []
    pattern = it.pattern
    if fault == "unused":
        pattern = pattern.replace("_", extra, 1)
        because = f"{extra} is captured too, and the pattern has no {extra}: a size without a use raises."
        mistakes.append(("unused-ignored", call.after, because))
    else:
        at = next(i for i, axis in enumerate(call.left) if split in axis or repeats)
        if fault:
            y[at] += 1
            because = f"{split} is {it.sizes[split]}, and {y[at]} does not divide by that."
            mistakes.append(("size-not-checked", call.after, because))
        places = listed([f"{name} is the size at position {place}" for place, name in it.known.items()])
        because = f"Each `_` stands for an axis too: counted from 0, {places}."
        mistakes.append(("axes-shifted", call.shape(call.right, shifted), because))
        captured_sizes = {**call.sizes, split if repeats else free: it.skipped}
        because = f"`_` skips an axis: its size {it.skipped} is captured under no name."
        mistakes.append(("underscore-captured", call.shape(call.right, captured_sizes), because))
    wrong = as_wrong("error" if fault else call.after, mistakes)
    if rng.level > 1 and not fault:
        because = "Nothing is missing and nothing is unused: `_` is no name, and parse_shape leaves it out."
        wrong.append(Wrong("underscore-raises", "error", because))
    shapes = [axes_of([str(size) for size in shape]) for shape in (it.shape, y)]
    return PredictShape(
        program=f"x = torch.zeros{shapes[0]}\ny = torch.zeros{shapes[1]}\nknown = einops.parse_shape(x, '{pattern}')",
        ask=f"{call.text('y')[:-1]}, **known)",
        can_fail=rng.level > 1,
        wrong=wrong,
        hints=[
            "First write down the dictionary `known`: a name for each axis of x that is not `_`, and its size.",
            "Then read the call as if those sizes had been typed into it.",
        ],
        why="`parse_shape` binds names to the sizes of a tensor by position and skips axes marked `_`, so `**` passes "
        "just those on. A name in it that the pattern lacks is an error, as is one whose size does not fit.",
    )


# --- calls that raise


FAULTS = {
    "one-side": (
        "a name stands on one side of the arrow only.",
        "Identifiers only on one side",
        "every name that must stand on both sides does",
    ),
    "indivisible": (
        "a size that is passed does not divide its axis.",
        "can't divide axis",
        "every size that is passed divides its axis",
    ),
    "unknown": (
        "two sizes in one bracket are unknown.",
        "Could not infer sizes",
        "no bracket on the left has two names of unknown size",
    ),
    "rank": (
        "the pattern has more or fewer axes than the tensor.",
        "Wrong shape: expected",
        "the left side has as many axes as the tensor, brackets counted once",
    ),
    "unused": (
        "a size is passed for a name that the pattern lacks.",
        "is not used in transform",
        "every size that is passed belongs to a name of the pattern",
    ),
    "twice": (
        "a name stands twice on one side.",
        "duplicate dimension",
        "no name stands twice on one side",
    ),
    "unsized": (
        "a new axis has no size.",
        "Specify sizes for new axes",
        "every axis that is new has a size",
    ),
    "appears": (
        "`reduce` is to make an axis that the left side lacks.",
        "Unexpected identifiers on the right side",
        "the right side has nothing that the left side lacks",
    ),
    "vanishes": (
        "`repeat` is to drop an axis.",
        "Unexpected identifiers on the left side",
        "every name of the left side stands on the right too",
    ),
}
FAULTS_OF = {
    "rearrange": ("one-side", "indivisible", "unknown", "rank", "unused", "twice"),
    "reduce": ("appears", "indivisible", "unknown", "rank", "unused", "twice"),
    "repeat": ("unsized", "vanishes", "indivisible", "unknown", "rank", "unused"),
}


def broken(rng: Rng, call: Call, fault: str) -> Call | None:
    """The call with that fault alone; None where it cannot have it."""
    left, right, given = list(call.left), list(call.right), list(call.given)
    sizes = dict(call.sizes)
    split = next((axis for axis in left if len(axis) > 1), None)
    spare = next(name for name in NAMES if name not in sizes)
    match fault:
        case "one-side" | "appears" if rng.chance() or fault == "appears":
            sizes[spare] = rng.integer(2, 4)
            right.insert(rng.integer(0, len(right)), (spare,))
            given += [spare] if rng.chance() else []
        case "one-side" | "vanishes":
            kept = names_in(call.left)
            gone = rng.pick(kept)
            right = [tuple([name for name in axis if name != gone]) for axis in right if axis != (gone,)]
        case "indivisible" if split:
            [known] = [name for name in split if name in given]
            total = prod([sizes[name] for name in split])
            sizes[known] = rng.pick([n for n in range(2, total) if total % n])
        case "unknown" if split:
            given = [name for name in given if name not in split]
        case "rank" if len(left) > SECOND:
            dropped: Axis = rng.pick([axis for axis in left if len(axis) == 1])
            left.remove(dropped)
            right = [tuple([name for name in axis if name not in dropped]) for axis in right if axis != dropped]
        case "unused":
            sizes[spare] = rng.integer(2, 4)
            given.append(spare)
        case "twice":
            axis = rng.pick(right)
            right.append((axis[0],))
        case "unsized":
            given = [name for name in given if name in names_in(call.left)]
        case _:
            return None
    if not right or () in right:
        return None
    return Call(call.operation, tuple(left), tuple(right), sizes, given, call.reduction)


@dataclass(frozen=True)
class Claim:
    """What may be said of a call: the choice, the wrong turn that it is, and why it is not so."""

    id: str
    choice: Choice
    because: str


def runs_to(name: str, shape: Sequence[int]) -> Choice:
    shape = tuple(shape)
    return Choice(f"It runs, and `{name}` has shape {shape}.", holds=f"tuple({name}.shape) == {shape}")


def raises(fault: str) -> Claim:
    text, message, not_so = FAULTS[fault]
    return Claim(fault, Choice(f"It raises: {text}", raises=message), f"Here {not_so}.")


def lesson_call(rng: Rng) -> tuple[str, Call, str]:
    """The call that people write first, which raises."""
    sizes = {"batch": rng.integer(2, 5), "seq": rng.integer(6, 9), "heads": rng.pick((2, 3, 6, 8, 12)), "d_head": 4}
    sizes["d_model"] = sizes["heads"] * 4
    left, right = plain(("batch", "seq", "d_model")), plain(("batch", "seq", "heads", "d_head"))
    call = Call("rearrange", left, right, sizes, ["heads"])
    return f"x = torch.zeros{axes_of([str(size) for size in call.shape(left)])}", call, "one-side"


def faulty_call(rng: Rng) -> tuple[str, Call, str]:
    """A program, the call that ends it, and what is wrong with that; empty where nothing is."""
    while True:
        shape: Sequence[int] = fresh_shape(rng)
        program = f"x = torch.zeros{axes_of([str(size) for size in shape])}"
        if rng.level == THIRD:
            first = random_call(rng, shape, rng.pick(OPERATIONS), splits=rng.chance(), merges=rng.chance())
            program, shape = f"{program}\ny = einops.{first.text()}", first.after
        if len(shape) < 2:  # noqa: PLR2004 -- with one axis there is little to get wrong
            continue
        operation = "rearrange" if rng.level == 1 else rng.pick(OPERATIONS)
        call = random_call(rng, shape, operation, splits=rng.chance(0.8), merges=rng.chance())
        fault = "" if rng.chance(0.35) else rng.pick(FAULTS_OF[call.operation])
        made = broken(rng, call, fault) if fault else call
        if made:
            return program, made, fault


@drill(after=["einops.output-shape"], levels=3, arena="0.0", structures=(850, 900, 900))
def invalid(rng: Rng) -> Choose:
    """Whether a pattern raises, and why."""
    program, call, fault = lesson_call(rng) if rng.level == 1 and rng.chance(0.15) else faulty_call(rng)
    source, name = ("y", "z") if rng.level == THIRD else ("x", "y")
    runs = Claim("runs-anyway", runs_to(name, call.after), f"It raises: {FAULTS[fault][0]}" if fault else "")
    claims = [runs, *[raises(other) for other in rng.sample([f for f in FAULTS_OF[call.operation] if f != fault], 2)]]
    right = raises(fault) if fault else runs
    if fault:
        claims.append(right)
    else:
        claims += [
            Claim(
                wrong.id,
                Choice(
                    f"It runs, and `{name}` has shape {wrong.answer}.", holds=f"tuple({name}.shape) == {wrong.answer}"
                ),
                wrong.because,
            )
            for wrong in as_wrong(
                call.after,
                [*shape_mistakes(call), ("axis-added", (*call.after, 1), "The right side names no such axis.")],
            )[:1]
        ]
    return Choose(
        prompt="What does the last line do?" if rng.level == THIRD else "What does this call do?",
        program=f"{program}\n{name} = einops.{call.text(source)}",
        choices=[claim.choice for claim in claims],
        right=right.choice.text,
        hints=[
            "Count the axes on the left, brackets once, and write their sizes under them. Is every size known?",
            "Then compare the names on both sides. Which may differ depends on the function that is called.",
        ],
        why="`rearrange` takes the same names on both sides; `reduce` may lose names on the right, `repeat` may gain "
        "some, with their sizes. In brackets on the left at most one size may be unknown, and the others must divide "
        "the axis. Every size that is passed belongs to a name, and a name stands once on a side.",
        wrong=[Wrong(claim.id, claim.choice.text, claim.because) for claim in claims if claim is not right],
    )
