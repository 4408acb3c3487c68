"""The learner picks what a program does, out of several; running it says which one is true."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from string import ascii_lowercase
from textwrap import indent

from tensordrill.puzzles.answers import Slip, one_line, unquoted
from tensordrill.puzzles.base import Edit, Face, Program, Puzzle, Said, Setting, Wrong, dedent


@dataclass(frozen=True)
class Choice:
    """One statement about the program, and the test of it.

    `holds` is an expression over the program's names, false where the program raised; with `raises`, a part of the
    error's text, the error must come (and `holds`, if there is one, be true then: it tells which line raised). Of all
    choices exactly one must hold, or the puzzle is not certified.
    """

    text: str
    holds: str = ""
    raises: str = ""


@dataclass(frozen=True, kw_only=True)
class Choose(Puzzle):
    """Which of `choices` is true of the program. A wrong turn's answer is the text of a choice.

    With `dtypes_matter` the program runs under torch's own default dtype.
    """

    kind = "choice"
    predicts = True
    prompt: str
    program: str
    choices: Sequence[Choice]
    right: str  # the text of the choice that the author means; torch has the last word
    order: Sequence[int] = ()
    dtypes_matter: bool = False

    @property
    def face(self) -> Face:
        letters = ascii_lowercase[: len(self.choices)]
        return Face(
            prompt=self.prompt,
            how=f"a letter: {', '.join(letters[:-1])} or {letters[-1]}",
            code=dedent(self.program),
            choices=tuple(choice.text for choice in self._shown),
        )

    @cached_property
    def _shown(self) -> list[Choice]:
        return [self.choices[i] for i in self.order] if self.order else list(self.choices)

    @cached_property
    def setting(self) -> Setting:
        return Setting(instances=1, dtypes_matter=self.dtypes_matter)

    @cached_property
    def solution(self) -> str:
        return ascii_lowercase[[choice.text for choice in self._shown].index(self.right)]

    @cached_property
    def reference(self) -> Program:
        tests = ", ".join(
            (f"{choice.raises!r} in raised" if choice.raises else "raised == ''")
            + (f" and bool({choice.holds})" if choice.holds else "")
            for choice in self._shown
        )
        source = (
            f"try:\n{indent(dedent(self.program), '    ')}\n"
            "except Exception as error:\n    raised = f'{type(error).__name__}: {error}'\nelse:\n    raised = ''"
        )
        return Program(source, (("the answer", f"[{tests}]"),))

    def read(self, text: str) -> Said:
        answer = unquoted(one_line(text))
        letter = answer.rstrip(".)").lstrip("(").strip().lower()
        letters = ascii_lowercase[: len(self.choices)]
        if len(letter) == 1 and letter in letters:
            return self._said(letters.index(letter))
        texts = [_plain(choice.text) for choice in self._shown]
        both = re.fullmatch(r"\(?([a-z])[.)] (.+)", answer, re.IGNORECASE)
        if both and _plain(both[2]) in texts and letters.find(both[1].lower()) == texts.index(_plain(both[2])):
            answer = both[2]
        if _plain(answer) in texts:
            return self._said(texts.index(_plain(answer)))
        raise Slip(f"Type one of the letters {', '.join(letters)}.")

    def mutant(self, wrong: Wrong | Edit) -> Said:
        if isinstance(wrong, Edit):
            raise TypeError(f"{wrong.id!r}: a wrong choice is the text of a choice")
        return self._said([choice.text for choice in self._shown].index(str(wrong.answer)))

    def wrong_text(self, wrong: Wrong | Edit) -> str | None:
        texts = [choice.text for choice in self._shown]
        return ascii_lowercase[texts.index(str(wrong.answer))] if isinstance(wrong, Wrong) else None

    def spoken(self, said: object) -> str | None:
        if isinstance(said, list) and said.count(True) == 1:
            at = said.index(True)
            return f"{ascii_lowercase[at]}) {self._shown[at].text}"
        return None

    def shuffled(self, order: Sequence[int]) -> "Choose":
        """The choices shown in that order."""
        return replace(self, order=tuple(order))

    @property
    def shown_items(self) -> int:
        return len(self.choices)

    def _said(self, index: int) -> Said:
        return Said([i == index for i in range(len(self.choices))])


def _plain(text: str) -> str:
    return " ".join(text.replace("`", "").split()).rstrip(".").lower()
