"""What passes between a session and whoever shows it: the puzzle that is asked, the answer, what it led to."""

import shlex
from dataclasses import dataclass
from datetime import date

from tensordrill.authoring import Drill
from tensordrill.domain import Rating, Verdict
from tensordrill.puzzles import Puzzle


@dataclass(frozen=True)
class Asked:
    """A puzzle as it is asked: the drill, the level and the seed that make it again."""

    drill: Drill
    level: int
    seed: int
    puzzle: Puzzle


@dataclass(frozen=True)
class Solved:
    """A solution with its reason, and where a program was shown, what it does step by step.

    `raised` is what torch says where the program raises; `puzzle` is what was solved, for pictures of it.
    """

    answer: str
    why: str
    steps: str | None = None
    raised: str | None = None
    puzzle: Puzzle | None = None


@dataclass(frozen=True)
class Feedback:
    """What an answer led to. `seconds` is the learner's time.

    `rating` and `due` are None where it rated nothing; `replaced`: the puzzle was at fault, and another took its place.
    """

    verdict: Verdict
    rating: Rating | None = None
    due: date | None = None
    level: int | None = None
    replaced: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Answered:
    """An answer that was judged, and on which device; where it mispredicts a program, with that program's `steps`."""

    asked: Asked
    text: str
    steps: str | None = None
    device: str = "cpu"

    @property
    def command(self) -> str:
        """The shell command that judges it once more, anywhere."""
        asked = self.asked
        answer = shlex.quote(self.text)
        device = "" if self.device == "cpu" else f" --device {self.device}"
        return f"tensordrill grade {asked.drill.id} --seed {asked.seed} --level {asked.level}{device} --answer {answer}"
