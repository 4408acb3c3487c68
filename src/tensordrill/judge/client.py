"""`Judge`: certifies puzzles and grades answers. Holds no torch; that is in the zygote's children."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from tensordrill.domain import Status, Verdict
from tensordrill.judge.comparing import MARGIN, Difference, compare, compare_said, said_by
from tensordrill.judge.diagnosing import explain
from tensordrill.judge.instances import Instance, instances
from tensordrill.judge.process import Reply, Zygote, ZygoteDiedError
from tensordrill.judge.sandbox import Limits
from tensordrill.judge.showing import as_answer, printable
from tensordrill.judge.values import BadReplyError, Observed, read_reply
from tensordrill.puzzles import Answer, Forbidden, Program, Puzzle, Said, Slip


@dataclass(frozen=True)
class Certificate:
    """What torch says of a puzzle: the reference's observations, each wrong turn's, and what is wrong with the puzzle.

    A wrong turn's entry is what it says (`Said`) or one observation for each instance.
    """

    puzzle: str
    instances: tuple[Instance, ...]
    expected: tuple[Observed, ...]
    turns: tuple[tuple[Observed, ...] | Said, ...]
    problems: tuple[str, ...]
    confused: tuple[str, ...] = ()  # wrong turns that the instances do not tell from the reference

    @property
    def ok(self) -> bool:
        return not self.problems


class FailedRunError(RuntimeError):
    """A child was stopped before it could reply: `status` and a sentence."""

    def __init__(self, status: Status, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class Judge:
    """Runs answers in children of one zygote, which starts with the first use or with `start`.

    One thread at a time may use it; only `stop` may be called from another.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._zygote: Zygote | None = None
        self._certificates: dict[str, Certificate] = {}
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
            self._zygote = Zygote(self._limits)

    def stop(self) -> None:
        """Kill what runs, now, from any thread. Whoever waits for a verdict is told that the judge was stopped."""
        self._stopped = True
        if self._zygote is not None:
            self._zygote.kill()

    def close(self) -> None:
        """End the zygote and free its pipes."""
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None

    @property
    def zygote_pid(self) -> int | None:
        return self._zygote.pid if self._zygote else None

    def certify(self, puzzle: Puzzle) -> Certificate:
        """Run the reference and every wrong turn. The certificate of the last puzzles is kept.

        Raises ZygoteDiedError where the judge cannot be kept running.
        """
        if puzzle.hash not in self._certificates:
            if len(self._certificates) > 100:  # noqa: PLR2004 -- a session's worth
                self._certificates.clear()
            self._certificates[puzzle.hash] = self._certify(puzzle)
        return self._certificates[puzzle.hash]

    def grade(self, puzzle: Puzzle, text: str) -> Verdict:
        """The verdict on what a learner typed."""
        started = time.perf_counter()
        verdict = self._grade(puzzle, text)
        return replace(
            verdict,
            feedback=printable(verdict.feedback),
            elapsed_ms=round((time.perf_counter() - started) * 1000, 3),
        )

    def solution(self, puzzle: Puzzle) -> str:
        """The right answer as a learner would type it."""
        if puzzle.solution is not None:
            return puzzle.solution
        return as_answer(self.certify(puzzle).expected[0])

    def wrong_answers(self, puzzle: Puzzle) -> list[str]:
        """Every wrong turn as a learner would type it."""
        texts = [puzzle.wrong_text(wrong) for wrong in puzzle.wrong]
        if all(text is not None for text in texts):
            return [text for text in texts if text is not None]
        turns = self.certify(puzzle).turns
        return [
            text if text is not None else "error" if isinstance(turn, Said) else as_answer(turn[0])
            for text, turn in zip(texts, turns, strict=True)
        ]

    def _grade(self, puzzle: Puzzle, text: str) -> Verdict:
        try:
            answer = puzzle.read(text)
        except Slip as slip:
            return Verdict(status=Status.UNPARSABLE, feedback=str(slip))
        except Forbidden as forbidden:
            return Verdict(status=Status.REFUSED, feedback=str(forbidden))
        try:
            certificate = self.certify(puzzle)
            if not certificate.ok:
                return Verdict(
                    status=Status.INTERNAL,
                    feedback=f"This puzzle is at fault, not you: {certificate.problems[0]} Nothing was rated.",
                )
            if isinstance(answer, Program) and (large := self._too_large(puzzle, answer, certificate.instances)):
                return Verdict(status=Status.MEMORY, feedback=large)
            got = answer if isinstance(answer, Said) else self._observe(puzzle, [answer], certificate.instances)[0]
        except FailedRunError as failed:
            return Verdict(status=failed.status, feedback=failed.sentence)
        except (ZygoteDiedError, BadReplyError) as error:
            return Verdict(
                status=Status.INTERNAL, feedback=f"The judge failed ({error}). That is our fault; nothing was rated."
            )
        return self._verdict(puzzle, certificate, answer, got)

    @staticmethod
    def _too_large(puzzle: Puzzle, answer: Program, chosen: Sequence[Instance]) -> str | None:
        return next((large for one in chosen if (large := puzzle.too_large(answer, one.sizes))), None)

    def _verdict(
        self,
        puzzle: Puzzle,
        certificate: Certificate,
        answer: Answer,
        got: Sequence[Observed] | Said,
    ) -> Verdict:
        differences = list(_differences(puzzle, certificate.expected, got))
        if not any(differences):
            return Verdict(status=Status.CORRECT, feedback="Correct.")
        turn = next(
            (turn for turn, ran in zip(puzzle.turns, certificate.turns, strict=True) if _same(puzzle, ran, got)), None
        )
        return explain(puzzle, answer, certificate.instances, certificate.expected, got, differences, turn)

    def _certify(self, puzzle: Puzzle) -> Certificate:
        seed = int(puzzle.hash[:8], 16)
        chosen = tuple(instances(puzzle.setting, seed))
        try:
            turns = puzzle.turns
            programs = [puzzle.reference, *(turn.answer for turn in turns if isinstance(turn.answer, Program))]
            ran = iter(self._observe(puzzle, programs, chosen))
        except (Slip, Forbidden, FailedRunError, BadReplyError, ValueError) as error:
            return Certificate(puzzle.hash, chosen, (), (), (f"{type(error).__name__}: {error}",))
        expected = tuple(next(ran))
        results = tuple(turn.answer if isinstance(turn.answer, Said) else tuple(next(ran)) for turn in turns)
        problems = []
        raised = next((one.raised for one in expected if one.raised), None)
        if raised and not puzzle.may_raise:
            problems.append(f"Its reference raises {raised.type}: {raised.message}")
        confused = tuple(
            turn.id
            for turn, result in zip(turns, results, strict=True)
            if not any(_differences(puzzle, expected, result, slack=MARGIN))
        )
        if puzzle.face.choices and expected:
            problems += _choice_problems(puzzle, expected[0])
        problems += [f"Its wrong turn {name!r} gives what the reference gives." for name in confused]
        return Certificate(puzzle.hash, chosen, expected, results, tuple(problems), confused)

    def _observe(self, puzzle: Puzzle, programs: Sequence[Program], chosen: Sequence[Instance]) -> list[list[Observed]]:
        """For each program, for each instance, what is observed; all programs in one child, in order.

        Raises FailedRunError, BadReplyError or ZygoteDiedError.
        """
        setting = puzzle.setting
        reply = self._ask(
            {
                "programs": [[program.source, program.observe] for program in programs],
                "instances": [instance.as_json(setting.tensors) for instance in chosen],
                "setup": setting.setup,
                "dtype": "float32" if setting.dtypes_matter else "float64",
            }
        )
        if reply.outcome == "timeout":
            raise FailedRunError(Status.TIMEOUT, f"It had not ended after {self._limits.cpu_s} seconds.")
        if reply.outcome == "flood":
            raise FailedRunError(Status.REFUSED, "It sent more than any result can hold.")
        if reply.outcome != "ran":
            how = f"by signal {reply.signal}" if reply.signal else "from inside"
            raise FailedRunError(Status.RAISED, f"The process that ran it was ended {how}, before there was a result.")
        observed = read_reply(reply.data, len(programs), len(chosen))
        if any(one.raised and one.raised.type == "MemoryError" for one in observed[0]):
            megabytes = self._limits.memory // 2**20
            raise FailedRunError(Status.MEMORY, f"It needs more than the {megabytes} MB that an answer may take.")
        return observed

    def _ask(self, request: dict[str, object]) -> Reply:
        """Ask the zygote, and once more of a fresh one where it has died: the answer is not at fault for that."""
        self.start()
        assert self._zygote is not None
        try:
            return self._zygote.ask(request)
        except ZygoteDiedError:
            self.close()
            self.start()
            return self._zygote.ask(request)


