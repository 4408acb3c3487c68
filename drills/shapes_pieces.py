"""Shapes: what is padded, and what is cut into pieces."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from tensordrill.authoring import PredictShape, PredictValue, Rng, Wrong, drill

Shape = tuple[int, ...]
Pairs = Sequence[tuple[int, int]]  # for the last axis, then for the one before it …
GUIDED, COMPOSED = 1, 3  # levels
_TRIES = 60
_MOST = 6


class Turn(NamedTuple):
    """A wrong turn's id, what it predicts, and the sentence about it."""

    id: str
    result: Sequence[int]
    because: str


@dataclass(frozen=True)
class Case:
    """A program, the expression that is asked for, what it gives, and what people mistake it for."""

    program: str
    ask: str
    result: Sequence[int]
    turns: Sequence[Turn]

    @property
    def telling(self) -> bool:
        """Whether every mistake shows, in few numbers to type."""
        right = tuple(self.result)
        return 0 < len(right) <= _MOST and min(right) > 0 and all(tuple(turn.result) != right for turn in self.turns)

    @property
    def wrong(self) -> list[Wrong]:
        """The mistakes, without those that give what is right or what one before them gives."""
        found = {tuple(self.result): Wrong("", "", "")}
        for turn in self.turns:
            if min(turn.result, default=0) > 0:
                found.setdefault(tuple(turn.result), Wrong(turn.id, str(turn.result), turn.because))
        return list(found.values())[1:]


def told_apart(rng: Rng, draw: Callable[[Rng], Case]) -> Case:
    """The first draw in which every mistake shows; in the rare case that none comes, one in which most do."""
    for _ in range(_TRIES):
        case = draw(rng)
        if case.telling:
            break
    return case


def zeros(shape: Sequence[int]) -> str:
    return f"torch.zeros({', '.join(map(str, shape))})"


# --- pad


def grown(shape: Shape, amounts: Mapping[int, int]) -> Shape:
    """The shape with axes longer by those amounts; -1 is the last axis."""
    sizes = list(shape)
    for axis, amount in amounts.items():
        sizes[axis] += amount
    return tuple(sizes)


def padded(shape: Shape, pairs: Pairs) -> Shape:
    return grown(shape, {-1 - i: sum(pair) for i, pair in enumerate(pairs)})


LAST_FIRST = "The first pair is about the last axis, the second about the one before it, and so on."


def pad_turns(shape: Shape, pairs: Pairs) -> Iterator[Turn]:
    rank, count = len(shape), len(pairs)
    totals = [sum(pair) for pair in pairs]
    numbers = [number for pair in pairs for number in pair]
    if count == rank:
        yield Turn("numpy-order", grown(shape, dict(enumerate(totals))), "That is np.pad's order, which begins with "
                   f"the first axis. F.pad begins with the last. {LAST_FIRST}")  # fmt: skip
    else:
        yield Turn("first-axis-first", grown(shape, dict(enumerate(totals))), LAST_FIRST)
        if count > 1:
            reading = {i - count: total for i, total in enumerate(totals)}
            yield Turn("reading-order", grown(shape, reading), f"The pairs come in the other order. {LAST_FIRST}")
    if any(after for _, after in pairs):
        firsts = {-1 - i: before for i, (before, _) in enumerate(pairs)}
        yield Turn("one-side", grown(shape, firsts), "Both numbers of a pair count: the axis grows in front by the "
                   "first and behind by the second.")  # fmt: skip
    if len(numbers) <= rank:
        each = {-1 - i: number for i, number in enumerate(numbers)}
        yield Turn("number-for-each-axis", grown(shape, each), "The numbers come in pairs: two for each axis, one for "
                   "either side of it.")  # fmt: skip
    if count > 1:
        befores = {-1 - i: numbers[i] + numbers[count + i] for i in range(count)}
        yield Turn("befores-first", grown(shape, befores), "The two numbers of an axis stand side by side: first the "
                   "pair of the last axis, then the pair of the one before it.")  # fmt: skip
    if min(numbers) < 0:
        sizes = padded(shape, [(abs(before), abs(after)) for before, after in pairs])
        yield Turn("sign-ignored", sizes, "A negative number cuts entries off that side.")
        kept = padded(shape, [(max(before, 0), max(after, 0)) for before, after in pairs])
        yield Turn("negative-ignored", kept, "A negative number is not ignored: it cuts entries off that side.")


