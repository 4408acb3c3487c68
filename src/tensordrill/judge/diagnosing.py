"""From differences to words: which mistake explains them, and the smallest instance that shows it."""

from collections.abc import Sequence
from math import prod

from tensordrill.domain import Status, Verdict
from tensordrill.judge import generic
from tensordrill.judge.comparing import Difference, said_by, said_value
from tensordrill.judge.instances import Instance
from tensordrill.judge.showing import named, show_cells, show_said
from tensordrill.judge.values import Observed, Raised, TensorValue
from tensordrill.puzzles import Answer, Puzzle, Said, Turn

# Of several instances that fail, the status that says most comes first.
_TELLING = [Status.RAISED, Status.WRONG_SHAPE, Status.WRONG_DTYPE, Status.WRONG_VALUE]


def explain(
    puzzle: Puzzle,
    answer: Answer,
    instances: Sequence[Instance],
    expected: Sequence[Observed],
    got: Sequence[Observed] | Said,
    differences: Sequence[Difference | None],
    turn: Turn | None,
) -> Verdict:
    """The verdict on an answer that differs: the mistake that it is, as far as one can tell, and what shows it."""
    failing = [(difference, i) for i, difference in enumerate(differences) if difference]
    status = min((difference.status for difference, _ in failing), key=_TELLING.index)
    difference, i = min(
        ((d, i) for d, i in failing if d.status is status), key=lambda pair: prod(instances[pair[1]].sizes.values())
    )
    mistake = turn.because if turn else None
    if isinstance(got, Said):
        shown_expected, shown_got = show_said(expected[i], said_value(got.value), difference)
        shown_expected = puzzle.spoken(said_by(expected[i]).value) or shown_expected
        shown_got = "error" if got.error else puzzle.spoken(got.value) or shown_got
        sentence = "Another one is true." if puzzle.face.choices else difference.sentence
    else:
        if not mistake:
            mistake = generic.find(expected, got, puzzle.face.output, [one.sizes for one in instances])
        shown_expected, shown_got = show_cells(expected[i], got[i], difference, _axes(puzzle, difference))
        sentence = _sentence(puzzle, answer, instances[i], difference, got[i].raised)
    return Verdict(
        status=status,
        feedback=f"{mistake}\n{sentence}" if mistake else sentence,
        wrong_turn=turn.id if turn else None,
        expected=shown_expected,
        got=shown_got,
    )


def _axes(puzzle: Puzzle, difference: Difference) -> Sequence[str] | None:
    """The names of the axes of what differs, where the puzzle has names for them and the answer has all of them."""
    return puzzle.face.output if difference.status is not Status.WRONG_SHAPE else None


def _sentence(puzzle: Puzzle, answer: Answer, instance: Instance, difference: Difference, raised: Raised | None) -> str:
    """What is different, in the puzzle's names where it has them; torch's own words below."""
    if raised:
        line = (
            raised.line - answer.lines_before if not isinstance(answer, Said) and answer.lines_before is not None else 0
        )
        own = f"It raised {raised.type}{f' in line {line}' if line > 0 else ''}: {raised.message.strip()}"
        told = None if isinstance(answer, Said) else puzzle.explain_error(answer, instance.sizes)
        return f"{told}\n{own}" if told else own
    output, wanted, came = puzzle.face.output, difference.expected, difference.got
    if difference.status is not Status.WRONG_SHAPE or output is None:
        return difference.sentence
    if isinstance(wanted, TensorValue) and isinstance(came, TensorValue) and (names := named(wanted.shape, output)):
        return f"Your result has shape {came.shape}; it should be ({names})."
    return difference.sentence
