"""What a learner may know, as far as some answers tell: a prior over what can be known, and Bayes' rule.

A *state* says of every drill whether it is known. Some thousand states are drawn once from a prior that knows three
things: what builds on what, which drills share a track, and that tracks come in the order in which they are taught.
Answers give each state a weight. Such states are the knowledge spaces of Doignon and Falmagne (1985), drawn rather
than listed because there are far too many. A set of states is an integer with a bit for each: counting them needs no
NumPy, and is exact, so that every machine concludes the same.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache, reduce
from hashlib import sha256
from math import log2
from operator import and_
from random import Random

# The prior. A drill's difficulty is the longest chain that leads to it, as a share of the longest of all. A learner
# knows what they are able to do and whose prerequisites they know. `benchmarks/placement.py` shows what comes of it.
STATES = 4096
ABILITY = (-0.5, 1.7)  # the least learner knows nothing, the most knows everything
TRACK_SPREAD = 0.8  # how far ability in a track may lie from that overall
TRACK_STEP = 0.3  # how much harder the last track is than the first, at its beginning
UNMET = 0.15  # how often a learner has never met a track
NOISE = 0.55  # how far the difficulty of a drill may lie from what its place says, for a learner
EXCEPTION = 0.03  # how often a drill is known where all this says that it is not, or the other way round

_BITS = 12  # of a weight: a state that explains the answers 4,096 times worse than the best counts for nothing


class Outcome(StrEnum):
    """What became of a puzzle; `UNSURE` where the learner said so instead of answering."""

    RIGHT = "right"
    WRONG = "wrong"
    UNSURE = "unsure"


# In percent, how often each follows where the drill is known (slips), and where it is not (lucky guesses).
_KNOWN = {Outcome.RIGHT: 90, Outcome.WRONG: 8, Outcome.UNSURE: 2}
_NOT_KNOWN = {Outcome.RIGHT: 5, Outcome.WRONG: 50, Outcome.UNSURE: 45}
_HIT, _LUCK = _KNOWN[Outcome.RIGHT] / 100, _NOT_KNOWN[Outcome.RIGHT] / 100


@dataclass(frozen=True)
class Belief:
    """Weighted states: `sets` has the states that know a drill, `weighted` those that have a weight."""

    sets: Mapping[str, int]
    weighted: Mapping[int, int]

    def given(self, drill: str, outcome: Outcome) -> "Belief":
        """The belief after one more puzzle."""
        known, weighted = self.sets[drill], dict[int, int]()
        for weight, states in self.weighted.items():
            for likelihood, part in ((_KNOWN, states & known), (_NOT_KNOWN, states & ~known)):
                if part:
                    product = weight * likelihood[outcome]
                    weighted[product] = weighted.get(product, 0) | part
        return Belief(self.sets, weighted)

    @cached_property
    def known(self) -> dict[str, float]:
        """For each drill the probability that it is known."""
        return {drill: self._share(states) for drill, states in self.sets.items()}

    def information(self, drill: str, about: Collection[str]) -> float:
        """The bits that a puzzle of the drill is expected to tell about each of some drills, added up."""
        asked, known = self.sets[drill], self.known
        right = _HIT * known[drill] + _LUCK * (1 - known[drill])
        told = 0.0
        for other in about:
            p, both = known[other], self._share(asked & self.sets[other])
            p_and_right = _HIT * both + _LUCK * (p - both)
            told += _entropy(p) - right * _entropy(p_and_right / right)
            told -= (1 - right) * _entropy((p - p_and_right) / (1 - right))
        return told

    @cached_property
    def _planes(self) -> tuple[int, ...]:
        """For each bit of the weights, the states whose weight has it: a set is weighed with a count for each bit."""
        most, planes = max(self.weighted), [0] * _BITS
        for weight, states in self.weighted.items():
            scaled = weight * (2**_BITS - 1) // most
            for bit in range(_BITS):
                if scaled >> bit & 1:
                    planes[bit] |= states
        return tuple(planes)

    @cached_property
    def _total(self) -> int:
        return self._weight(-1)

    def _share(self, states: int) -> float:
        return self._weight(states) / self._total

    def _weight(self, states: int) -> int:
        return sum((states & plane).bit_count() << bit for bit, plane in enumerate(self._planes))


def prior(after: Mapping[str, Sequence[str]]) -> Belief:
    """The belief about somebody who has answered nothing. `after` is the catalog: each drill, with those before it."""
    return _drawn(tuple((drill, tuple(before)) for drill, before in after.items()))


def depths(after: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """For each drill the length of the longest chain that leads to it; each comes after those that it builds on."""
    found: dict[str, int] = {}

    def visit(drill: str) -> int:
        if drill not in found:
            found[drill] = max((visit(before) + 1 for before in after[drill]), default=0)
        return found[drill]

    for drill in after:
        visit(drill)
    return found


def tracks(after: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The tracks with their place, from 0, in the order in which they are taught."""
    return {track: place for place, track in enumerate(dict.fromkeys(map(track_of, after)))}


def track_of(drill: str) -> str:
    """The track that a drill's id begins with."""
    return drill.partition(".")[0]


@lru_cache(maxsize=1)
def _drawn(catalog: tuple[tuple[str, tuple[str, ...]], ...]) -> Belief:
    """The prior of a catalog, the same everywhere: what `Random.random` gives for a seed never changes."""
    after = dict(catalog)
    draw = Random(sha256(repr(catalog).encode()).digest()).random  # noqa: S311 -- repeatability is what is wanted
    depth, place = depths(after), tracks(after)
    deepest = max(depth.values(), default=0) or 1
    least, most = ABILITY
    overall = [least + (most - least) * draw() for _ in range(STATES)]
    ability = {
        track: [least - 1 if draw() < UNMET else mean + TRACK_SPREAD * (2 * draw() - 1) for mean in overall]
        for track in place
    }
    everyone = 2**STATES - 1
    sets: dict[str, int] = {}
    for drill in depth:
        difficulty = depth[drill] / deepest + TRACK_STEP * place[track_of(drill)] / len(place)
        able = _set(mean > difficulty + NOISE * (draw() - draw()) for mean in ability[track_of(drill)])
        ready = reduce(and_, (sets[before] for before in after[drill]), everyone)
        sets[drill] = (able & ready) ^ _set(draw() < EXCEPTION for _ in range(STATES))
    return Belief({drill: sets[drill] for drill in after}, {1: everyone})


def _set(states: Iterable[bool]) -> int:
    """The set of those states for which it is so."""
    return int("".join("1" if state else "0" for state in states), 2)


def _entropy(p: float) -> float:
    """The bits that are missing about what is so with probability p."""
    return -p * log2(p) - (1 - p) * log2(1 - p) if 0 < p < 1 else 0.0