PADDED = (
    ("batch", "seq"),
    ("channel", "height", "width"),
    ("batch", "channel", "time"),
    ("batch", "seq", "d_model"),
    ("batch", "head", "query", "key"),
    ("batch", "channel", "height", "width"),
    ("batch", "height", "width", "channel"),
)
BIG, SMALL = (4, 9), (0, 4)  # sizes, and how much is added


def amounts(rng: Rng, count: int, *, negative: bool = False) -> Pairs:
    pairs = [(rng.integer(*SMALL), rng.integer(*SMALL)) for _ in range(count)]
    if negative:
        at = rng.integer(0, count - 1)
        pairs[at] = (-rng.integer(1, 2), pairs[at][1]) if rng.chance() else (pairs[at][0], -rng.integer(1, 2))
    return pairs


def within(shape: Shape, pairs: Pairs) -> Pairs:
    """What a mode may add that takes its values from the tensor: less than an axis has."""
    limit = min(shape) - 1
    return [(min(before, limit), min(after, limit)) for before, after in pairs]


def flat(pairs: Pairs) -> str:
    return str(tuple([number for pair in pairs for number in pair]))


def plain_pad(rng: Rng) -> Case:
    """One call of F.pad; with negative numbers from level 2 on."""
    axes = rng.pick(PADDED)
    count = rng.integer(1, min(len(axes), 2 if rng.level == GUIDED else 3))
    negative = rng.level > GUIDED and rng.chance(0.4)
    shape, pairs = tuple(rng.sizes(len(axes), *BIG)), amounts(rng, count, negative=negative)
    value = rng.pick(("", "", ", value=1.0", ", value=-1.0"))
    comment = f"  # {', '.join(axes)}" if rng.level == GUIDED else ""
    turns = list(pad_turns(shape, pairs))
    return Case(f"x = {zeros(shape)}{comment}", f"F.pad(x, {flat(pairs)}{value})", padded(shape, pairs), turns)


def moded_pad(rng: Rng) -> Case:
    """A mode other than constant, which leaves one or two axes in front alone."""
    count = rng.integer(1, 2)
    shape = tuple(rng.sizes(count + rng.integer(1, 2), *BIG))
    pairs = within(shape, amounts(rng, count))
    mode = rng.pick(("reflect", "replicate", "circular"))
    turns = list(pad_turns(shape, pairs))
    return Case(f"x = {zeros(shape)}", f'F.pad(x, {flat(pairs)}, mode="{mode}")', padded(shape, pairs), turns)


def pad_module(rng: Rng) -> Case:
    """A module: one number is for every side of the last axes."""
    count = rng.integer(1, 2)
    shape = tuple(rng.sizes(count + 2, *BIG))
    kind = rng.pick(("ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad", "ConstantPad"))
    rest = f", {rng.pick(('0.0', '1.0'))}" if kind == "ConstantPad" else ""
    if rng.chance(0.4):
        pairs = within(shape, amounts(rng, count))
        given, turns = flat(pairs), list(pad_turns(shape, pairs))
    else:
        n = rng.integer(1, 3)
        pairs, given = [(n, n)] * count, str(n)
        turns = [
            Turn("one-side", grown(shape, {-1 - i: n for i in range(count)}), "One number is for every side: an axis "
                 "grows by it in front and behind."),
            Turn("every-axis", tuple([size + 2 * n for size in shape]), f"{kind}{count}d pads the last "
                 f"{'axis' if count == 1 else 'two axes'} only; batch and channels stay as they are."),
            Turn("first-axis-first", grown(shape, dict.fromkeys(range(count), 2 * n)), "Padding is for the last axes: "
                 "those behind batch and channels."),
        ]  # fmt: skip
    return Case(f"x = {zeros(shape)}\npad = nn.{kind}{count}d({given}{rest})", "pad(x)", padded(shape, pairs), turns)


