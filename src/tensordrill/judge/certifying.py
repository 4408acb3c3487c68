"""Certificates: what torch says of a puzzle before anybody is asked it. No torch here; the runs come from children."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

from tensordrill.judge.comparing import MARGIN, Difference, compare, compare_said, said_by
from tensordrill.judge.instances import Instance
from tensordrill.judge.showing import as_answer
from tensordrill.judge.values import Observed
from tensordrill.puzzles import Forbidden, Program, Puzzle, Said, Slip

Ran = Sequence[Observed] | Said  # one observation for each instance; or what is said, where nothing runs


@dataclass(frozen=True)
class Certificate:
    """What torch says of a puzzle: what the reference gives, what each wrong turn gives, and what is wrong with it."""

    puzzle: str
    instances: tuple[Instance, ...]
    expected: tuple[Observed, ...]
    turns: tuple[Ran, ...]
    problems: tuple[str, ...]
    confused: tuple[str, ...] = ()  # wrong turns that the instances do not tell from the reference

    @property
    def ok(self) -> bool:
        return not self.problems


class Certificates:
    """The last certificates, so many, by the hashes of their puzzles. For several threads.

    One without a puzzle is not kept: its run failed, and may go well when the machine has more time or memory.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[str, Certificate] = {}
        self._changing = Lock()

    def get(self, puzzle: str) -> Certificate | None:
        return self._kept.get(puzzle)

    def keep(self, certificate: Certificate) -> None:
        if not certificate.puzzle:
            return
        with self._changing:
            self._kept[certificate.puzzle] = certificate
            while len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]


def programs_of(puzzle: Puzzle) -> list[Program]:
    """What a certificate needs to be run: the reference, then the wrong turns that run."""
    return [puzzle.reference, *(turn.answer for turn in puzzle.turns if isinstance(turn.answer, Program))]


def unmade(puzzle: Puzzle) -> Certificate | None:
    """A certificate of failure for a puzzle whose wrong turns cannot even be made; None where they can."""
    try:
        programs_of(puzzle)
    except (Slip, Forbidden, ValueError, TypeError) as error:
        return failed(f"One of its wrong turns cannot be made: {error}")
    return None


def failed(problem: str) -> Certificate:
    """A certificate of no puzzle, where one cannot be made."""
    return Certificate(puzzle="", instances=(), expected=(), turns=(), problems=(problem,))


def alike(puzzles: Sequence[Puzzle], which: Sequence[int]) -> Iterable[list[int]]:
    """Those of one set-up together: what one changes in torch itself is still changed for the next in its child."""
    groups: dict[str, list[int]] = {}
    for i in which:
        groups.setdefault(puzzles[i].setting.setup, []).append(i)
    return groups.values()


def certificate_of(puzzle: Puzzle, chosen: Sequence[Instance], ran: Sequence[Sequence[Observed]]) -> Certificate:
    """The certificate, from the runs of `programs_of` in their order."""
    runs = iter(ran)
    expected = tuple(next(runs))
    turns = tuple(t.answer if isinstance(t.answer, Said) else tuple(next(runs)) for t in puzzle.turns)
    problems = []
    raised = next((one.raised for one in expected if one.raised), None)
    if raised and not puzzle.may_raise:
        problems.append(f"Its reference raises {raised.type}: {raised.message}")
    if puzzle.face.choices:
        problems += _choice_problems(puzzle, expected[0])
    confused = tuple(
        turn.id
        for turn, result in zip(puzzle.turns, turns, strict=True)
        if not any(differences(puzzle, expected, result, slack=MARGIN))
    )
    problems += [f"Its wrong turn {name!r} gives what the reference gives." for name in confused]
    return Certificate(puzzle.hash, tuple(chosen), expected, turns, tuple(problems), confused)


def typed(puzzle: Puzzle, certificate: Certificate) -> tuple[str, list[str]]:
    """The right answer, and every wrong turn, as a learner would type them."""
    solution = puzzle.solution or as_answer(certificate.expected[0])
    texts = [puzzle.wrong_text(wrong) for wrong in puzzle.wrong]
    said = [
        "error" if isinstance(ran, Said) else as_answer(ran[0]) if puzzle.predicts else "" for ran in certificate.turns
    ]
    return solution, [other if text is None else text for text, other in zip(texts, said, strict=True)]


def problems_as_typed(puzzle: Puzzle, certificate: Certificate) -> list[str]:
    """What goes wrong when the solution and the wrong turns are typed: each a sentence that says what to change.

    What is typed must be read as the very program that was run, or as a prediction of what it gave; and each wrong turn
    must be known as itself, not as one before it.
    """
    solution, wrong = typed(puzzle, certificate)
    problems = []
    answers = [(None, solution, puzzle.reference, certificate.expected)]
    turns = zip(puzzle.turns, wrong, certificate.turns, strict=True)
    known: list[tuple[str, Ran]] = []
    for name, text, program, ran in [*answers, *((t.id, text, t.answer, ran) for t, text, ran in turns)]:
        whose = f"Its wrong turn {name!r}" if name else "Its own solution"
        try:
            read = puzzle.read(text)
        except (Slip, Forbidden) as error:
            problems.append(f"{whose}, typed as {text!r}, is not accepted as an answer: {error}")
            continue
        if isinstance(read, Program):
            if isinstance(program, Program) and _meaning(read.source) != _meaning(program.source):
                problems.append(f"{whose}, typed, is read as another program: {read.source!r}")
        elif name is None and any(differences(puzzle, certificate.expected, read)):
            problems.append(f"{whose}, typed as {text!r}, is judged wrong.")
        elif name is not None and not any(differences(puzzle, certificate.expected, read)):
            problems.append(f"{whose}, typed as {text!r}, is judged right.")
        if name is not None:
            problems += [f"{whose} does what {earlier!r} does." for earlier, it in known if same(puzzle, it, ran)][:1]
            known.append((name, ran))
    return problems


def differences(
    puzzle: Puzzle, expected: Sequence[Observed], got: Ran, slack: float = 1.0
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


def same(puzzle: Puzzle, turn: Ran, got: Ran) -> bool:
    """Whether an answer does on every instance what a wrong turn does."""
    if puzzle.predicts:
        said = got if isinstance(got, Said) else said_by(got[0])
        if isinstance(turn, Said):
            return turn == said
        return compare_said(turn[0], said) is None
    assert not isinstance(turn, Said)
    assert not isinstance(got, Said)
    if all(one.raised for one in turn):
        # The type of an error says little: unlike mistakes raise it with other messages.
        return all(
            one.raised and other.raised and one.raised.message.split() == other.raised.message.split()
            for one, other in zip(turn, got, strict=True)
        )
    return not any(differences(puzzle, turn, got))


def _choice_problems(puzzle: Puzzle, expected: Observed) -> list[str]:
    """What keeps a choice from being asked: torch must find exactly one true, and the one that the author means."""
    said = said_by(expected).value
    true = said.count(True) if isinstance(said, list) else 0
    if true != 1:
        return [f"Of its choices {true} are true, not one."]
    if puzzle.solution is not None and puzzle.read(puzzle.solution) != Said(said):
        return [f"The choice that is true is {puzzle.spoken(said)}, and not the one that it means."]
    return []


def _meaning(source: str) -> str:
    """The source without what Python does not care about: spaces, comments, brackets around an expression."""
    try:
        return ast.dump(ast.parse(source))
    except SyntaxError:
        return source
