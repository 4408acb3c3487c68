"""What shape comes out of a printed einsum, or why none does."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tensordrill.authoring import Choice, Choose, PredictShape, Rng, Wrong, drill
from tensordrill.building.contraction import Contraction

TOP = 3  # the highest level


def at(net: Contraction, axis: str) -> str:
    """Where an axis stands, for one who sees no letters."""
    i = net.owners(axis)[0]
    return f"axis {net.operands[i].index(axis)} of `{net.names[i]}`"


Shape = tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """An einsum of tensors of those shapes. `terms` are the operands' letters, `right` the result's."""

    terms: tuple[str, ...]
    right: str
    shapes: tuple[Shape, ...]

    @property
    def letters(self) -> str:
        """All letters, each once, in order of appearance."""
        return "".join(dict.fromkeys("".join(self.terms)))

    def shape(self, right: str) -> Shape:
        """The shape of a result with those letters."""
        size = {
            c: n for term, shape in zip(self.terms, self.shapes, strict=True) for c, n in zip(term, shape, strict=True)
        }
        return tuple([size[letter] for letter in right])

    def fed(self, shape: Shape) -> "Call":
        """The same call with a first operand of that shape."""
        return Call(self.terms, self.right, (shape, *self.shapes[1:]))


def kept_in_order(call: Call) -> str:
    return "".join([letter for letter in call.letters if letter in call.right])


def doubled(call: Call) -> set[str]:
    """The letters that stand twice in a term, and in no other."""
    letters = "".join(call.terms)
    return {c for term in call.terms for c in term if letters.count(c) == term.count(c) > 1}


def kept_each_time(call: Call) -> str:
    return "".join([letter for letter in "".join(call.terms) if letter in call.right])


@dataclass(frozen=True)
class Rule:
    """What people take for the rule: the letters of the result that follow from it, and what is wrong with it."""

    id: str
    letters: Callable[[Call], str]
    because: str


RULES = (
    Rule("input-order", kept_in_order,
         "The result's axes are in the order of the letters after the arrow, not of those before it."),
    Rule("repeated-twice", kept_each_time,
         "A letter is one axis of the result, however often it stands before the arrow: the result has exactly the "
         "axes that stand after it."),
    Rule("alphabetical", lambda call: "".join(sorted(call.right)),
         "Letters are sorted alphabetically only where there is no arrow. After one the order is as written."),
    Rule("nothing-summed", lambda call: call.letters,
         "A letter that is missing after the arrow is summed: its axis is gone."),
    Rule("outer-product", lambda call: "".join(call.terms),
         "Tensors that share a letter run along it together, and what is missing after the arrow is summed."),
    Rule("summed-kept", lambda call: "".join([letter for letter in call.letters if letter not in call.right]),
         "You gave the axes that are summed. Those after the arrow are kept."),
    Rule("reversed", lambda call: call.right[::-1],
         "The result's axes are in the order of the letters after the arrow, first to last."),
)  # fmt: skip
IMPLICIT_RULES = (
    Rule("order-of-appearance", kept_in_order,
         "Without an arrow the result's letters are sorted alphabetically, not left where they appear."),
    Rule("repeated-kept", lambda call: "".join(sorted(call.letters)),
         "Without an arrow a letter that stands more than once is summed; only those that stand exactly once are "
         "kept."),
    Rule("repeated-kept-in-order", lambda call: call.letters,
         "Without an arrow a letter that stands more than once is summed, and the others are sorted alphabetically."),
    Rule("diagonal-kept", lambda call: "".join(sorted({*call.right, *doubled(call)})),
         "A letter that stands twice in one term stands more than once, so it is summed: without an arrow that is a "
         "trace, not a diagonal."),
    Rule("all-summed", lambda _: "",
         "No arrow is not an empty right side: letters that stand exactly once are kept."),
    Rule("reversed", lambda call: call.right[::-1],
         "Without an arrow the result's letters are sorted alphabetically, a first."),
)  # fmt: skip
MAX_RANK = 4
POOLS = ("abcd", "ijkl", "bqkd", "bshd", "nmkp", "bijk", "tuvw", "acik", "ebsf")


def once(terms: Sequence[str]) -> str:
    """The letters of the result where there is no arrow."""
    letters = "".join(terms)
    return "".join(sorted([letter for letter in letters if letters.count(letter) == 1]))


def terms_of(rng: Rng, letters: Sequence[str], count: int, *, diagonal: bool, first: str = "") -> tuple[str, ...]:
    """So many terms over the letters, each of which shares one with those before it. `first` is the first one."""
    while True:
        most = 3 if count > 1 else 4
        terms = [
            "".join(rng.sample(letters, rng.integer(1 + (count == 1), min(most, len(letters))))) for _ in range(count)
        ]
        if first:
            terms[0] = first
        elif diagonal:
            i = rng.integer(0, count - 1)
            letter = rng.pick(terms[i])
            terms[i] = "".join(rng.shuffled([*terms[i][:3], letter]))
        if all(set(terms[i]) & set("".join(terms[:i])) for i in range(1, count)) and max(map(len, terms)) > 1:
            return tuple(terms)


def explicit(rng: Rng, terms: Sequence[str]) -> str:
    """The letters after an arrow: some of them, and in another order."""
    letters = list(dict.fromkeys("".join(terms)))
    while True:
        right = rng.sample(letters, min(len(letters), rng.integer(1, 2) + rng.integer(0, 2)))
        if len(right) == 1 or right != [letter for letter in letters if letter in right]:
            return "".join(right)


def drawn(rng: Rng, *, arrow: bool, first: Shape = ()) -> Call:
    """A call whose result is another one under each of the rules that people mistake for the right one.

    `first` is the shape of its first operand, where that is given.
    """
    letters = rng.shuffled(rng.pick(POOLS))
    while True:
        count = rng.integer(1, 2) if rng.level == 1 else rng.integer(2, 3)
        if first:
            count = 2
        terms = terms_of(
            rng,
            letters,
            count,
            diagonal=rng.chance(0.4 if rng.level > 1 else 0.2),
            first="".join(letters[: len(first)]),
        )
        right = explicit(rng, terms) if arrow else once(terms)
        sizes = dict(zip(letters, rng.sizes(4, 2, 9), strict=True)) | dict(zip(terms[0], first, strict=False))
        call = Call(terms, right, tuple([tuple([sizes[letter] for letter in term]) for term in terms]))
        if (
            len(set(sizes.values())) == len(sizes)
            and 0 < len(right) <= MAX_RANK
            and (arrow or right != kept_in_order(call) or rng.chance(0.2))
        ):
            return call


def asked(rng: Rng, *, arrow: bool, rules: Sequence[Rule], hints: Sequence[str], why: str) -> PredictShape:
    """The shape of a call's result; at the highest level that result goes into another call."""
    call = drawn(rng, arrow=arrow)
    while rng.level == TOP and len(call.right) < 2:  # noqa: PLR2004 -- with one axis there is no order to get wrong
        call = drawn(rng, arrow=arrow)
    shape = call.shape(call.right)
    names = rng.pick((("A", "B", "C", "D"), ("P", "Q", "R", "S"), ("x", "y", "z", "w")))
    lines = [
        f"{name} = torch.zeros({', '.join(map(str, shape))})" for name, shape in zip(names, call.shapes, strict=False)
    ]
    wrong: dict[Shape, Wrong] = {}
    result = "mid" if rng.level == TOP else "out"
    used = names[: len(call.terms)]
    lines.append(f'{result} = torch.einsum("{spelled(call, arrow=arrow)}", {", ".join(used)})')
    turns = [(rule.id, call.shape(rule.letters(call)), rule.because) for rule in rules]
    if rng.level == TOP:
        second = drawn(rng, arrow=arrow, first=shape)
        other = names[len(call.terms)]
        lines.insert(-1, f"{other} = torch.zeros({', '.join(map(str, second.shapes[1]))})")
        lines.append(f'out = torch.einsum("{spelled(second, arrow=arrow)}", mid, {other})')
        turns = [
            (name, second.fed(made).shape(second.right), f"In the first call: {because[0].lower()}{because[1:]}")
            for name, made, because in turns
            if len(made) == len(shape)
        ] + [(rule.id, second.shape(rule.letters(second)), rule.because) for rule in rules]
        shape = second.shape(second.right)
    for name, made, because in turns:
        if made != shape:
            wrong.setdefault(made, Wrong(name, str(made), because))
    return PredictShape(program="\n".join(lines), ask="out", hints=hints, why=why, wrong=list(wrong.values()))