def to_multiple(rng: Rng) -> Case:
    """An axis is padded to a multiple of a block, with code that computes how much."""
    axes = rng.pick(PADDED[2:])
    shape = list(rng.sizes(len(axes), 2, 9))
    at = rng.integer(1, len(axes) - 1)
    block = rng.pick((4, 8, 16))
    shape[at] = block * rng.integer(1, 3) + (0 if rng.chance(0.3) else rng.integer(1, block - 1))
    size = shape[at]
    careless = rng.chance()
    more = block - size % block if careless else -size % block
    amount = f"{block} - x.shape[{at}] % {block}" if careless else f"-x.shape[{at}] % {block}"
    behind = len(axes) - 1 - at
    call = f"F.pad(x, ({'0, ' * (2 * behind + 1)}{amount}))"
    turns = [
        Turn("remainder-added", grown(tuple(shape), {at: size % block}), f"That is size % {block}, what is over. What "
             f"is missing up to the next multiple of {block} is added."),
        Turn("cut-to-multiple", grown(tuple(shape), {at: -(size % block)}), "Nothing is cut off: the number is "
             "positive, since % takes the sign of what stands behind it."),
        Turn("first-axis-first", grown(tuple(shape), {behind: more}), LAST_FIRST),
    ]  # fmt: skip
    if behind:
        turns.append(Turn("last-axis", grown(tuple(shape), {-1: more}), f"The zeros before it are the pairs of the "
                          f"axes behind: the last pair is about axis {at}."))  # fmt: skip
    if careless and more == block:
        turns = [
            Turn("already-multiple", tuple(shape), f"The size is a multiple of {block} already, so {block} - 0 is "
                 "added: a whole block."),
            *turns[2:],
        ]  # fmt: skip
    elif size % block == 0:
        turns = [
            Turn("whole-block-added", grown(tuple(shape), {at: block}), f"The size is a multiple of {block} already, "
                 "so nothing is added."),
        ]  # fmt: skip
    return Case(f"x = {zeros(shape)}", call, grown(tuple(shape), {at: more}), turns)


def causal(rng: Rng) -> Case:
    """What a convolution takes away is padded in front, or on both sides."""
    batch, inputs, outputs = rng.sizes(3, 2, 7)
    size, kernel, dilation = rng.integer(9, 20), rng.integer(2, 4), rng.integer(1, 3)
    before = dilation * (kernel - 1)
    after = rng.pick((0, 0, 1, before))
    widened = f", dilation={dilation}" if dilation > 1 else ""
    x, w = f"x = torch.zeros({batch}, {inputs}, {size})", f"w = torch.zeros({outputs}, {inputs}, {kernel})"
    program = f"{x}\n{w}\npadded = F.pad(x, ({before}, {after}))"
    turns = [
        Turn("both-sides", (batch, outputs, size + before), "Only the first number of the pair is for the front; the "
             "second is for the end."),
        Turn("padding-ignored", (batch, outputs, size - before), "The convolution slides over what is padded."),
        Turn("kernel-ignored", (batch, outputs, size + before + after), "The convolution takes away the places that "
             "its kernel spans, less one: dilation * (kernel - 1)."),
        Turn("in-for-out", (batch, inputs, size + after), "The weight's first axis is the number of channels that come "
             "out."),
    ]  # fmt: skip
    if dilation > 1:
        turns.append(Turn("dilation-ignored", (batch, outputs, size + before + after - kernel + 1), "With `dilation` "
                          "the kernel spans dilation * (kernel - 1) + 1 places."))  # fmt: skip
    turns = turns[1:] if after == before else turns
    return Case(program, f"F.conv1d(padded, w{widened})", (batch, outputs, size + after), turns)


