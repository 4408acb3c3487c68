"""The learner sees a program and says what it gives; torch, run live, says what it really gives."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from tensordrill.puzzles.base import Answer, Edit, Face, Program, Puzzle, Said, Seen, Setting, Trace, Wrong, dedent
from tensordrill.puzzles.literal import prediction, read_shape, read_value
from tensordrill.puzzles.tracing import trace


@dataclass(frozen=True, kw_only=True)
class Prediction(Puzzle):
    """A program, and the expression that is asked for after it has run.

    A wrong turn is an expression in the same program, an `Edit` of the program, or the word `error`.
    With `can_fail`, raising is a possible answer, and the prompt says so. With `memory`, where the entries of its
    tensors lie in memory is what explains it. With `dtypes_matter` it runs under torch's own default dtype.
    """

    predicts = True
    program: str
    ask: str
    prompt: str = ""
    can_fail: bool = False
    memory: bool = False
    dtypes_matter: bool = False

    default_prompt: ClassVar[str]
    how: ClassVar[str]

    @property
    def face(self) -> Face:
        return Face(
            prompt=self.prompt or self.default_prompt.format(ask=self.ask),
            how=self._how + (", or error" if self.can_fail else ""),
            code=self._source,
            ask=self.ask,
        )

    @property
    def _how(self) -> str:
        return self.how

    @cached_property
    def _source(self) -> str:
        return dedent(self.program)

    @cached_property
    def setting(self) -> Setting:
        return Setting(instances=1, dtypes_matter=self.dtypes_matter)

    @property
    def solution(self) -> None:
        return None

    @property
    def may_raise(self) -> bool:
        return self.can_fail

    @cached_property
    def reference(self) -> Program:
        return self._observed(self._source, self.ask)

    def traced(self, wrong: Wrong | Edit | None = None) -> Trace | None:
        if not self.memory:
            return self._traced(wrong)
        return None if wrong else trace(self._source, self.ask, Seen.MEMORY)

    def _traced(self, wrong: Wrong | Edit | None) -> Trace | None:
        del wrong
        return None

    def mutant(self, wrong: Wrong | Edit) -> Answer:
        if isinstance(wrong, Edit):
            return self._observed(wrong.apply(self._source), self.ask)
        if wrong.answer == "error":
            return Said(error=True)
        return self._observed(self._source, str(wrong.answer))

    def _observed(self, source: str, expression: str) -> Program:
        return Program(source, (("the answer", expression),))


@dataclass(frozen=True, kw_only=True)
class PredictShape(Prediction):
    """The shape of `ask`."""

    kind = "shape"
    default_prompt = "What is the shape of `{ask}`?"
    how = "the shape, such as (2, 3), (4,) for one axis, () for none"

    def read(self, text: str) -> Said:
        return prediction(read_shape, text, may_raise=self.may_raise)

    def _traced(self, wrong: Wrong | Edit | None) -> Trace | None:
        match wrong:
            case Edit():
                return trace(wrong.apply(self._source), self.ask, Seen.SHAPES)
            case Wrong(answer=str() as expression) if expression != "error":
                return trace(self._source, expression, Seen.SHAPES)
            case None:
                return trace(self._source, self.ask, Seen.SHAPES)
        return None

    def _observed(self, source: str, expression: str) -> Program:
        # A wrong turn may be written as the tensor that has the shape, or as the shape itself.
        return Program(source, (("the shape", f"(lambda it: tuple(getattr(it, 'shape', it)))({expression})"),))


@dataclass(frozen=True, kw_only=True)
class PredictValue(Prediction):
    """The value of `ask`: numbers, bools, a dtype, or lists of them."""

    kind = "value"
    default_prompt = "What is `{ask}`?"
    how = "the value, such as 3, 3/8, True, [1, 2] or [[1, 2], [3, 4]]"

    @property
    def _how(self) -> str:
        asked = self.ask.strip("[]").split(", ")
        if not all(one.endswith(".dtype") for one in asked):
            return self.how
        return "the dtype, such as float32" if len(asked) == 1 else "the dtypes, such as [float32, int64]"

    def read(self, text: str) -> Said:
        return prediction(read_value, text, may_raise=self.may_raise)

    def _traced(self, wrong: Wrong | Edit | None) -> Trace | None:
        if wrong or ".grad" not in self.ask or "backward(" not in self._source:
            return None
        return trace(self._source, self.ask, Seen.GRADIENTS)
