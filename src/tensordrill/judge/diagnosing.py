"""From differences to words: which mistake explains them, and the smallest instance that shows it."""

from collections.abc import Sequence
from math import prod

from tensordrill.domain import Status, Verdict
from tensordrill.judge.comparing import Difference, said_value
from tensordrill.judge.instances import Instance
from tensordrill.judge.showing import show, show_value
from tensordrill.judge.values import Observed, Raised
from tensordrill.puzzles import Said, Turn

# Of several instances that fail, the status that says most comes first.
_TELLING = [Status.RAISED, Status.WRONG_SHAPE, Status.WRONG_DTYPE, Status.WRONG_VALUE]


def explain(
    instances: Sequence[Instance],
    expected: Sequence[Observed],
    got: Sequence[Observed] | Said,
    differences: Sequence[Difference | None],
    turn: Turn | None,
    lines_before: int | None,
) -> Verdict:
    """The verdict on an answer that differs: the wrong turn it is, if it is one, and the smallest counterexample.

    `lines_before` is the answer's own: what to take from a line number to count the lines that were typed.
    """
    failing = [(difference, i) for i, difference in enumerate(differences) if difference]
    status = min((difference.status for difference, _ in failing), key=_TELLING.index)
    difference, i = min(
        ((d, i) for d, i in failing if d.status is status), key=lambda pair: _volume(instances[pair[1]])
    )
    if isinstance(got, Said):
        shown = "error" if got.error else show_value(said_value(got.value))
        raised = None
    else:
        shown = show(got[i], difference.where)
        raised = got[i].raised
    sentence = _raised(raised, lines_before) if raised else difference.sentence
    return Verdict(
        status=status,
        feedback=f"{turn.because}\n{sentence}" if turn else sentence,
        wrong_turn=turn.id if turn else None,
        expected=show(expected[i], difference.where),
        got=shown,
    )


def _raised(raised: Raised, lines_before: int | None) -> str:
    line = raised.line - lines_before if lines_before is not None else 0
    where = f" in line {line}" if line > 0 else ""
    return f"It raised {raised.type}{where}: {raised.message}"


def _volume(instance: Instance) -> int:
    return prod(instance.sizes.values())
