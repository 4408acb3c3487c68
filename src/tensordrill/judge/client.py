"""`Judge`: certifies puzzles and grades answers. Holds no torch; that is in the zygote's children."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from tensordrill.domain import Status, Verdict
from tensordrill.judge import steps
from tensordrill.judge.certifying import (
    Certificate,
    Certificates,
    Ran,
    alike,
    certificate_of,
    differences,
    failed,
    problems_as_typed,
    programs_of,
    same,
    typed,
    unmade,
)
from tensordrill.judge.diagnosing import explain
from tensordrill.judge.gpu import Gpu, likely, required
from tensordrill.judge.instances import Instance, instances, request
from tensordrill.judge.outcomes import TOO_MUCH, FailedRunError, Job, observed
from tensordrill.judge.process import Reply, Zygote, ZygoteDiedError
from tensordrill.judge.sandbox import Limits
from tensordrill.judge.showing import printable, show
from tensordrill.judge.spawned import Backend, MissingDeviceError, backend_named, start_backend
from tensordrill.judge.values import BadReplyError, LargeReplyError, Observed
from tensordrill.puzzles import Answer, Edit, Forbidden, Program, Puzzle, Slip, Wrong

_KEPT = 100  # certificates
_LONGEST = 4_000  # characters of feedback
_TOGETHER = 10  # puzzles that share a child where many are certified: forking costs more than running them


class Judge:
    """Runs answers in children of one zygote, which starts with the first use or with `start`.

    `backend` is `zygote` or `spawned`; left out, the system or `TENSORDRILL_JUDGE` decides. `device` is `cpu`, `cuda`
    or `auto`: what is right on the CPU then runs on a GPU too (`gpu`, where one is given), with `auto` if there is one.
    `hurried` says that answers come without a pause: then nothing is made ready for the next one before it comes.
    One thread at a time may use it: another calls `stop`, or uses a `twin`. Raises UsageError for another backend.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        backend: str | None = None,
        device: str = "cpu",
        gpu: Gpu | None = None,
        hurried: bool = False,
    ) -> None:
        self._limits = limits or Limits()
        self._backend = backend_named(backend)
        self._device = device
        self._hurried = hurried
        self._gpu = gpu
        if gpu is None and (device == "cuda" or (device == "auto" and likely())):
            self._gpu = Gpu(self._limits)
        self._zygote: Backend | None = None
        self._certificates = Certificates(_KEPT)
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Begin to load torch, in the zygote. Returns at once. Raises ZygoteDiedError after `stop`."""
        if self._stopped:
            raise ZygoteDiedError("the judge was stopped")
        if self._zygote is None:
            self._zygote = start_backend(self._limits, self._backend, hurried=self._hurried)
        if self._gpu is not None:
            self._gpu.start()

    def twin(self) -> "Judge":
        """Another judge, for another thread: its answers run in children of the same zygote while that lives.

        Raises ZygoteDiedError after `stop`.
        """
        with suppress(OSError):  # where no process can be started, whoever asks for a verdict is told
            self.start()
        twin = Judge(self._limits, backend=self._backend, device=self._device, hurried=self._hurried)
        twin._certificates = self._certificates
        if isinstance(self._zygote, Zygote):  # the other backend is for one thread
            twin._zygote = self._zygote
        return twin

    def require_device(self) -> None:
        """Wait for the GPU where `cuda` is asked for. Raises UsageError where there is none that torch can use."""
        if self._device == "cuda" and self._gpu is not None:
            required(self._gpu)

    def stop(self) -> None:
        """Kill what runs, now, from any thread. Whoever waits for a verdict is told that the judge was stopped."""
        self._stopped = True
        for process in (self._zygote, self._gpu):
            if process is not None:
                process.kill()

    def close(self) -> None:
        """End the zygote and the GPU's worker, and free their pipes."""
        self._close_zygote()
        if self._gpu is not None:
            self._gpu.close()

    def _close_zygote(self) -> None:
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None

    @property
    def zygote_pid(self) -> int | None:
        return self._zygote.pid if self._zygote else None

    @property
    def on_gpu(self) -> bool:
        """Whether what is right runs on a GPU too, as far as is known yet."""
        return self._gpu is not None

    def certify(self, puzzle: Puzzle) -> Certificate:
        """Run the reference and every wrong turn. The certificates of the last puzzles are kept.

        Raises ZygoteDiedError where the judge cannot be kept running.
        """
        if (made := self._certificates.get(puzzle.hash)) is None:
            [made] = self.certify_all([puzzle])
            self._certificates.keep(made)
        return made

    def prepare(self, puzzles: Sequence[Puzzle]) -> None:
        """Certify them together, as far as that goes: what fails here is said when an answer is graded."""
        new = {puzzle.hash: puzzle for puzzle in puzzles if self._certificates.get(puzzle.hash) is None}
        with suppress(Exception):
            for made in self.certify_all(list(new.values())):
                self._certificates.keep(made)

    def certify_all(self, puzzles: Sequence[Puzzle]) -> list[Certificate]:
        """A certificate for each puzzle; many share a child. Raises ZygoteDiedError as `certify` does."""
        made = [unmade(puzzle) for puzzle in puzzles]
        for whole in alike(puzzles, [i for i, problem in enumerate(made) if problem is None]):
            for start in range(0, len(whole), _TOGETHER):
                together = whole[start : start + _TOGETHER]
                jobs = [(puzzles[i], programs_of(puzzles[i]), _instances(puzzles[i])) for i in together]
                for i, (puzzle, _, chosen), ran in zip(together, jobs, self._run_together(jobs), strict=True):
                    made[i] = failed(ran) if isinstance(ran, str) else certificate_of(puzzle, chosen, ran)
        return [certificate for certificate in made if certificate]

    def vet(self, puzzles: Sequence[Puzzle]) -> list[tuple[Certificate, list[str]]]:
        """Each puzzle's certificate, with all that keeps it from being asked, typed answers included."""
        return [
            (made, list(made.problems) or problems_as_typed(puzzle, made))
            for puzzle, made in zip(puzzles, self.certify_all(puzzles), strict=True)
        ]

    def grade(self, puzzle: Puzzle, text: str) -> Verdict:
        """The verdict on what a learner typed."""
        started = time.perf_counter()
        try:
            verdict = self._grade(puzzle, text)
        except Exception as error:  # noqa: BLE001 -- what no test has thought of must not end a session, or a batch
            verdict = _internal(f"The judge failed ({type(error).__name__}: {error}).")
        return replace(
            verdict,
            feedback=printable(verdict.feedback)[:_LONGEST],
            elapsed_ms=round((time.perf_counter() - started) * 1000, 3),
        )

    def solution(self, puzzle: Puzzle) -> str:
        """The right answer as a learner would type it."""
        return puzzle.solution or typed(puzzle, self.certify(puzzle))[0]

    def raised(self, puzzle: Puzzle) -> str | None:
        """What torch says where the puzzle's own program raises; None where it does not."""
        expected = self.certify(puzzle).expected
        return show(expected[0]) if expected and expected[0].raised else None

    def wrong_answers(self, puzzle: Puzzle) -> list[str]:
        """Every wrong turn as a learner would type it."""
        return typed(puzzle, self.certify(puzzle))[1]

    def steps(self, puzzle: Puzzle, wrong: Wrong | Edit | None = None) -> str | None:
        """What happens step by step in a program that is shown, and where that wrong turn departs from it.

        None where there is nothing to follow, or where following it fails.
        """
        trace, other = puzzle.traced(), puzzle.traced(wrong) if wrong else None
        if trace is None:
            return None
        programs = [trace.program, *([other.program] if other else [])]
        try:
            [ran] = self._run([(puzzle, programs, _instances(puzzle))])
        except (FailedRunError, ZygoteDiedError, BadReplyError):
            return None
        mistaken = (other, ran[1][0]) if other else None
        return printable(steps.said(trace, ran[0][0], mistaken)) or None

    def slip(self, puzzle: Puzzle, text: str) -> Verdict | None:
        """Why a text is not judged at all, where it is a slip of the hand. Runs nothing, and waits for nothing."""
        read = _read(puzzle, text)
        return read if isinstance(read, Verdict) and read.status is Status.UNPARSABLE else None

    def _grade(self, puzzle: Puzzle, text: str) -> Verdict:
        answer = _read(puzzle, text)
        if isinstance(answer, Verdict):
            return answer
        try:
            certificate = self.certify(puzzle)
            if not certificate.ok:
                return Verdict(
                    status=Status.INTERNAL,
                    feedback=f"This puzzle is at fault, not you: {certificate.problems[0]} Nothing was rated.",
                )
            if isinstance(answer, Program) and (large := _too_large(puzzle, answer, certificate.instances)):
                return Verdict(status=Status.MEMORY, feedback=large)
            got = self._answered(puzzle, answer, certificate) if isinstance(answer, Program) else answer
        except FailedRunError as error:
            return Verdict(status=error.status, feedback=error.sentence)
        except ZygoteDiedError as error:
            return _internal(f"The judge failed ({error}).")
        verdict = self._verdict(puzzle, certificate, answer, got)
        if verdict.correct and isinstance(answer, Program) and self._gpu is not None:
            return self._on_gpu(self._gpu, puzzle, answer, certificate) or verdict
        return verdict

    def _on_gpu(self, gpu: Gpu, puzzle: Puzzle, answer: Program, certificate: Certificate) -> Verdict | None:
        """The GPU's verdict on what the CPU finds right; None where there is no GPU, from then on."""
        try:
            return gpu.grade(puzzle, answer, certificate)
        except MissingDeviceError:
            gpu.close()
            self._gpu = None
            return None

    def _answered(self, puzzle: Puzzle, answer: Program, certificate: Certificate) -> Sequence[Observed]:
        """What an answer gives on each instance. Raises FailedRunError or ZygoteDiedError."""
        try:
            [[got]] = self._run([(puzzle, [answer], certificate.instances)])
        except LargeReplyError:
            raise FailedRunError(Status.REFUSED, TOO_MUCH) from None
        except BadReplyError:
            raise FailedRunError(Status.REFUSED, "It tampered with how results are sent back.") from None
        return got

    def _verdict(self, puzzle: Puzzle, certificate: Certificate, answer: Answer, got: Ran) -> Verdict:
        found = list(differences(puzzle, certificate.expected, got))
        if not any(found):
            return Verdict(status=Status.CORRECT, feedback="Correct.")
        at = next((i for i, ran in enumerate(certificate.turns) if same(puzzle, ran, got)), None)
        turn = None if at is None else puzzle.turns[at]
        verdict = explain(puzzle, answer, certificate.instances, certificate.expected, got, found, turn)
        return replace(verdict, steps=self.steps(puzzle, None if at is None else puzzle.wrong[at]))

    def _run_together(self, jobs: Sequence[Job]) -> Iterator[list[list[Observed]] | str]:
        """What each job gives, or why it gives nothing. Where one breaks a child that they share, each has its own."""
        try:
            yield from self._run(jobs)
        except (FailedRunError, BadReplyError) as error:
            if len(jobs) == 1:
                yield str(error)
                return
            for job in jobs:
                yield from self._run_together([job])

    def _run(self, jobs: Sequence[Job]) -> list[list[list[Observed]]]:
        """For each job, for each program, for each instance, what is observed; all in one child, in order.

        Raises as `observed` does, or ZygoteDiedError.
        """
        return observed(self._ask([request(*job) for job in jobs]), jobs, self._limits)

    def _ask(self, sent: list[dict[str, object]]) -> Reply:
        """Ask the zygote, and once more of a fresh one where it has died: the answer is not at fault for that."""
        self.start()
        assert self._zygote is not None
        try:
            return self._zygote.ask(sent)
        except ZygoteDiedError:
            self._close_zygote()
            self.start()
            return self._zygote.ask(sent)


def _read(puzzle: Puzzle, text: str) -> Answer | Verdict:
    """What was typed as an answer, or why it is none."""
    try:
        return puzzle.read(text)
    except Slip as slip:
        return Verdict(status=Status.UNPARSABLE, feedback=printable(str(slip)))
    except Forbidden as forbidden:
        return Verdict(status=Status.REFUSED, feedback=printable(str(forbidden)))
    except (ValueError, OverflowError, RecursionError):
        return Verdict(status=Status.UNPARSABLE, feedback="That answer cannot be read.")  # Python's own limits


def _internal(sentence: str) -> Verdict:
    return Verdict(status=Status.INTERNAL, feedback=f"{sentence} That is our fault; nothing was rated.")


def _instances(puzzle: Puzzle) -> list[Instance]:
    return instances(puzzle.setting, int(puzzle.hash[:8], 16))


def _too_large(puzzle: Puzzle, answer: Program, chosen: Sequence[Instance]) -> str | None:
    return next((large for one in chosen if (large := puzzle.too_large(answer, one.sizes))), None)