def spelled(call: Call, *, arrow: bool) -> str:
    return ",".join(call.terms) + (f"->{call.right}" if arrow else "")


@drill(after=["einsum.read"], levels=3, arena="0.0", structures=(400, 750, 850))
def output_shape(rng: Rng) -> PredictShape:
    """The shape that an einsum gives."""
    return asked(
        rng,
        arrow=True,
        rules=RULES,
        hints=[
            "Write each letter's size under it, tensor by tensor. Then look only at what stands after the arrow.",
            "The result has one axis for each letter after the arrow, in that order; every other letter is summed.",
        ],
        why="Before the arrow the letters say which axis of which tensor is which index. After it they say which are "
        "kept, and in which order: the result has exactly those axes. A letter that stands several times before the "
        "arrow is one index, of one size.",
    )


@drill(after=["einsum.output-shape"], levels=3, arena="0.0", structures=(100, 400, 800))
def implicit_output(rng: Rng) -> PredictShape:
    """An einsum without an arrow."""
    return asked(
        rng,
        arrow=False,
        rules=IMPLICIT_RULES,
        hints=[
            "There is no arrow, so torch makes the right side itself. Count how often each letter stands.",
            "Letters that stand exactly once are kept, in alphabetical order; all others are summed.",
        ],
        why="Implicit mode: without `->` the result has the letters that stand exactly once in the whole equation, "
        "sorted alphabetically; a letter that stands more than once is summed. So `ij,jk` is the matrix product, `ji` "
        "transposes, and renaming a letter can change the result.",
    )


