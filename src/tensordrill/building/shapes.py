"""Torch expressions as data: the shape that each gives, and the shapes that people take it to give."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import NamedTuple

from tensordrill.puzzles import PredictShape, Wrong
from tensordrill.rng import Rng

Shape = tuple[int, ...]
Rule = Callable[..., Shape | None]  # what becomes of the operands' shapes; None, or an IndexError, where torch raises
_LARGEST, _LONGEST = 99, 6  # what may have to be typed
_ONE_LINE = 2  # levels on which steps are chained in one expression
_TRIES = 400  # of which at least one in ten is sound


class Misread(NamedTuple):
    """A wrong rule for one step, under the id of its wrong turn, and the sentence about it."""

    id: str
    rule: Rule
    because: str


class Guess(NamedTuple):
    """A wrong turn's id, the shape that it predicts (None: an error), and the sentence about it."""

    id: str
    shape: Shape | None
    because: str


@dataclass(frozen=True)
class Shaped:
    """An expression, its shape (None where it raises), and what comes out where one step of it is misread.

    `Shaped("x", (2, 3)).then("{}.mT", lambda s: s[::-1], [Misread("unchanged", lambda s: s, "…")])` is `x.mT`.
    The shapes are for telling mistakes apart; torch says what is right.
    """

    text: str
    shape: Shape | None
    guesses: tuple[Guess, ...] = ()

    @property
    def sizes(self) -> Shape:
        """The shape, where it is known that nothing raises."""
        assert self.shape is not None
        return self.shape

    @property
    def rank(self) -> int:
        return len(self.sizes)

    def then(self, text: str, rule: Rule, misread: Iterable[Misread] = (), *others: "Shaped") -> "Shaped":
        """The expression in which `{}` of the text stand for this one and the others."""
        operands = (self, *others)
        shapes = [operand.shape for operand in operands]
        guesses = [Guess(it.id, _given(it.rule, shapes), it.because) for it in misread if None not in shapes]
        for i, operand in enumerate(operands):
            for guess in operand.guesses:
                taken = [*shapes[:i], guess.shape, *shapes[i + 1 :]]
                guesses.append(guess._replace(shape=_given(rule, taken)))
        return Shaped(text.format(*[operand.text for operand in operands]), _given(rule, shapes), tuple(guesses))

    def called(self, name: str) -> "Shaped":
        """The same under the name of a variable."""
        return replace(self, text=name)

    def mistaken(self, *guesses: Guess) -> "Shaped":
        """The same with further mistakes, which come before those of single steps."""
        return replace(self, guesses=(*guesses, *self.guesses))

    def wrong(self, *, can_fail: bool) -> list[Wrong]:
        """The mistakes as wrong turns, without those that predict what one before them does."""
        shapes = {guess.shape: guess for guess in reversed(self.guesses) if can_fail or guess.shape is not None}
        shapes.pop(self.shape, None)
        return [
            Wrong(guess.id, "error" if guess.shape is None else str(guess.shape), guess.because)
            for guess in reversed(shapes.values())
        ]

    def telling(self, *, can_fail: bool) -> bool:
        """Whether every mistake shows, and the answer is short enough to type.

        Where it raises, a mistake may still lead to another error; but two must lead to shapes.
        """
        wrong = {guess.shape for guess in self.guesses}
        if self.shape is None:
            return can_fail and len(wrong - {None}) > 1
        fits = len(self.shape) <= _LONGEST and max(self.shape, default=1) <= _LARGEST
        return fits and self.shape not in wrong and len(wrong if can_fail else wrong - {None}) > 1


def _given(rule: Rule, shapes: Sequence[Shape | None]) -> Shape | None:
    if None in shapes:
        return None
    try:
        return rule(*shapes)
    except IndexError:
        return None


Asked = tuple[str, Shaped]  # the program that is shown, and the expression whose shape is asked
Step = Callable[[Rng, Shaped], Shaped]


def shape_puzzle(
    rng: Rng, made: Callable[[Rng], Asked], *, hints: Sequence[str], why: str, fails: bool | None = None
) -> PredictShape:
    """A program of that maker in which every mistake shows. `fails` says whether it raises; None: no error is asked."""
    can_fail = fails is not None

    def telling() -> Iterator[Asked]:
        for _ in range(_TRIES):
            program, asked = made(rng)
            if (asked.shape is None) == bool(fails) and asked.telling(can_fail=can_fail):
                yield program, asked

    program, asked = next(telling())
    wrong = asked.wrong(can_fail=can_fail)
    return PredictShape(program=program, ask=asked.text, can_fail=can_fail, wrong=wrong, hints=hints, why=why)


