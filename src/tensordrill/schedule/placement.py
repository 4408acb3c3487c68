"""Where a learner stands, found with few puzzles: which drill to ask next, and what to conclude.

A puzzle is asked of the drill that tells most about all drills together. That is one in the middle, with much below
it and much above: solved, it speaks for what it builds on; missed, the next one lies lower.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from tensordrill.schedule.knowledge import Belief, Outcome, depths, prior, track_of, tracks

MOST_PUZZLES = 15
OPEN_TRACKS = 3  # tracks that may be asked about at first; each solved puzzle, or track that has begun, opens one more
LEAST_CHANCE = 0.2  # what is less probably known than this is not asked: it would only discourage
LEAST_BITS = 1.0  # what tells less than this about all drills together is not worth a puzzle
FEW = 70  # where fewer drills are to be placed than these, proportionally less is worth one
SURE = 0.02  # what is known, or not, up to this much doubt is not worth learning about
HELD = 0.7  # how probably a drill must be known to be held to be known

FIRST_DAYS = 2  # the soonest that a drill which is held to be known comes back
LAST_DAYS = 21  # the most that a placement promises, unless too many come at once
A_DAY = 8  # how many of them may come back on the same day


@dataclass(frozen=True)
class Placement:
    """A placement as far as it has come. Immutable: `answered` returns the next one.

    `after` is the catalog. `settled` are the drills that have a card, and whether they are learned: they are neither
    asked nor placed, and tell as much as an answer. `answers` are in the order in which they were given.
    """

    after: Mapping[str, Sequence[str]]
    belief: Belief
    settled: Mapping[str, bool] = field(default_factory=dict)
    answers: Mapping[str, Outcome] = field(default_factory=dict)

    @classmethod
    def begin(cls, after: Mapping[str, Sequence[str]], settled: Mapping[str, bool] | None = None) -> "Placement":
        """A placement without answers. Settled drills that the catalog lacks are left out."""
        mine = {drill: learned for drill, learned in (settled or {}).items() if drill in after}
        belief = prior(after)
        for drill, learned in mine.items():
            belief = belief.given(drill, Outcome.RIGHT if learned else Outcome.WRONG)
        return cls(after, belief, mine)

    def answered(self, drill: str, outcome: Outcome) -> "Placement":
        """After a puzzle of that drill, which is not asked again."""
        return replace(self, belief=self.belief.given(drill, outcome), answers={**self.answers, drill: outcome})

    @cached_property
    def next(self) -> str | None:
        """The drill to ask now; None where the placement is over."""
        if len(self.answers) >= MOST_PUZZLES:
            return None
        doubtful = [drill for drill in self.open if SURE < self.belief.known[drill] < 1 - SURE]
        # Rounded, so that the last bit of a logarithm, which machines may differ in, decides nothing.
        told = {drill: round(self.belief.information(drill, doubtful), 6) for drill in self._askable()}
        enough = LEAST_BITS * min(len(self.open) / FEW, 1)
        best = max(told, key=told.__getitem__, default=None)
        return best if best is not None and told[best] >= enough else None

    @property
    def open(self) -> list[str]:
        """The drills to be placed: those without a card."""
        return [drill for drill in self.after if drill not in self.settled]

    @property
    def expected(self) -> Outcome:
        """What the next answer will probably be."""
        likely = self.next is not None and self.belief.known[self.next] >= 0.5  # noqa: PLR2004 -- likelier than not
        return Outcome.RIGHT if likely else Outcome.WRONG

    def known(self) -> frozenset[str]:
        """The drills that are held to be known: probably known, and so is everything that they build on."""
        held: set[str] = set()
        for drill in depths(self.after):
            ready = all(before in held or before in self.settled for before in self.after[drill])
            if drill not in self.settled and ready and self.belief.known[drill] >= HELD:
                held.add(drill)
        return frozenset(held)

    def with_known(self, known: Collection[str], drills: Iterable[str]) -> frozenset[str]:
        """What is known where these are known too: they, and all that they build on."""
        below = {before for drill in drills for before in self._below(drill)}
        return frozenset(known) | (below - self.settled.keys())

    def without_known(self, known: Collection[str], drills: Iterable[str]) -> frozenset[str]:
        """What is known where these are not: neither they, nor what builds on them."""
        gone = set(drills)
        return frozenset(drill for drill in known if not gone & self._below(drill).keys())

    def stabilities(self, known: Collection[str]) -> dict[str, int]:
        """A first stability, in days, for each of the drills that are held to be known.

        It is longer the more solved puzzles speak for a drill, and the further it lies below one. The least certain
        come first, and no more than `A_DAY` for the same day.
        """
        support, steps = Counter[str](), Counter[str]()
        for solved, outcome in self.answers.items():
            if outcome is Outcome.RIGHT:
                for drill, distance in self._below(solved).items():
                    support[drill] += 1
                    steps[drill] = max(steps[drill], distance)
        days = {drill: min(FIRST_DAYS * (1 + support[drill]) + steps[drill], LAST_DAYS) for drill in known}
        order = {drill: place for place, drill in enumerate(self.after)}
        given, taken = dict[str, int](), Counter[int]()
        for drill in sorted(days, key=lambda drill: (days[drill], self.belief.known[drill], order[drill])):
            day = days[drill]
            while taken[day] >= A_DAY:
                day += 1
            taken[day] += 1
            given[drill] = day
        return given

    def _askable(self) -> list[str]:
        solved = sum(outcome is Outcome.RIGHT for outcome in self.answers.values())
        begun = {track_of(drill) for drill, learned in self.settled.items() if learned}
        place = tracks(self.after)
        return [
            drill
            for drill in self.open
            if drill not in self.answers
            and place[track_of(drill)] < OPEN_TRACKS + solved + len(begun)
            and self.belief.known[drill] >= LEAST_CHANCE
        ]

    def _below(self, drill: str) -> dict[str, int]:
        """The drill and all that it builds on, with how many steps each lies below it, at the most."""
        found = {drill: 0}
        for other in reversed(depths(self.after)):
            if other in found:
                for before in self.after[other]:
                    found[before] = max(found.get(before, 0), found[other] + 1)
        return found
