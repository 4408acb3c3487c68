"""A second run on a GPU, of what is right on the CPU: in a warm worker, which is replaced after any fault.

The CPU decides what is right; the GPU's result is compared with that, on the same instances and the same random
numbers. A puzzle whose own solution gives something else there (one that goes through NumPy, say) says nothing about an
answer, and is judged on the CPU alone.
"""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from tensordrill.domain import Status, Verdict
from tensordrill.errors import UsageError
from tensordrill.judge.certifying import Certificate, differences
from tensordrill.judge.diagnosing import explain
from tensordrill.judge.instances import request
from tensordrill.judge.process import Reply, ZygoteDiedError
from tensordrill.judge.sandbox import Limits
from tensordrill.judge.spawned import MissingDeviceError, Worker
from tensordrill.judge.values import BadReplyError, Observed, read_reply
from tensordrill.judge.worker import Order
from tensordrill.puzzles import Program, Puzzle

# How many tolerances another device may be off. Sums run in another order there, and an optimizer's steps amplify it;
# wrong turns are ten times as far away (`comparing.MARGIN`).
SLACK = 10.0
_TOO_LITTLE_MEMORY = {"OutOfMemoryError", "MemoryError"}
_SIGNS = ("nvidia*", "nvhost-gpu*", "kfd", "dxg")  # of a driver in /dev: NVIDIA's, Jetson's, AMD's, that of WSL


@dataclass(frozen=True)
class Outcome:
    """What became of a program on the GPU: what was observed, or the status and a sentence where that is nothing."""

    ran: tuple[Observed, ...] = ()
    status: Status | None = None
    sentence: str = ""


class Gpu:
    """The worker on a device, which starts with `start` or with its first use. Not for two threads, but for `kill`.

    `device` is torch's name for it; the path is the same on any.
    """

    def __init__(self, limits: Limits, device: str = "cuda") -> None:
        self._limits = limits
        self._order = Order(device, once=False, cpu_s=limits.cpu_s, memory=limits.memory)
        self._worker: Worker | None = None
        self._killed = False
        self._used = False  # whether an answer has run in this worker, and may have left something behind
        self._portable: dict[str, bool] = {}

    @property
    def device(self) -> str:
        return self._order.device

    @property
    def pid(self) -> int | None:
        return self._worker.pid if self._worker else None

    def start(self) -> None:
        """Begin to load torch and the device's libraries. Returns at once. Raises ZygoteDiedError after `kill`."""
        if self._killed:
            raise ZygoteDiedError("the judge was stopped")
        if self._worker is None:
            self._worker, self._used = Worker(self._order), False

    def name(self) -> str:
        """What the device calls itself, once it is ready.

        Raises MissingDeviceError where there is none, ZygoteDiedError where the worker cannot be kept running.
        """
        self.start()
        assert self._worker is not None
        self._worker.wait_ready()
        return self._worker.name

    def kill(self) -> None:
        """End it at once. Safe to call from another thread."""
        self._killed = True
        if self._worker is not None:
            self._worker.kill()

    def close(self) -> None:
        """End the worker and free what it held. A new one starts with the next use."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def grade(self, puzzle: Puzzle, answer: Program, certificate: Certificate) -> Verdict:
        """The verdict on an answer that is right on the CPU; its `device` says where that was found.

        Raises MissingDeviceError where there is no such device.
        """
        try:
            if puzzle.hash not in self._portable:
                outcome = self._run(puzzle, puzzle.reference, certificate)
                self._portable[puzzle.hash] = not _faulty(puzzle, certificate, outcome)
            if not self._portable[puzzle.hash]:
                return _on_cpu("The puzzle's own solution gives something else on the GPU, or nothing")
            outcome = self._run(puzzle, answer, certificate)
        except (ZygoteDiedError, BadReplyError) as error:
            self.close()
            return _on_cpu(f"The GPU's process failed ({error})")
        if outcome.status:
            return Verdict(
                status=outcome.status, feedback=f"It passes on the CPU. {outcome.sentence}", device=self.device
            )
        found = list(differences(puzzle, certificate.expected, outcome.ran, slack=SLACK))
        if not any(found):
            return Verdict(status=Status.CORRECT, feedback="Correct.", device=self.device)
        verdict = explain(puzzle, answer, certificate.instances, certificate.expected, outcome.ran, found, None)
        return replace(verdict, feedback=f"It passes on the CPU. On the GPU: {verdict.feedback}", device=self.device)

    def _run(self, puzzle: Puzzle, program: Program, certificate: Certificate) -> Outcome:
        """What becomes of a program, in a fresh worker where an earlier answer may be to blame for what it becomes.

        Raises ZygoteDiedError or BadReplyError where a fresh worker fails too.
        """
        sent = request(puzzle, [program], certificate.instances)
        fresh = False
        while True:
            self.start()
            assert self._worker is not None
            fresh = fresh or not self._used
            try:
                reply = self._worker.ask([sent], self._limits.cpu_s, begin=self._limits.cpu_s)
                outcome = self._outcome(reply, len(certificate.instances))
            except (ZygoteDiedError, BadReplyError):
                self.close()
                if fresh:
                    raise
                fresh = True
                continue
            self._used = self._used or program != puzzle.reference
            if not _faulty(puzzle, certificate, outcome):
                return outcome
            self.close()
            if fresh or outcome.status is Status.TIMEOUT:
                return outcome
            fresh = True

    def _outcome(self, reply: Reply, instances: int) -> Outcome:
        """The reply, read. Raises BadReplyError."""
        match reply.outcome:
            case "timeout":
                sentence = f"On the GPU it had not ended after {self._limits.cpu_s} seconds."
                return Outcome(status=Status.TIMEOUT, sentence=sentence)
            case "flood":
                return Outcome(status=Status.REFUSED, sentence="On the GPU it sent more than any result can hold.")
            case "died":
                how = f"by signal {reply.signal}" if reply.signal else "from inside"
                sentence = f"On the GPU the process that ran it was ended {how}."
                return Outcome(status=Status.RAISED, sentence=sentence)
        [[ran]] = read_reply(reply.data, [(1, instances)])
        if any(one.raised and one.raised.type in _TOO_LITTLE_MEMORY for one in ran):
            megabytes = self._limits.memory // 2**20
            sentence = f"On the GPU it needs more than the {megabytes} MB that an answer may take, or than are free."
            return Outcome(status=Status.MEMORY, sentence=sentence)
        return Outcome(tuple(ran))


def likely() -> bool:
    """Whether there may be a GPU: quick, without torch, and wrong only where there is a driver without a device."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    if sys.platform != "linux":
        return sys.platform == "win32"
    return any(next(Path("/dev").glob(sign), None) for sign in _SIGNS)


def required(gpu: Gpu) -> str:
    """The name of the GPU. Raises UsageError where there is none that torch can use."""
    try:
        return gpu.name()
    except (MissingDeviceError, ZygoteDiedError) as error:
        raise UsageError(
            f"There is no GPU to judge on: {error}.",
            hint="Say --device cpu, or auto; the setting is `tensordrill config device`.",
        ) from None


def _faulty(puzzle: Puzzle, certificate: Certificate, outcome: Outcome) -> bool:
    found = differences(puzzle, certificate.expected, outcome.ran, slack=SLACK)
    return outcome.status is not None or any(found)


def _on_cpu(why: str) -> Verdict:
    return Verdict(status=Status.CORRECT, feedback=f"Correct, on the CPU. {why}, so that was all.", device="cpu")