def _differences(
    puzzle: Puzzle, expected: Sequence[Observed], got: Sequence[Observed] | Said, slack: float = 1.0
) -> Iterator[Difference | None]:
    """For each instance the first difference, or None. Lazy: most questions end at the first instance that differs."""
    if puzzle.predicts:
        # A wrong turn is compared as the learner who takes it would say it: 5 and 5.0 are one answer.
        said = got if isinstance(got, Said) else said_by(got[0])
        return (compare_said(one, said, slack=slack) for one in expected)
    assert not isinstance(got, Said)
    strict = puzzle.setting.dtypes_matter
    pairs = zip(expected, got, strict=True)
    return (compare(one, other, dtypes_matter=strict, slack=slack) for one, other in pairs)


def _same(puzzle: Puzzle, turn: Sequence[Observed] | Said, got: Sequence[Observed] | Said) -> bool:
    """Whether the answer gives on every instance what the wrong turn gives."""
    if isinstance(turn, Said):
        return isinstance(got, Said) and turn == got
    if not isinstance(got, Said) and all(one.raised for one in turn):
        # The type of an error says little: unlike mistakes raise it with other messages.
        return all(
            one.raised and other.raised and one.raised.message.split() == other.raised.message.split()
            for one, other in zip(turn, got, strict=True)
        )
    return not any(_differences(puzzle, turn, got))


def _choice_problems(puzzle: Puzzle, expected: Observed) -> list[str]:
    """What keeps a choice from being asked: torch must find exactly one true, and the one that the author means."""
    said = said_by(expected).value
    true = said.count(True) if isinstance(said, list) else 0
    if true != 1:
        return [f"Of its choices {true} are true, not one."]
    if puzzle.solution is not None and puzzle.read(puzzle.solution).value != said:  # type: ignore[union-attr]
        return [f"The choice that is true is {puzzle.spoken(said)}, and not the one that it means."]
    return []