@dataclass(frozen=True)
class Claim:
    """What somebody may say that a call does; `because` is what is wrong with it, where it is wrong."""

    id: str
    choice: Choice
    because: str


def gives(name: str, shape: Shape, because: str) -> Claim:
    return Claim(name, Choice(f"It gives shape `{shape}`.", holds=f"out.shape == {shape}"), because)


def raises(name: str, what: str, error: str, because: str) -> Claim:
    return Claim(name, Choice(f"It raises: {what}.", raises=error), because)


def misfit(letter: str, because: str, name: str = "mismatch-imagined") -> Claim:
    return raises(name, f"the sizes of `{letter}` do not fit", f"subscript {letter} ", because)


def summed_raises(call: Call) -> Iterator[Claim]:
    for letter in call.letters:
        if letter not in call.right:
            yield raises(
                "sum-raises",
                f"`{letter}` is missing after the arrow",
                "missing",
                "A letter that is missing after the arrow is summed; nothing raises.",
            )


def repeat_raises(call: Call) -> Iterator[Claim]:
    for term in call.terms:
        for letter in dict.fromkeys(term):
            if term.count(letter) > 1:
                yield raises(
                    "repeat-raises",
                    f"`{letter}` stands twice in one term",
                    "twice in one term",
                    "A letter may stand as often as you like before the arrow: twice in one term, it takes the "
                    "diagonal. Only after the arrow must it stand once.",
                )


def order_raises(call: Call) -> Iterator[Claim]:
    if call.right != kept_in_order(call):
        yield raises(
            "order-raises",
            "the letters after the arrow are out of order",
            "out of order",
            "The letters after the arrow may be in any order: that is how einsum transposes.",
        )


def shapes_of(call: Call, because: str = "", name: str = "") -> Iterator[Claim]:
    """The shapes of the rules that people mistake for the right one."""
    for rule in RULES:
        yield gives(name or rule.id, call.shape(rule.letters(call)), because or rule.because)


def fillers(call: Call) -> list[Claim]:
    return [*repeat_raises(call), *order_raises(call), *summed_raises(call)]


@dataclass(frozen=True)
class Case:
    """A call, what it does, and what people say that it does, the likeliest first."""

    call: Call
    right: Claim
    lures: Sequence[Claim]


def sound(rng: Rng) -> Case:
    """Nothing is wrong with it."""
    call = drawn(rng, arrow=True)
    shared = [letter for letter in call.letters if "".join(call.terms).count(letter) > 1]
    fits = [
        misfit(x, f"All sizes of `{x}` are {call.shape(x)[0]}, wherever it stands.") for x in rng.shuffled(shared)[:1]
    ]
    lures = [*repeat_raises(call), *rng.shuffled([*order_raises(call), *summed_raises(call), *fits])[:2]]
    return Case(call, gives("", call.shape(call.right), ""), [*lures, *shapes_of(call)])


