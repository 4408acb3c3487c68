"""The learner types an einops pattern."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tensordrill.puzzles.answers import Slip, one_line, unquoted
from tensordrill.puzzles.base import Edit, Face, Program, Puzzle, Setting, Tensor, Wrong
from tensordrill.puzzles.calls import read_call
from tensordrill.puzzles.pattern_errors import explain_pattern

_OPERATIONS = ("rearrange", "reduce", "repeat")
_STRAY = re.compile(r"[^A-Za-z_0-9 ().*]")


@dataclass(frozen=True, kw_only=True)
class WritePattern(Puzzle):
    """A pattern for one einops call on `tensor`, whose result has the axes `output`.

    `given` are the sizes that the call passes (`{"head": 4}`), the same in every hidden instance; `derived` names
    merged axes (`{"d_model": "head * d_head"}`).
    """

    kind = "pattern"
    prompt: str
    tensor: Tensor
    output: Sequence[str]
    pattern: str
    operation: str = "rearrange"
    reduction: str = ""
    given: Mapping[str, int] = field(default_factory=dict)
    derived: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    axes_told: bool = False

    @property
    def face(self) -> Face:
        return Face(
            prompt=self.prompt,
            how="the pattern that stands for ____, such as a b -> b a; the whole call works too",
            code=self.code or self._call("____"),
            tensors=(self.tensor,),
            axes_told=self.axes_told,
            sizes=self._sizes,
            output=tuple(self.output),
        )

    @property
    def _sizes(self) -> dict[str, int | str]:
        return {**self.given, **self.derived}

    @cached_property
    def setting(self) -> Setting:
        return Setting(tensors=(self.tensor,), sizes=self._sizes)

    @property
    def solution(self) -> str:
        return self.pattern

    @cached_property
    def reference(self) -> Program:
        return self._program(self._call(self.pattern))

    def read(self, text: str) -> Program:
        text = unquoted(one_line(text))
        if call := read_call(text, functions=_OPERATIONS, operands=[self.tensor.name]):
            pattern, *reductions = call.strings
            check_pattern(pattern)
            reduction, operands = "".join(reductions), ", ".join(call.operands) or self.tensor.name
            if reduction and not reduction.isidentifier():
                raise Slip("That call has a string that is neither a pattern nor a reduction, such as mean.")
            return self._program(render_call(call.function, operands, pattern, reduction, dict(call.sizes)))
        check_pattern(text)
        named = set(re.findall(r"\w+", text))
        if missing := [name for name in self.given if name not in named]:
            size = f"{missing[0]}={self.given[missing[0]]}"
            raise Slip(f"The call passes {size}; name an axis {missing[0]}, or type the whole call with your own.")
        return self._program(self._call(text))

    def mutant(self, wrong: Wrong | Edit) -> Program:
        return self.read(wrong.apply(self.pattern) if isinstance(wrong, Edit) else str(wrong.answer))

    def explain_error(self, answer: Program, sizes: Mapping[str, int]) -> str | None:
        return explain_pattern(answer.source, self.tensor.name, self.tensor.axes, sizes)

    def _call(self, pattern: str) -> str:
        return render_call(self.operation, self.tensor.name, pattern, self.reduction, self.given)

    @staticmethod
    def _program(call: str) -> Program:
        return Program(f"answer = {call}", (("the result", "answer"),))


def render_call(operation: str, operand: str, pattern: str, reduction: str, sizes: Mapping[str, int]) -> str:
    """`render_call("reduce", "x", "a b -> a", "mean", {})` is `einops.reduce(x, "a b -> a", "mean")`."""
    arguments = [operand, f'"{pattern}"', *([f'"{reduction}"'] if reduction else [])]
    arguments += [f"{name}={size}" for name, size in sizes.items()]
    return f"einops.{operation}({', '.join(arguments)})"


def check_pattern(text: str) -> None:
    """Raises Slip where the text is no pattern at all. What is merely wrong is left for einops to say."""
    if text.count("->") != 1:
        raise Slip("A pattern has one arrow: the axes before, ->, the axes after.")
    if stray := sorted(set(_STRAY.findall(text.replace("->", "")))):
        raise Slip(f"A pattern has axis names, ( ) and ->, but no {' '.join(stray)}.")
    for side in text.split("->"):
        depth = 0
        for character in side:
            depth += {"(": 1, ")": -1}.get(character, 0)
            if depth not in (0, 1):
                raise Slip("The brackets of that pattern do not pair up.")
        if depth:
            raise Slip("The brackets of that pattern do not pair up.")
