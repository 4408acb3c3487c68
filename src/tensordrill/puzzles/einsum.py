"""The learner types an einsum equation, in letters or in words."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from string import ascii_lowercase

from tensordrill.puzzles.answers import Slip, one_line, unquoted
from tensordrill.puzzles.base import Edit, Face, Program, Puzzle, Setting, Tensor, Wrong
from tensordrill.puzzles.calls import read_call

MAX_ENTRIES = 250_000  # of a result that is worth comparing
_STRAY = re.compile(r"[^A-Za-z_0-9 ,]")


@dataclass(frozen=True, kw_only=True)
class WriteEinsum(Puzzle):
    """An equation for `torch.einsum` over `tensors` (in operand order) whose result has the axes `output`."""

    kind = "einsum"
    prompt: str
    tensors: Sequence[Tensor]
    output: Sequence[str]
    sizes: Mapping[str, int | str] = field(default_factory=dict)
    code: str = ""
    axes_told: bool = False

    @property
    def face(self) -> Face:
        return Face(
            prompt=self.prompt,
            how="the equation, such as ij,jk->ik; axis names separated by spaces work too",
            code=self.code or f'torch.einsum("____", {", ".join(t.name for t in self.tensors)})',
            tensors=tuple(self.tensors),
            axes_told=self.axes_told,
            sizes=self.sizes,
            output=tuple(self.output),
        )

    @cached_property
    def setting(self) -> Setting:
        return Setting(tensors=tuple(self.tensors), sizes=self.sizes)

    @cached_property
    def solution(self) -> str:
        return spell([t.axes for t in self.tensors], self.output)

    @cached_property
    def reference(self) -> Program:
        return self._program(self.solution, [t.name for t in self.tensors])

    def read(self, text: str) -> Program:
        text = unquoted(one_line(text))
        names = [t.name for t in self.tensors]
        if call := read_call(text, functions=("einsum",), operands=names):
            text, names = call.strings[0], list(call.operands)
        ranks = {t.name: len(t.axes) - ("..." in t.axes) for t in self.tensors}
        return self._program(read_equation(text, [ranks[name] for name in names]), names)

    def mutant(self, wrong: Wrong | Edit) -> Program:
        return self.read(wrong.apply(self.solution) if isinstance(wrong, Edit) else str(wrong.answer))

    def explain_error(self, answer: Program, sizes: Mapping[str, int]) -> str | None:
        parts = self._parts(answer)
        return explain_equation(*parts, sizes) if parts else None

    def too_large(self, answer: Program, sizes: Mapping[str, int]) -> str | None:
        parts = self._parts(answer)
        if parts is None:
            return None
        equation, operands = parts
        if explain_equation(equation, operands, sizes) or any("..." in axes for _, axes in operands):
            return None
        inputs, _, output = equation.partition("->")
        pairs = [
            pair
            for term, (_, axes) in zip(inputs.split(","), operands, strict=True)
            for pair in zip(term, axes, strict=False)
        ]
        letters = {letter: sizes[axis] for letter, axis in pairs if letter != "."}
        shape = [letters.get(letter, 1) for letter in output]
        if "..." in equation or prod(shape) <= MAX_ENTRIES:
            return None
        return f"Your result would have {prod(shape):,} entries, of shape {tuple(shape)}. Which axes should be summed?"

    def _parts(self, answer: Program) -> tuple[str, list[tuple[str, Sequence[str]]]] | None:
        """The equation of an answer, and the names and axes of its operands."""
        found = re.search(r'einsum\("([^"]*)", (.*)\)', answer.source)
        if found is None:
            return None
        axes = {t.name: t.axes for t in self.tensors}
        return found[1], [(name, axes[name]) for name in found[2].split(", ")]

    @staticmethod
    def _program(equation: str, names: Sequence[str]) -> Program:
        return Program(f'answer = torch.einsum("{equation}", {", ".join(names)})', (("the result", "answer"),))


def letters_for(axes: Iterable[str]) -> dict[str, str]:
    """One letter for each axis name: its first letter that is still free, else the first free one."""
    letters: dict[str, str] = {"...": "..."}
    for axis in axes:
        if axis not in letters:
            free = [c for c in axis.lower() + ascii_lowercase if c in ascii_lowercase and c not in letters.values()]
            letters[axis] = free[0]
    return letters


def spell(operands: Sequence[Sequence[str]], output: Sequence[str]) -> str:
    """The equation in letters: `spell([["row", "col"]], ["row"])` is `rc->r`."""
    letters = letters_for(axis for axes in operands for axis in axes)
    terms = ["".join(letters[axis] for axis in axes) for axes in operands]
    return ",".join(terms) + "->" + "".join(letters[axis] for axis in output)


def read_equation(text: str, ranks: Sequence[int]) -> str:
    """The equation as torch takes it. Words become letters; which of the two was typed, the operands' ranks decide.

    Raises Slip where the text is no equation at all. What is merely wrong is left for torch to say.
    """
    if stray := sorted(set(_STRAY.findall(text.replace("->", "").replace("...", "")))):
        raise Slip(f"An equation has axis names, commas, ... and ->, but no {' '.join(stray)}. Type it as ij,jk->ik.")
    inputs, arrow, output = text.partition("->")
    if "->" in output or "," in output:
        raise Slip("An equation has one arrow, and one output after it.")
    terms = [_words(term) for term in inputs.split(",")]
    outputs = _words(output)
    words = [word for term in [*terms, outputs] for word in term if word != "..."]
    if _spelled_in_words(words, terms, ranks):
        letters = letters_for(words)
    else:
        if stray := sorted({c for word in words for c in word if not c.isalpha()}):
            raise Slip(f"Axes are single letters, or words separated by spaces; {stray[0]} is neither.")
        letters = {word: word for word in [*words, "..."]}
    spelled = ["".join(letters[word] for word in term) for term in [*terms, outputs]]
    return ",".join(spelled[:-1]) + arrow + spelled[-1]


def _words(term: str) -> list[str]:
    return term.replace("...", " ... ").split()


def _spelled_in_words(words: Sequence[str], terms: Sequence[Sequence[str]], ranks: Sequence[int]) -> bool:
    """Whether long names are words rather than letters run together: where letters do not fit the ranks, words do."""
    if all(len(word) == 1 for word in words):
        return False
    if any(not word.isalpha() for word in words):
        return _fit(terms, ranks)
    letters = [[c for word in term for c in (["..."] if word == "..." else word)] for term in terms]
    return _fit(terms, ranks) and not _fit(letters, ranks)


def _fit(terms: Sequence[Sequence[str]], ranks: Sequence[int]) -> bool:
    if len(terms) != len(ranks):
        return False
    return all(
        len(term) - 1 <= rank if "..." in term else len(term) == rank for term, rank in zip(terms, ranks, strict=True)
    )


def explain_equation(
    equation: str, operands: Sequence[tuple[str, Sequence[str]]], sizes: Mapping[str, int]
) -> str | None:
    """Why an equation does not fit these operands (names and axes), in their names; None where it does."""
    if any("..." in axes for _, axes in operands):
        return None
    inputs, _, output = equation.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(operands):
        names = " and ".join(name for name, _ in operands)
        count = "1 term" if len(terms) == 1 else f"{len(terms)} terms"
        return f"Your equation has {count}, and there are {len(operands)} tensors: {names}."
    seen: dict[str, tuple[str, str]] = {}
    for term, (name, axes) in zip(terms, operands, strict=True):
        letters = term.replace("...", "")
        if len(letters) > len(axes) or (len(letters) < len(axes) and "..." not in term):
            held = f"{name} has {len(axes)} axes ({', '.join(axes)})"
            return f"{held}, and your term {term or '(empty)'} names {len(letters)}."
        if "..." in term:
            continue
        for letter, axis in zip(letters, axes, strict=True):
            before, where = seen.setdefault(letter, (axis, name))
            if sizes[before] != sizes[axis]:
                return (
                    f"You use {letter} for {before} of {where}, which has size {sizes[before]}, "
                    f"and for {axis} of {name}, which has size {sizes[axis]}."
                )
    for letter in output.replace("...", ""):
        if letter not in seen:
            return f"After the arrow stands {letter}, which is in none of the terms before it."
        if output.count(letter) > 1:
            return f"After the arrow {letter} stands twice; an output axis is named once."
    return None
