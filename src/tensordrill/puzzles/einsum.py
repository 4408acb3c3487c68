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
_CALL = re.compile(r'einsum\((?:(.*), )?"([^"]*)"(?:, (.*))?\)')


@dataclass(frozen=True, kw_only=True)
class WriteEinsum(Puzzle):
    """An equation over `tensors` (in operand order) whose result has the axes `output`.

    It is asked for as `torch.einsum` takes it; with `words`, as `einops.einsum` does: names separated by spaces, after
    the tensors. Either way an answer may be in letters or in words.
    """

    kind = "einsum"
    prompt: str
    tensors: Sequence[Tensor]
    output: Sequence[str]
    sizes: Mapping[str, int | str] = field(default_factory=dict)
    code: str = ""
    axes_told: bool = False
    words: bool = False

    @property
    def face(self) -> Face:
        names = [t.name for t in self.tensors]
        how = "the equation, such as xyz,w->zw; axis names separated by spaces work too"
        if self.words:
            how = "axis names separated by spaces, such as row col page, line -> page line; letters work too"
        return Face(
            prompt=self.prompt,
            how=how,
            code=self.code or _call("____", names, words=self.words),
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
        operands = [t.axes for t in self.tensors]
        return Equation(operands, self.output, words=True).spelled if self.words else spell(operands, self.output)

    @cached_property
    def reference(self) -> Program:
        return self.read(self.solution)

    def read(self, text: str) -> Program:
        text, module = unquoted(one_line(text)), ""
        names = [t.name for t in self.tensors]
        if call := read_call(text, functions=("einsum",), operands=names):
            text, module, names = call.strings[0], call.module, list(call.operands) or names
        ranks = {t.name: len(t.axes) - ("..." in t.axes) for t in self.tensors}
        equation = read_equation(text, [ranks[name] for name in names], words=self.words or module == "einops")
        if module == "einops" and not equation.words:
            raise Slip("einops.einsum takes letters that stand together for one name; put spaces between the axes.")
        if equation.output is None and (equation.words or self.words):
            raise Slip("In words the equation needs its arrow, and after it the axes of the result.")
        if self.words and equation.words:
            return self._program(equation.spelled, names, words=True)
        if equation.words and (count := len(set(equation.names))) > len(ascii_lowercase):
            raise Slip(f"That equation names {count} axes, and there are {len(ascii_lowercase)} letters for them.")
        return self._program(equation.lettered, names, words=False)

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
        lengths = {
            name: sizes[axis]
            for term, (_, axes) in zip(equation.terms, operands, strict=True)
            for name, axis in zip(term, axes, strict=False)
        }
        shape = [lengths.get(name, 1) for name in equation.output or ()]
        if any("..." in term for term in equation.terms) or prod(shape) <= MAX_ENTRIES:
            return None
        return f"Your result would have {prod(shape):,} entries, of shape {tuple(shape)}. Which axes should be summed?"

    def _parts(self, answer: Program) -> "tuple[Equation, list[tuple[str, Sequence[str]]]] | None":
        """The equation of an answer, and the names and axes of its operands."""
        found = _CALL.search(answer.source)
        if found is None:
            return None
        before, equation, after = found.groups()
        axes = {t.name: t.axes for t in self.tensors}
        operands: list[tuple[str, Sequence[str]]] = [(name, axes[name]) for name in (before or after).split(", ")]
        return Equation.of(equation, words=before is not None), operands

    @staticmethod
    def _program(equation: str, names: Sequence[str], *, words: bool) -> Program:
        return Program(f"answer = {_call(equation, names, words=words)}", (("the result", "answer"),))


def _call(equation: str, names: Sequence[str], *, words: bool) -> str:
    tensors = ", ".join(names)
    return f'einops.einsum({tensors}, "{equation}")' if words else f'torch.einsum("{equation}", {tensors})'


@dataclass(frozen=True)
class Equation:
    """An equation taken apart: the names of each term's axes and of the result's, None where there is no arrow.

    `words` says how it was written: as words, or as letters that may stand together.
    """

    terms: Sequence[Sequence[str]]
    output: Sequence[str] | None
    words: bool

    @classmethod
    def of(cls, text: str, *, words: bool) -> "Equation":
        name = re.compile(r"\.\.\.|\w+" if words else r"\.\.\.|\w")
        inputs, arrow, output = text.partition("->")
        return cls([name.findall(term) for term in inputs.split(",")], name.findall(output) if arrow else None, words)

    @property
    def names(self) -> list[str]:
        """Every name, each time that it stands there."""
        return [name for term in (*self.terms, self.output or ()) for name in term if name != "..."]

    @property
    def spelled(self) -> str:
        """As einops takes it."""
        inputs = ", ".join([" ".join(term) for term in self.terms])
        return f"{inputs} -> {' '.join(self.output or ())}"

    @property
    def lettered(self) -> str:
        """As torch takes it."""
        letters = letters_for(self.names) if self.words else {name: name for name in (*self.names, "...")}
        terms = ["".join([letters[name] for name in term]) for term in self.terms]
        return ",".join(terms) + ("" if self.output is None else "->" + "".join([letters[n] for n in self.output]))

    def fits(self, ranks: Sequence[int]) -> bool:
        """Whether there is a term for each tensor, with as many names as that has axes."""
        return len(self.terms) == len(ranks) and all(
            len(term) - 1 <= rank if "..." in term else len(term) == rank
            for term, rank in zip(self.terms, ranks, strict=True)
        )


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


def read_equation(text: str, ranks: Sequence[int], *, words: bool = False) -> Equation:
    """The equation, in words or in letters; which of them was typed, the operands' ranks decide, else `words`.

    Raises Slip where the text is no equation at all. What is merely wrong is left for torch to say.
    """
    if stray := sorted(set(_STRAY.findall(text.replace("->", "").replace("...", "")))):
        raise Slip(f"An equation has axis names, commas, ... and ->, but no {' '.join(stray)}. Type it as xyz,w->zw.")
    output = text.partition("->")[2]
    if "->" in output or "," in output:
        raise Slip("An equation has one arrow, and one output after it.")
    in_words, in_letters = Equation.of(text, words=True), Equation.of(text, words=False)
    strays = sorted({name for name in in_letters.names if not name.isalpha()})
    fits = in_words.fits(ranks)
    if fits if fits != (not strays and in_letters.fits(ranks)) else words:
        return in_words
    if strays:
        raise Slip(f"Axes are single letters, or words separated by spaces; {strays[0]} is neither.")
    return in_letters


def explain_equation(
    equation: Equation, operands: Sequence[tuple[str, Sequence[str]]], sizes: Mapping[str, int]
) -> str | None:
    """Why an equation does not fit these operands (names and axes), in their names; None where it does."""
    if any("..." in axes for _, axes in operands):
        return None
    if len(equation.terms) != len(operands):
        names = " and ".join(name for name, _ in operands)
        count = "1 term" if len(equation.terms) == 1 else f"{len(equation.terms)} terms"
        return f"Your equation has {count}, and there are {len(operands)} tensors: {names}."
    seen: dict[str, tuple[str, str]] = {}
    for term, (name, axes) in zip(equation.terms, operands, strict=True):
        named = [letter for letter in term if letter != "..."]
        if len(named) > len(axes) or (len(named) < len(axes) and "..." not in term):
            held = f"{name} has {len(axes)} axes ({', '.join(axes)})"
            written = (" " if equation.words else "").join(term)
            return f"{held}, and your term {written or '(empty)'} names {len(named)}."
        if "..." in term:
            continue
        for letter, axis in zip(named, axes, strict=True):
            before, where = seen.setdefault(letter, (axis, name))
            if sizes[before] != sizes[axis]:
                return (
                    f"You use {letter} for {before} of {where}, which has size {sizes[before]}, "
                    f"and for {axis} of {name}, which has size {sizes[axis]}."
                )
    output = [letter for letter in equation.output or () if letter != "..."]
    for letter in output:
        if letter not in seen:
            return f"After the arrow stands {letter}, which is in none of the terms before it."
        if output.count(letter) > 1:
            return f"After the arrow {letter} stands twice; an output axis is named once."
    return None