def ragged(rng: Rng) -> Case:
    """Sequences of unlike lengths, padded to one and stacked."""
    lengths = rng.distinct(rng.integer(3, 5), 2, 9)
    most = max(lengths) + rng.integer(0, 2)
    width = rng.pick([n for n in range(2, 9) if n not in (most, len(lengths))])
    features = rng.chance(0.6)
    item = f"torch.zeros(n{f', {width}' if features else ''})"
    zeros_first = "0, 0, " if features else ""
    side = rng.chance()
    pair = f"{most} - len(s), 0" if side else f"0, {most} - len(s)"
    tail = (width,) if features else ()
    program = f"seqs = [{item} for n in {tuple(lengths)}]\nrows = [F.pad(s, ({zeros_first}{pair})) for s in seqs]"
    dim = rng.pick((0, 0, 1, -1))
    result = [most, *tail]
    result.insert(dim if dim >= 0 else len(result), len(lengths))
    turns = [
        Turn("lengths-added", (sum(lengths), *tail), "stack makes a new axis; it does not lengthen one."),
        Turn("longest-only", tuple([max(lengths) if n == most else n for n in result]) if most > max(lengths) else (),
             f"They are padded to {most}, which is longer than the longest."),
        Turn("axis-place", (most, len(lengths), *tail) if dim == 0 else (len(lengths), most, *tail), "stack puts the "
             f"new axis where dim={dim} says."),
    ]  # fmt: skip
    turns = [turn for turn in turns if turn.result]
    return Case(program, f"torch.stack(rows, dim={dim})" if dim else "torch.stack(rows)", tuple(result), turns)


def pad_puzzle(case: Case) -> PredictShape:
    return PredictShape(
        program=case.program,
        ask=case.ask,
        wrong=case.wrong,
        hints=[
            "The numbers come in pairs: one for each side of an axis. Which axis does the first pair belong to?",
            (
                "Count from the end: the first pair is for the last axis, the second for the one before it. Axes for "
                "which there is no pair stay as they are. A negative number cuts off."
            ),
        ],
        why="`F.pad` takes pairs (before, after), beginning with the last axis and going forward; axes without a pair "
        "stay as they are. Each axis grows by the sum of its pair; a negative number cuts entries off. np.pad has a "
        "pair for every axis, from the first on.",
    )


@drill(levels=3, arena="0.2", structures=(16, 100, 40))
def pad(rng: Rng) -> PredictShape:
    """The shape that padding gives."""
    draw = plain_pad
    if rng.level > GUIDED:
        draw = rng.pick((plain_pad, plain_pad, moded_pad, pad_module))
    if rng.level == COMPOSED:
        draw = rng.pick((to_multiple, to_multiple, causal, ragged))
    return pad_puzzle(told_apart(rng, draw))


# --- split-chunk


def by_size(size: int, step: int) -> list[int]:
    """The rule of split."""
    return [min(step, size - start) for start in range(0, size, step)]


