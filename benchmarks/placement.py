"""How well a placement finds out what simulated learners know, beside two simpler ways to choose the next puzzle.

    python benchmarks/placement.py [LEARNERS OF EACH KIND]

Learners slip at 10 % of what they know and guess 5 % of what they do not. No learner is drawn from the placement's own
prior: each kind is told by which tracks it knows, and how deep. All three ways share the belief and the conclusion;
the peers always ask 15.
"""

import random
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from tensordrill.catalog import Catalog, built_in
from tensordrill.schedule.knowledge import Outcome, depths, track_of
from tensordrill.schedule.placement import MOST_PUZZLES, Placement

SLIP, GUESS = 0.10, 0.05
UNSURE = 0.45  # how often somebody who does not know says so

After = Mapping[str, Sequence[str]]
Ask = Callable[[Placement, random.Random], str | None]
Kind = Callable[[After, random.Random], set[str]]


def beginner(after: After, rng: random.Random) -> set[str]:
    """Knows nothing."""
    del after, rng
    return set()


def first_steps(after: After, rng: random.Random) -> set[str]:
    """Knows what builds on nothing in the first three tracks."""
    del rng
    return within(after, {"einsum": 0, "einops": 0, "shapes": 0})


def einsum_only(after: After, rng: random.Random) -> set[str]:
    del rng
    return within(after, {"einsum": 99})


def einops_only(after: After, rng: random.Random) -> set[str]:
    del rng
    return within(after, {"einops": 99})


def torch_user(after: After, rng: random.Random) -> set[str]:
    """Has written torch for years, and neither einsum nor einops."""
    del rng
    return within(after, {"shapes": 99, "indexing": 99, "memory": 99, "autograd": 3, "training": 99})


def engineer(after: After, rng: random.Random) -> set[str]:
    """Knows nearly everything: not hooks, and not one in twenty of what nothing builds on."""
    leaves = set(after) - {before for names in after.values() for before in names}
    return {d for d in after if track_of(d) != "hooks" and not (d in leaves and rng.random() < 1 / 20)}


def expert(after: After, rng: random.Random) -> set[str]:
    """Knows everything."""
    del rng
    return set(after)


def patchy(after: After, rng: random.Random) -> set[str]:
    """In each track as deep as chance has it."""
    return within(after, {track: rng.choice([-1, 1, 2, 3, 5, 99]) for track in dict.fromkeys(map(track_of, after))})


def holes(after: After, rng: random.Random) -> set[str]:
    """Patchy, and one drill in twenty the other way round, whatever it builds on."""
    known = patchy(after, rng)
    return {drill for drill in after if (drill in known) != (rng.random() < 1 / 20)}


KINDS: tuple[Kind, ...] = (
    beginner, first_steps, einsum_only, einops_only, torch_user, engineer, expert, patchy, holes,
)  # fmt: skip


def within(after: After, deepest: Mapping[str, int]) -> set[str]:
    """The drills of some tracks up to a depth, as far as what they build on is among them."""
    known: set[str] = set()
    for drill, depth in depths(after).items():
        if depth <= deepest.get(track_of(drill), -1) and known.issuperset(after[drill]):
            known.add(drill)
    return known


def by_information(placement: Placement, rng: random.Random) -> str | None:
    """What `tensordrill placement` does."""
    del rng
    return placement.next


def at_random(placement: Placement, rng: random.Random) -> str | None:
    left = unasked(placement)
    return rng.choice(left) if left else None


def nearest_half(placement: Placement, rng: random.Random) -> str | None:
    """The drill about which itself the least is known."""
    del rng
    return min(unasked(placement), key=lambda drill: abs(placement.belief.known[drill] - 0.5), default=None)


def unasked(placement: Placement) -> list[str]:
    over = len(placement.answers) >= MOST_PUZZLES
    return [] if over else [drill for drill in placement.open if drill not in placement.answers]


@cache
def catalog() -> Catalog:
    return built_in()


@cache
def reached(answers: tuple[tuple[str, Outcome], ...]) -> Placement:
    """The placement after those answers. Learners share their beginnings, and what was computed for them."""
    return reached(answers[:-1]).answered(*answers[-1]) if answers else Placement.begin(catalog().after)


def played(knows: set[str], ask: Ask, rng: random.Random) -> Placement:
    """A whole placement of somebody who knows these drills."""
    placement = reached(())
    while (drill := ask(placement, rng)) is not None:
        if rng.random() < (1 - SLIP if drill in knows else GUESS):
            outcome = Outcome.RIGHT
        else:
            outcome = Outcome.UNSURE if drill not in knows and rng.random() < UNSURE else Outcome.WRONG
        placement = reached((*placement.answers.items(), (drill, outcome)))
    return placement


def measured(kind: Kind, ask: Ask, number: int) -> tuple[float, float, int, Placement]:
    """For one learner the share of drills told rightly, that falsely held to be known, the puzzles, and the rest."""
    rng = random.Random(f"{kind.__name__}/{number}")
    after = catalog().after
    knows = kind(after, rng)
    placement = played(knows, ask, rng)
    held = placement.known()
    right = sum((drill in held) == (drill in knows) for drill in after)
    return right / len(after), len(held - knows) / len(after), len(placement.answers), placement


def main() -> None:
    each = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print(f"{each} learners of each kind; share of drills told rightly, share falsely known; puzzles: median and most")
    ways: tuple[tuple[str, Ask], ...] = (
        ("by information", by_information),
        ("p nearest 0.5", nearest_half),
        ("at random", at_random),
    )
    print(f"{'':12}" + "".join(f"{name:^24}" for name, _ in ways))
    everything: dict[str, list[tuple[float, float, int]]] = {name: [] for name, _ in ways}
    for kind in KINDS:
        row = f"{kind.__name__:12}"
        for name, ask in ways:
            figures = [measured(kind, ask, number)[:3] for number in range(each)]
            everything[name] += figures
            row += told(figures)
        print(row, flush=True)
    print(f"{'all':12}" + "".join(told(everything[name]) for name, _ in ways))


def told(figures: Sequence[tuple[float, float, int]]) -> str:
    right, false, puzzles = zip(*figures, strict=True)
    share = f"{statistics.mean(right):5.1%} {statistics.mean(false):5.1%}"
    return f"{share} {statistics.median(puzzles):5.1f} {max(puzzles):2}".center(24)


if __name__ == "__main__":
    main()