def resized(call: Call, i: int, letter: str, size: int) -> Call:
    """The call with that axis of operand i of another size."""
    at = call.terms[i].index(letter)
    shape = (*call.shapes[i][:at], size, *call.shapes[i][at + 1 :])
    return Call(call.terms, call.right, (*call.shapes[:i], shape, *call.shapes[i + 1 :]))


def misfitting(rng: Rng) -> Case:
    """Two tensors have different sizes where they share a letter. Size 1 is stretched; others raise."""
    call, letter, i = shared_axis(rng)
    size = call.shape(letter)[0]
    if rng.chance():
        changed = resized(call, i, letter, 1)
        stretched = (
            f"`{letter}` has size 1 in one tensor, and einsum stretches it to {size}, as broadcasting does. Only sizes "
            "that differ and are both larger than 1 raise."
        )
        lures = [misfit(letter, stretched, "size-1-raises")]
        if letter in call.right:
            ones = tuple([1 if c == letter else n for c, n in zip(call.right, call.shape(call.right), strict=True)])
            lures.append(gives("size-1-kept", ones, stretched))
        return Case(changed, gives("", call.shape(call.right), ""), [*lures, *shapes_of(call), *fillers(call)])
    used = set(call.shape(call.letters))
    other = rng.pick([n for n in range(2, 10) if n not in used])
    changed = resized(call, i, letter, other)
    because = (
        f"A letter has one size. `{letter}` has {size} in one tensor and {other} in another, and neither is 1, so "
        "nothing can be stretched: it raises, whether the letter is kept or summed."
    )
    bigger = tuple([other if c == letter else n for c, n in zip(call.right, call.shape(call.right), strict=True)])
    lures = [gives("mismatch-runs", call.shape(call.right), because), gives("mismatch-runs", bigger, because)]
    return Case(changed, misfit(letter, ""), [*lures, *fillers(call), *shapes_of(call, because, "mismatch-runs")])


def shared_axis(rng: Rng) -> tuple[Call, str, int]:
    """A call, a letter that stands once in each of several terms, and the place of one of these."""
    while True:
        call = drawn(rng, arrow=True)
        shared = [c for c in call.letters if sum(c in term for term in call.terms) > 1]
        shared = [c for c in shared if all(term.count(c) < 2 for term in call.terms)]  # noqa: PLR2004 -- no diagonal
        if shared:
            letter = rng.pick(shared)
            return call, letter, rng.pick([i for i, term in enumerate(call.terms) if letter in term])


def uneven_diagonal(rng: Rng) -> Case:
    """The two axes of a diagonal have different sizes, and 1 is no exception."""
    while True:
        call = drawn(rng, arrow=True)
        twice = [(i, c) for i, term in enumerate(call.terms) for c in term if c in doubled(call)]
        if twice:
            break
    i, letter = rng.pick(twice)
    size = call.shape(letter)[0]
    other = 1 if rng.chance() else rng.pick([n for n in range(2, 10) if n != size])
    changed = resized(call, i, letter, other)
    because = (
        f"A diagonal needs two axes of one size; those of `{letter}` have {other} and {size}. Within one term not even "
        "size 1 is stretched."
    )
    lures = [
        gives("diagonal-stretched", call.shape(call.right), because),
        gives("diagonal-stretched", call.shape(kept_each_time(call)), because),
    ]
    right = raises("", f"the sizes of `{letter}` do not fit", f"subscript {letter} is repeated", "")
    return Case(changed, right, [*lures, *fillers(call), *shapes_of(call, because, "diagonal-stretched")])


def repeated_output(rng: Rng) -> Case:
    """A letter stands twice after the arrow."""
    call = drawn(rng, arrow=True)
    letter = rng.pick(call.right)
    place = rng.integer(0, len(call.right))
    right = call.right[:place] + letter + call.right[place:]
    because = (
        f"`{letter}` stands twice after the arrow. An output letter may stand once only: einsum makes no diagonals."
    )
    lures = [
        gives("output-repeat-runs", call.shape(right), because),
        gives("output-repeat-runs", call.shape(call.right), because),
    ]
    claim = raises("", f"`{letter}` stands twice after the arrow", f"output subscript {letter} appears more", "")
    lures += [*fillers(call), *shapes_of(call, because, "output-repeat-runs")]
    return Case(Call(call.terms, right, call.shapes), claim, lures)


