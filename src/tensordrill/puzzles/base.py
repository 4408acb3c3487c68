"""What every kind of puzzle is: a set-up, an answer that becomes source, and expressions to observe."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from inspect import cleandoc
from typing import ClassVar


@dataclass(frozen=True)
class Tensor:
    """A tensor that the judge makes for each hidden instance.

    `axes` are names; an axis named twice has the same size twice. `domain` bounds the values: `any`, `positive`,
    `mask` (booleans, both present) or `index:AXIS` (whole numbers below the size of AXIS).
    """

    name: str
    axes: tuple[str, ...]
    domain: str = "any"

    @property
    def dtype(self) -> str:
        if self.domain == "mask":
            return "bool"
        return "int64" if self.domain.startswith("index:") else "float64"


def tensor(name: str, axes: str, domain: str = "any") -> Tensor:
    """`tensor("Q", "batch head query d_head")`: the axes in one string, as in an einops pattern."""
    return Tensor(name, tuple(axes.split()), domain)


@dataclass(frozen=True)
class Wrong:
    """A wrong turn, in the form that a learner types (for a prediction: an expression in the same program).

    `id` never changes: it is counted over the years. `because` says what was mistaken, in a sentence.
    """

    id: str
    answer: str | Sequence[str]
    because: str


@dataclass(frozen=True)
class Edit:
    """A wrong turn made from the reference (for a prediction: from the program) by replacing one text, exactly once."""

    id: str
    old: str
    new: str
    because: str

    def apply(self, source: str) -> str:
        """Raises ValueError where `old` is not in the source exactly once: the mutant would not be the one meant."""
        if (count := source.count(self.old)) != 1:
            raise ValueError(f"Edit {self.id!r}: {self.old!r} occurs {count} times in the source, not once")
        return source.replace(self.old, self.new)


@dataclass(frozen=True)
class Program:
    """Source to run after the set-up, and what to observe then: names for the learner, expressions for the judge.

    `lines_before` counts the lines that stand before the learner's own; None where line numbers would say nothing.
    """

    source: str
    observe: tuple[tuple[str, str], ...]
    lines_before: int | None = None


@dataclass(frozen=True)
class Said:
    """A prediction: what the learner says that the program gives. `error` where they say that it raises."""

    value: object = None
    error: bool = False


Answer = Program | Said


class Seen(StrEnum):
    """What a trace sees of the tensors of a program."""

    SHAPES = "shapes"
    GRADIENTS = "gradients"  # those that come back to them
    MEMORY = "memory"  # where their entries lie


@dataclass(frozen=True)
class Trace:
    """A program that observes its steps, as pairs of a number and what was seen there, with a label for each number."""

    program: Program
    labels: tuple[str, ...]
    of: Seen


@dataclass(frozen=True)
class Turn:
    """A wrong turn, ready to be run or compared."""

    id: str
    because: str
    answer: Answer


@dataclass(frozen=True)
class Setting:
    """What the judge prepares before any answer runs.

    `axes` are further size names that the set-up uses; `sizes` fixes some (`{"head": 4}`) or derives them
    (`{"d_model": "head * d_head"}`). The other names are free: each hidden instance fills them in.
    `instances` is 1 where the program holds its own numbers.
    """

    setup: str = ""
    tensors: tuple[Tensor, ...] = ()
    axes: tuple[str, ...] = ()
    sizes: Mapping[str, int | str] = field(default_factory=dict)
    instances: int = 3
    dtypes_matter: bool = False


@dataclass(frozen=True, kw_only=True)
class Face:
    """What the learner sees. What a kind lacks is None."""

    prompt: str
    how: str  # how to type the answer, in a line
    code: str | None = None
    ask: str | None = None
    tensors: tuple[Tensor, ...] | None = None
    axes_told: bool = False  # the prompt says what the axes are; a list of them would give the answer away
    sizes: Mapping[str, int | str] | None = None
    output: tuple[str, ...] | None = None
    lines: tuple[str, ...] | None = None
    choices: tuple[str, ...] | None = None
    signature: str | None = None


@dataclass(frozen=True, kw_only=True)
class Puzzle(ABC):
    """One question. `hints` go from a nudge to nearly the answer; `why` states the general rule."""

    hints: Sequence[str]
    why: str
    wrong: Sequence[Wrong | Edit] = ()

    kind: ClassVar[str]
    predicts: ClassVar[bool] = False
    multiline: ClassVar[bool] = False

    @property
    @abstractmethod
    def face(self) -> Face:
        """What the learner sees."""

    @property
    @abstractmethod
    def setting(self) -> Setting:
        """What is prepared before the answer runs."""

    @property
    @abstractmethod
    def reference(self) -> Program:
        """The program whose observations are right."""

    @property
    @abstractmethod
    def solution(self) -> str | None:
        """The reference as a learner would type it; None where only running the program tells."""

    @abstractmethod
    def read(self, text: str) -> Answer:
        """What the learner typed, ready to be run or compared. Raises Slip or Forbidden."""

    @abstractmethod
    def mutant(self, wrong: Wrong | Edit) -> Answer:
        """A wrong turn, ready to be run or compared."""

    def traced(self, wrong: Wrong | Edit | None = None) -> Trace | None:
        """The program, or that of a wrong turn, step by step; None where there is nothing to follow."""
        del wrong
        return None

    def explain_error(self, answer: Program, sizes: Mapping[str, int]) -> str | None:
        """Why the answer raises at these sizes, in the puzzle's own names; None where torch's words must do."""
        del answer, sizes
        return None

    def too_large(self, answer: Program, sizes: Mapping[str, int]) -> str | None:
        """What is enormous about the answer at these sizes, before it is run; None where that cannot be told."""
        del answer, sizes
        return None

    def spoken(self, said: object) -> str | None:
        """A prediction in the puzzle's own words; None where it speaks for itself."""
        del said
        return None

    @property
    def defines(self) -> str:
        """The one name that is taken over from an answer, which else has its own; empty where all of them are shared.

        So an answer's helpers and the set-up's, which the learner may not see, do not take each other's names away.
        """
        return ""

    @property
    def may_raise(self) -> bool:
        """Whether an error is an answer."""
        return False

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        return tuple(Turn(wrong.id, wrong.because, self.mutant(wrong)) for wrong in self.wrong)

    def wrong_text(self, wrong: Wrong | Edit) -> str | None:
        """A wrong turn as a learner would type it; None where only running it tells."""
        if isinstance(wrong, Edit):
            return wrong.apply(self.solution) if self.solution else None
        return None if self.predicts and wrong.answer != "error" else _as_text(wrong.answer)

    def shuffled(self, order: Sequence[int]) -> "Puzzle":
        """The puzzle with its lines or choices shown in that order; most kinds have none."""
        del order
        return self

    @property
    def shown_items(self) -> int:
        """How many lines or choices there are to shuffle."""
        return 0

    @cached_property
    def hash(self) -> str:
        """A hash of everything that could change a verdict or what the learner reads."""
        face, setting = self.face, self.setting
        content = {
            "kind": self.kind,
            "face": vars(face) | {"tensors": [vars(t) for t in face.tensors or ()], "sizes": dict(face.sizes or {})},
            "setting": vars(setting) | {"tensors": [vars(t) for t in setting.tensors], "sizes": dict(setting.sizes)},
            "reference": vars(self.reference),
            "may_raise": self.may_raise,
            "turns": [(turn.id, turn.because, vars(turn.answer)) for turn in self.turns],
            "hints": list(self.hints),
            "why": self.why,
        }
        return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def dedent(source: str) -> str:
    """A block as an author indents it in a call, without the indentation. A one-liner stays as it is."""
    return cleandoc(source)


def _as_text(answer: str | Sequence[str]) -> str:
    return answer if isinstance(answer, str) else "\n".join(answer)
