"""The learner puts lines in order, or replaces the line that is wrong."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from textwrap import indent

from tensordrill.puzzles.answers import Slip, clean, one_line
from tensordrill.puzzles.base import Edit, Face, Program, Puzzle, Setting, Wrong, dedent
from tensordrill.puzzles.source import refuse

_FIX = re.compile(r"(?:line\s+)?(\d+)(?:\s*[:.)|]|\s|$)(.*)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class OrderLines(Puzzle):
    """`lines` in a right order, shown shuffled. `around` is the line that they stand below, indented.

    Other orders are right too where running them gives the same observations.
    """

    kind = "order"
    prompt: str
    lines: Sequence[str]
    observe: Mapping[str, str]
    setup: str = ""
    around: str = ""
    order: Sequence[int] = ()  # order[i] is the index in `lines` of the line shown as i + 1

    @property
    def face(self) -> Face:
        below = f"{self.around}\n    ...  # the lines go here" if self.around else "...  # the lines go here"
        return Face(
            prompt=self.prompt,
            how=f"the numbers in order, such as {' '.join(str(i + 1) for i in range(len(self.lines)))}",
            code=f"{dedent(self.setup)}\n{below}".strip(),
            lines=tuple(self.shown),
        )

    @cached_property
    def shown(self) -> list[str]:
        return [self.lines[i] for i in self.order] if self.order else list(self.lines)

    @cached_property
    def setting(self) -> Setting:
        return Setting(setup=dedent(self.setup))

    @cached_property
    def solution(self) -> str:
        return self._numbers(self.lines)

    @cached_property
    def reference(self) -> Program:
        return self._program(self.lines)

    def read(self, text: str) -> Program:
        text = one_line(text)
        numbers = [int(number[:6]) for number in re.findall(r"\d+", text)[: len(self.lines) + 1]]
        count = len(self.lines)
        if re.search(r"[^\d\s,;.()\[\]>-]", text):
            raise Slip(f"Type only the numbers of the lines, such as {' '.join(str(i + 1) for i in range(count))}.")
        if len(numbers) == 1 and len(str(numbers[0])) == count:
            numbers = [int(digit) for digit in str(numbers[0])]
        if sorted(numbers) != list(range(1, count + 1)):
            raise Slip(f"Each number from 1 to {count} is needed once.")
        return self._program([self.shown[number - 1] for number in numbers])

    def mutant(self, wrong: Wrong | Edit) -> Program:
        if isinstance(wrong, Edit) or isinstance(wrong.answer, str):
            raise TypeError(f"{wrong.id!r}: a wrong order is a list of the lines")
        return self._program(wrong.answer)

    def wrong_text(self, wrong: Wrong | Edit) -> str | None:
        return self._numbers(wrong.answer) if isinstance(wrong, Wrong) else None

    def shuffled(self, order: Sequence[int]) -> "OrderLines":
        """The lines shown in that order, or in the reverse where it would give the answer away."""
        shown = [self.lines[i] for i in order]
        return replace(self, order=tuple(reversed(order)) if shown == list(self.lines) else tuple(order))

    @property
    def shown_items(self) -> int:
        return len(self.lines)

    def _numbers(self, lines: Sequence[str]) -> str:
        return " ".join(str(self.shown.index(line) + 1) for line in lines)

    def _program(self, lines: Sequence[str]) -> Program:
        body = "\n".join(lines)
        source = f"{self.around}\n{indent(body, '    ')}" if self.around else body
        return Program(source, tuple(self.observe.items()), 1 if self.around else 0)


@dataclass(frozen=True, kw_only=True)
class FixLine(Puzzle):
    """A program with one wrong line: `bug`. `repair` is one line that mends it; any other that works is right too.

    `program` must run as it stands; what is observed after it tells a repaired program from a broken one.
    """

    kind = "fix"
    prompt: str
    program: str
    bug: str
    repair: str
    observe: Mapping[str, str]
    setup: str = ""
    forbid: Sequence[str] = ()
    bug_is: str = "The bug is still there."

    @property
    def face(self) -> Face:
        return Face(
            prompt=self.prompt,
            how="the line's number and its replacement, such as 4: x = x + 1",
            code=self._source,
            lines=tuple(self._lines),
        )

    @cached_property
    def _source(self) -> str:
        return dedent(self.program)

    @cached_property
    def _lines(self) -> list[str]:
        return self._source.split("\n")

    @cached_property
    def _bug_number(self) -> int:
        """Counted from 1. Raises ValueError where the bug is not one line of the program."""
        found = [number for number, line in enumerate(self._lines, 1) if line.strip() == self.bug.strip()]
        if len(found) != 1:
            raise ValueError(f"the bug {self.bug!r} is {len(found)} lines of the program, not one")
        return found[0]

    @cached_property
    def setting(self) -> Setting:
        return Setting(setup=dedent(self.setup))

    @cached_property
    def solution(self) -> str:
        return f"{self._bug_number}: {self.repair.strip()}"

    @cached_property
    def reference(self) -> Program:
        return self.read(self.solution)

    def read(self, text: str) -> Program:
        text = clean(text)
        if "\n" in text.strip():
            raise Slip("Replace one line, by one line.")
        match = _FIX.fullmatch(text.strip())
        if match is None:
            raise Slip("Type the line's number, a colon and its replacement, such as 4: x = x + 1.")
        number = int(match[1][:6])
        if not 1 <= number <= len(self._lines):
            raise Slip(f"The program has lines 1 to {len(self._lines)}; there is no line {number}.")
        lines = list(self._lines)
        old = lines[number - 1]
        lines[number - 1] = old[: len(old) - len(old.lstrip())] + (match[2].strip() or "pass")
        source = "\n".join(lines)
        refuse(source, self.forbid)
        return self._program(source)

    def mutant(self, wrong: Wrong | Edit) -> Program:
        return self._program(wrong.apply(self._source)) if isinstance(wrong, Edit) else self.read(str(wrong.answer))

    def wrong_text(self, wrong: Wrong | Edit) -> str | None:
        if isinstance(wrong, Wrong):
            return str(wrong.answer)
        for number, (old, new) in enumerate(zip(self._lines, wrong.apply(self._source).split("\n"), strict=False), 1):
            if old != new:
                return f"{number}: {new.strip()}"
        return None

    def _program(self, source: str) -> Program:
        return Program(source, tuple(self.observe.items()), 0)
