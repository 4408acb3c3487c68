"""What became of a run: what was observed, or in a sentence why there is nothing. No torch here."""

import signal
from collections.abc import Sequence

from tensordrill.domain import Status
from tensordrill.judge.instances import Instance
from tensordrill.judge.process import Reply
from tensordrill.judge.sandbox import Limits
from tensordrill.judge.values import MAX_NAME, BadReplyError, Observed, read_reply
from tensordrill.puzzles import Program, Puzzle

REFUSED = (
    "It tried what no answer may: to write a file, to start a process, to reach the network or another process, or the "
    "like."
)
TOO_MUCH = "It sent more than any result can hold."
Job = tuple[Puzzle, Sequence[Program], Sequence[Instance]]


class FailedRunError(RuntimeError):
    """A child was stopped before it could reply: `status` and a sentence."""

    def __init__(self, status: Status, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


def observed(reply: Reply, jobs: Sequence[Job], limits: Limits) -> list[list[list[Observed]]]:
    """For each job, for each program, for each instance, what was observed.

    Raises FailedRunError where a child did not get as far, BadReplyError where it says what it should not.
    """
    if reply.outcome == "timeout":
        raise FailedRunError(Status.TIMEOUT, f"It had not ended after {limits.cpu_s} seconds.")
    if reply.outcome == "flood":
        raise FailedRunError(Status.REFUSED, TOO_MUCH)
    if reply.signal == getattr(signal, "SIGSYS", -1):  # Windows has none
        raise FailedRunError(Status.REFUSED, REFUSED)
    if reply.outcome != "ran":
        how = f"by signal {reply.signal}" if reply.signal else "from inside"
        raise FailedRunError(Status.RAISED, f"The process that ran it was ended {how}, before there was a result.")
    seen = read_reply(reply.data, [(len(programs), len(chosen)) for _, programs, chosen in jobs])
    for (_, programs, _), runs in zip(jobs, seen, strict=True):
        for program, run in zip(programs, runs, strict=True):
            names = [name[:MAX_NAME] for name, _ in program.observe]
            if any([name for name, _ in one.values] != names for one in run if not one.raised):
                raise BadReplyError("something else was observed than was asked")
    if any(one.raised and one.raised.type == "MemoryError" for runs in seen for one in runs[0]):
        megabytes = limits.memory // 2**20
        raise FailedRunError(Status.MEMORY, f"It needs more than the {megabytes} MB that an answer may take.")
    return seen