def unknown_output(rng: Rng) -> Case:
    """A letter after the arrow is in no term before it."""
    call = drawn(rng, arrow=True)
    stray = rng.pick([c for c in "ghopxyz" if c not in call.letters])
    place = rng.integer(0, len(call.right) - 1)
    right = call.right[:place] + stray + call.right[place + 1 :]
    because = f"`{stray}` stands in no term before the arrow, so it has no size."
    ones = tuple([1 if c == stray else call.shape(c)[0] for c in right])
    lures = [
        gives("unknown-runs", ones, because),
        gives("unknown-runs", call.shape(right.replace(stray, "")), because),
        gives("unknown-runs", call.shape(call.right), because),
    ]
    claim = raises("", f"`{stray}` is in none of the terms before the arrow", f"output subscript {stray} does not", "")
    return Case(Call(call.terms, right, call.shapes), claim, [*lures, *summed_raises(call), *order_raises(call)])


def wrong_rank(rng: Rng) -> Case:
    """A term has a letter less than its tensor has axes."""
    while True:
        call = drawn(rng, arrow=True)
        i = rng.integer(0, len(call.terms) - 1)
        if len(call.terms[i]) < MAX_RANK:
            break
    extra = rng.pick([n for n in range(2, 10) if n not in call.shape(call.letters)])
    shape = rng.pick(((extra, *call.shapes[i]), (*call.shapes[i], extra)))
    changed = Call(call.terms, call.right, (*call.shapes[:i], shape, *call.shapes[i + 1 :]))
    name = NAMES[i]
    because = (
        f"`{name}` has {len(shape)} axes, and its term {len(call.terms[i])}. Without `...` a term names every axis of "
        "its tensor; none is added or left out by itself."
    )
    plain = call.shape(call.right)
    lures = [
        gives("rank-runs", plain, because),
        gives("rank-runs", (extra, *plain), because),
        gives("rank-runs", (*plain, extra), because),
    ]
    claim = raises("", f"`{name}` has more axes than its term has letters", "does not match the number of dim", "")
    return Case(changed, claim, [*lures, *fillers(call)])


NAMES = "ABC"
CASES = (
    *(sound, sound, sound, sound),
    *(misfitting, misfitting, misfitting, misfitting),
    *(uneven_diagonal, uneven_diagonal, repeated_output, repeated_output, unknown_output, wrong_rank),
)
MOST_CHOICES = 5


@drill(after=["einsum.output-shape"], levels=2, arena="0.0", structures=(850, 850))
def invalid(rng: Rng) -> Choose:
    """What a call does that may be broken."""
    case = rng.pick(CASES)(rng)
    call = case.call
    names = NAMES[: len(call.terms)]
    lines = [
        f"{name} = torch.zeros({', '.join(map(str, shape))})" for name, shape in zip(names, call.shapes, strict=True)
    ]
    claims = {case.right.choice.text: case.right}
    for claim in case.lures:
        if len(claims) < MOST_CHOICES:
            claims.setdefault(claim.choice.text, claim)
    return Choose(
        prompt="What does this do?",
        program="\n".join([*lines, f'out = torch.einsum("{spelled(call, arrow=True)}", {", ".join(names)})']),
        choices=[claim.choice for claim in claims.values()],
        right=case.right.choice.text,
        hints=[
            "Write each tensor's sizes under the letters of its term. Has each axis a letter, each letter one size?",
            (
                "Before the arrow a letter may stand any number of times, after it once, and only if it stood before. "
                "Of two sizes that differ, einsum stretches one that is 1, but not inside one tensor."
            ),
        ],
        why="Each term names every axis of its tensor. A letter has one size; where tensors differ in it, size 1 is "
        "broadcast silently, and anything else raises. A letter that stands twice in one term takes the diagonal of "
        "two axes of exactly one size. After the arrow each letter stands once, and is one of those before it, in any "
        "order.",
        wrong=[Wrong(claim.id, text, claim.because) for text, claim in claims.items() if claim is not case.right],
    )
