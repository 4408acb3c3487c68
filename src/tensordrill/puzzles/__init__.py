"""The puzzle kinds. Each says what the learner types, how that becomes source, and what is observed."""

from tensordrill.puzzles.answers import Forbidden, Slip
from tensordrill.puzzles.base import (
    Answer,
    Edit,
    Face,
    Program,
    Puzzle,
    Said,
    Seen,
    Setting,
    Tensor,
    Trace,
    Turn,
    Wrong,
    dedent,
    tensor,
)
from tensordrill.puzzles.choose import Choice, Choose
from tensordrill.puzzles.code import WriteCode, WriteExpression
from tensordrill.puzzles.einsum import WriteEinsum, spell
from tensordrill.puzzles.lines import FixLine, OrderLines
from tensordrill.puzzles.pattern import WritePattern
from tensordrill.puzzles.predict import PredictShape, PredictValue
from tensordrill.puzzles.structure import structure

__all__ = [
    "Answer",
    "Choice",
    "Choose",
    "Edit",
    "Face",
    "FixLine",
    "Forbidden",
    "OrderLines",
    "PredictShape",
    "PredictValue",
    "Program",
    "Puzzle",
    "Said",
    "Seen",
    "Setting",
    "Slip",
    "Tensor",
    "Trace",
    "Turn",
    "WriteCode",
    "WriteEinsum",
    "WriteExpression",
    "WritePattern",
    "Wrong",
    "dedent",
    "spell",
    "structure",
    "tensor",
]