# --- tensors to begin with, and steps one after the other

_THINGS = {
    2: (
        ("tokens", "batch seq"),
        ("frame", "height width"),
        ("pattern", "query key"),
        ("W_E", "vocab d_model"),
    ),
    3: (
        ("wave", "batch channel time"),
        ("residual", "batch seq d_model"),
        ("acts", "layer batch neuron"),
        ("logits", "batch seq vocab"),
        ("latents", "batch seq latent"),
        ("experts", "expert d_in d_out"),
    ),
    4: (
        ("images", "batch channel height width"),
        ("scores", "batch head query key"),
        ("keys", "batch seq head d_head"),
        ("W_Q", "layer head d_model d_head"),
        ("cache", "layer batch seq d_model"),
        ("photos", "batch height width channel"),
    ),
    5: (
        ("video", "batch frame channel height width"),
        ("patterns", "layer batch head query key"),
    ),
}


def tensor_of(rng: Rng, shape: Sequence[int]) -> Asked:
    """The line that makes a tensor of that shape, which has 2 to 5 axes. The first level names them."""
    name, axes = rng.pick(_THINGS[len(shape)])
    return f"{name} = {zeros(shape, axes.split() if rng.level == 1 else ())}", Shaped(name, tuple(shape))


def chained(rng: Rng, start: Asked, steps: Iterable[Step]) -> Asked:
    """The steps one after the other; from the third level on, each but the last on a line of its own."""
    program, x = start
    names = iter("yzuv")
    for i, step in enumerate(steps):
        if i and rng.level > _ONE_LINE:
            name = next(names)
            program, x = f"{program}\n{name} = {x.text}", x.called(name)
        x = step(rng, x)
    return program, x


def method(rng: Rng, x: Shaped, name: str, arguments: str) -> str:
    """The call of a method; or now and then, of a variable, that of the function of the same name."""
    if x.text.isidentifier() and rng.chance(0.3):
        return f"torch.{name}({{}}, {arguments})"
    return f"{{}}.{name}({arguments})"


def signed(rng: Rng, axis: int, rank: int) -> int:
    """The axis as a dim, which may be negative from the second level on."""
    return axis - rank if rng.level > 1 and rng.chance() else axis


def misnumbered(dims: Sequence[int], rank: int) -> tuple[str, list[int], str] | None:
    """The axes that dims name for those who count from 1, or take -1 for the last but one; with the id and sentence.

    None where there are no such axes.
    """
    if any(dim < 0 for dim in dims):
        name, because = "negative-off-by-one", "A negative dim counts from the end, and -1 is the last axis."
        dims = [dim - 1 if dim < 0 else dim for dim in dims]
    elif 0 not in dims:
        name, because = "counted-from-one", "Axes count from 0: dim 1 is the second."
        dims = [dim - 1 for dim in dims]
    else:
        return None
    axes = [dim % rank for dim in dims]
    return None if min(dims) < -rank or len({*axes}) < len(axes) else (name, axes, because)


# --- text and shapes


def zeros(shape: Sequence[int], axes: Sequence[str] = ()) -> str:
    """`torch.zeros(2, 3)  # batch, seq`."""
    comment = f"  # {', '.join(axes)}" if axes else ""
    return f"torch.zeros({', '.join(map(str, shape))}){comment}"


def bracketed(dims: Sequence[int]) -> str:
    """`2`, or `(0, 2)` where there are several."""
    return str(dims[0]) if len(dims) == 1 else f"({', '.join(map(str, dims))})"


def axis_at(dim: int, shape: Shape) -> int:
    """The axis that a dim names, from 0. Raises IndexError where there is none."""
    return range(len(shape))[dim]


def inserted(shape: Shape, at: int, *sizes: int) -> Shape:
    """The shape with axes of those sizes before that of position `at`, from 0 to the rank. Raises IndexError."""
    if not 0 <= at <= len(shape):
        raise IndexError(at)
    return (*shape[:at], *sizes, *shape[at:])


def replaced_at(shape: Shape, dim: int, *sizes: int) -> Shape:
    """The shape with axes of those sizes, or none, in place of the one that a dim names. Raises IndexError."""
    at = axis_at(dim, shape)
    return (*shape[:at], *sizes, *shape[at + 1 :])


def broadcast_of(*shapes: Shape) -> Shape | None:
    """The shape that they are stretched to together; None where they do not fit."""
    sizes: list[int] = []
    for column in zip_longest(*[shape[::-1] for shape in shapes], fillvalue=1):
        if len({*column} - {1}) > 1:
            return None
        sizes.append(max(column))
    return tuple(sizes[::-1])
