"""What a drill module imports: the decorator, the random numbers, the wrong turns and the puzzle kinds.

    from tensordrill.authoring import Edit, PredictShape, Rng, Wrong, drill

    @drill(after=["shapes.squeeze"])
    def stack_cat(rng: Rng) -> PredictShape:
        '''stack and cat.'''

The drill's id is the track's name and the function's, with dashes: `shapes.stack-cat`. The track is the module's name
up to an underscore: a long track has several modules (`einsum_axes.py`, `einsum_products.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tensordrill.domain import MAX_LEVEL
from tensordrill.lesson import CHAPTERS, TOPICS
from tensordrill.puzzles import (
    Choice,
    Choose,
    Edit,
    FixLine,
    OrderLines,
    PredictShape,
    PredictValue,
    Puzzle,
    Tensor,
    WriteCode,
    WriteEinsum,
    WriteExpression,
    WritePattern,
    Wrong,
    spell,
    tensor,
)
from tensordrill.rng import Rng


@dataclass(frozen=True)
class Drill:
    """One skill: what makes its puzzles, and what should be learned first.

    `lesson` is the topic of the learner's lesson that names it, `arena` the ARENA chapter that first needs it; each is
    None where there is none. `levels` counts from 1. `structures` says how many different ones each level reaches
    within 1,000 seeds, at the least.
    """

    id: str
    title: str
    after: tuple[str, ...]
    levels: int
    lesson: str | None
    generator: Callable[[Rng], Puzzle]
    structures: tuple[int, ...] = ()
    arena: str | None = None

    @property
    def track(self) -> str:
        return self.id.partition(".")[0]

    def puzzle(self, seed: int, level: int = 1) -> Puzzle:
        """The puzzle of that seed and level: the same one on every machine and every Python."""
        rng = Rng(f"{self.id}/{level}/{seed}", level)
        puzzle = self.generator(rng)
        return puzzle.shuffled(rng.shuffled(range(puzzle.shown_items))) if puzzle.shown_items else puzzle


def drill(
    *,
    after: Sequence[str] = (),
    levels: int = 1,
    lesson: str | None = None,
    arena: str | None = None,
    structures: Sequence[int] = (),
) -> Callable[[Callable[[Rng], Puzzle]], Drill]:
    """Make a drill of a generator. Its title is the first line of the docstring.

    `structures` names, for each level, how many structures 1,000 seeds must reach; `drills check` holds it to that.
    Raises ValueError where the title is missing, `levels` is out of range, `structures` has not one for each level, or
    `lesson` or `arena` is none that `tensordrill.lesson` knows.
    """

    def register(generator: Callable[[Rng], Puzzle]) -> Drill:
        track = generator.__module__.rpartition(".")[2].partition("_")[0]
        name = f"{track}.{generator.__name__}".replace("_", "-")
        title = (generator.__doc__ or "").strip().partition("\n")[0].rstrip(".")
        if not title:
            raise ValueError(f"{name}: the docstring's first line is the drill's title, and there is none")
        if not 1 <= levels <= MAX_LEVEL:
            raise ValueError(f"{name}: a drill has 1 to {MAX_LEVEL} levels, not {levels}")
        if structures and len(structures) != levels:
            raise ValueError(f"{name}: {levels} levels take {levels} numbers of structures, not {len(structures)}")
        if lesson not in (None, *TOPICS):
            raise ValueError(f"{name}: no topic of the lesson is called {lesson!r}; they are {', '.join(TOPICS)}")
        if arena not in (None, *CHAPTERS):
            raise ValueError(f"{name}: no ARENA chapter is numbered {arena!r}; they are {', '.join(CHAPTERS)}")
        return Drill(name, title, tuple(after), levels, lesson, generator, tuple(structures), arena)

    return register


__all__ = [
    "Choice",
    "Choose",
    "Drill",
    "Edit",
    "FixLine",
    "OrderLines",
    "PredictShape",
    "PredictValue",
    "Rng",
    "Tensor",
    "WriteCode",
    "WriteEinsum",
    "WriteExpression",
    "WritePattern",
    "Wrong",
    "drill",
    "spell",
    "tensor",
]