def by_chunks(size: int, count: int) -> list[int]:
    """The rule of chunk: pieces of one size, rounded up, as many as that takes."""
    return by_size(size, -(-size // count))


def evenly(size: int, count: int) -> list[int]:
    """The rule of tensor_split with a number."""
    return [size // count + (i < size % count) for i in range(count)]


def between(size: int, *cuts: int) -> list[int]:
    """The rule of tensor_split with indices."""
    return [stop - start for start, stop in pairwise((0, *cuts, size))]


class Misread(NamedTuple):
    """A wrong rule for a cut."""

    id: str
    rule: Callable[[int], list[int]]
    because: str


@dataclass(frozen=True)
class Cut:
    """A call that cuts an axis into pieces: its name, what it is given, and its rule. The worst mistakes come first."""

    name: str
    given: int | Sequence[int]
    rule: Callable[[int], list[int]]
    misread: Sequence[Misread]

    def call(self, x: str, dim: str = "", *, function: bool = False) -> str:
        given = list(self.given) if not isinstance(self.given, int) and self.name == "split" else self.given
        return f"torch.{self.name}({x}, {given}{dim})" if function else f"{x}.{self.name}({given}{dim})"


def rest_dropped(size: int, step: int) -> list[int]:
    return [step] * (size // step)


def rest_joined(size: int, count: int) -> list[int]:
    return [size // count] * (count - 1) + [size // count + size % count]


CHUNK = "chunk makes pieces of one size, size / number rounded up, and only the last may be shorter."


def chunk(count: int) -> Cut:
    return Cut("chunk", count, lambda n: by_chunks(n, count), (
        Misread("as-tensor-split", lambda n: evenly(n, count), f"Those are tensor_split's sizes, which differ by one "
                f"at most. {CHUNK} So there may be fewer pieces than were asked for."),
        Misread("as-split", lambda n: by_size(n, count), f"That is split: chunk({count}) names the number of pieces, "
                "not their size."),
        Misread("rest-to-last", lambda n: rest_joined(n, count), f"What is over does not lengthen the last piece. "
                f"{CHUNK}"),
        Misread("rest-dropped", lambda n: rest_dropped(n, -(-n // count)), "Nothing is dropped: the last piece is "
                "shorter."),
    ))  # fmt: skip


def split(step: int) -> Cut:
    return Cut("split", step, lambda n: by_size(n, step), (
        Misread("as-count", lambda n: by_chunks(n, step), f"That is chunk: split({step}) names the size of a piece, "
                "not how many there are."),
        Misread("as-tensor-split", lambda n: evenly(n, step), f"That is tensor_split: split({step}) names the size of "
                "a piece, not how many there are."),
        Misread("rest-dropped", lambda n: rest_dropped(n, step), "Nothing is dropped: the last piece is shorter."),
        Misread("evened-out", lambda n: evenly(n, -(-n // step)), "The pieces are not evened out: all have the size "
                "that is given, except for a shorter last one."),
    ))  # fmt: skip


def tensor_split(count: int) -> Cut:
    return Cut("tensor_split", count, lambda n: evenly(n, count), (
        Misread("as-chunk", lambda n: by_chunks(n, count), "Those are chunk's sizes. tensor_split makes exactly as "
                "many pieces as it is told, and their sizes differ by one at most."),
        Misread("as-split", lambda n: by_size(n, count), "A number is how many pieces there are, not their size."),
        Misread("longer-last", lambda n: evenly(n, count)[::-1], "The longer pieces come first."),
        Misread("rest-to-last", lambda n: rest_joined(n, count), "What is over is shared out: the first pieces get one "
                "more each."),
    ))  # fmt: skip


def split_sizes(*sizes: int) -> Cut:
    def as_cuts(n: int) -> list[int]:
        return between(n, *sorted(sizes))

    return Cut("split", sizes, lambda _: list(sizes), (
        Misread("as-indices", as_cuts, "split takes the sizes of the pieces. It is tensor_split that takes the indices "
                "where to cut."),
        Misread("evened-out", lambda n: evenly(n, len(sizes)), "The list says the size of each piece; its length is "
                "not all that matters."),
    ))  # fmt: skip


def split_at(*cuts: int) -> Cut:
    return Cut("tensor_split", cuts, lambda n: between(n, *cuts), (
        Misread("as-sizes", lambda n: [*cuts, n - sum(cuts)] if sum(cuts) < n else list(cuts), "tensor_split takes the "
                "indices where to cut. It is split that takes the sizes of the pieces."),
        Misread("last-forgotten", lambda n: between(n, *cuts)[:-1], "The last piece goes from the last index to the "
                "end: there is one more piece than there are indices."),
        Misread("end-inclusive", lambda n: between(n, *[cut + 1 for cut in cuts]), "A piece ends before the index, as "
                "a slice does."),
    ))  # fmt: skip


def any_cut(rng: Rng, size: int, kinds: Sequence[str]) -> Cut:
    """A cut that makes six pieces at most."""
    kind = rng.pick(kinds)
    if kind == "sizes":
        cuts = sorted(rng.distinct(rng.integer(1, 3), 1, size - 1))
        return split_sizes(*rng.shuffled(between(size, *cuts)))
    if kind == "indices":
        return split_at(*sorted(rng.distinct(rng.integer(2, 3), 1, size - 2)))
    if kind == "split":
        return split(rng.integer(-(-size // 6), max(2, size // 2)))
    return {"chunk": chunk, "tensor_split": tensor_split}[kind](rng.integer(3, 6))


def one_cut(rng: Rng) -> Case:
    """One call, along the first axis at level 1 and along any from level 2 on."""
    size = rng.integer(7, 20)
    if rng.level == GUIDED:
        cut = any_cut(rng, size, ("chunk", "chunk", "split", "tensor_split"))
        x = rng.pick((f"torch.arange({size})", f"torch.zeros({size}, {rng.integer(2, 5)})"))
        ask = f"[{rng.pick(('len(p)', 'p.shape[0]'))} for p in {cut.call('x', function=rng.chance(0.3))}]"
    else:
        cut = any_cut(rng, size, ("chunk", "chunk", "split", "tensor_split", "sizes", "indices"))
        rank = rng.integer(2, 3)
        shape = rng.sizes(rank, 2, 6)
        at = rng.integer(0, rank - 1)
        shape[at] = size
        dim = rng.pick((f", dim={at}", f", dim={at - rank}")) if at else ""
        x = zeros(shape)
        ask = f"[p.shape[{at}] for p in {cut.call('x', dim, function=rng.chance())}]"
    turns = [Turn(name, rule(size), because) for name, rule, because in cut.misread]
    return Case(f"x = {x}", ask, cut.rule(size), turns)


KEPT: dict[str, Callable[[list[int]], int]] = {
    "[1]": lambda pieces: pieces[1] if len(pieces) > 1 else 0,
    "[-1]": lambda pieces: pieces[-1],
    "[1:]": lambda pieces: sum(pieces[1:]),
    "[:-1]": lambda pieces: sum(pieces[:-1]),
    "[::2]": lambda pieces: sum(pieces[::2]),
}


def lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def two_cuts(rng: Rng) -> Case:
    """One of the pieces, or some that are joined, is cut again."""
    size = rng.integer(16, 40)
    first = any_cut(rng, size, ("chunk", "chunk", "split", "tensor_split"))
    kept, how_many = rng.pick(list(KEPT.items()))
    second = any_cut(rng, max(4, how_many(first.rule(size))), ("chunk", "chunk", "split", "tensor_split"))
    x = rng.pick((f"torch.arange({size})", f"torch.zeros({size}, {rng.integer(2, 5)})"))
    taken = f"{first.call('x')}{kept}"
    y = f"torch.cat({taken})" if ":" in kept else taken

    def sizes(one: Callable[[int], list[int]], other: Callable[[int], list[int]]) -> list[int]:
        return other(left) if (left := how_many(one(size))) else []

    turns = [
        Turn(m.id, sizes(m.rule, second.rule), f"In the first call: {lower(m.because)}") for m in first.misread[:2]
    ]
    turns += [
        Turn(m.id, sizes(first.rule, m.rule), f"In the second call: {lower(m.because)}") for m in second.misread[:2]
    ]
    ask = f"[len(p) for p in {second.call('y')}]"
    return Case(f"x = {x}\ny = {y}", ask, sizes(first.rule, second.rule), turns)


def cut_puzzle(case: Case) -> PredictValue:
    return PredictValue(
        program=case.program,
        ask=case.ask,
        wrong=case.wrong,
        hints=[
            "Does the number say how many pieces there are, or how long one is?",
            (
                "split: the size of a piece. chunk: size / number, rounded up, is the size of a piece; then it goes on "
                "as split. tensor_split: exactly that many pieces, the first ones longer by one."
            ),
        ],
        why="`split(n)` makes pieces of size n, the last one shorter if need be; `split([a, b])` names the sizes. "
        "`chunk(n)` makes pieces of size ceil(size / n), so it may make fewer than n. `tensor_split(n)` makes exactly "
        "n, of which the first size % n are longer by one; `tensor_split((i, j))` cuts before the indices i and j.",
    )


@drill(levels=3, arena="0.0", structures=(20, 80, 65))
def split_chunk(rng: Rng) -> PredictValue:
    """The pieces that split, chunk and tensor_split make."""
    return cut_puzzle(told_apart(rng, two_cuts if rng.level == COMPOSED else one_cut))
