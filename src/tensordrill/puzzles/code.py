"""The learner types torch: an expression, or the body of a function."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from textwrap import indent

from tensordrill.puzzles.answers import Slip, clean
from tensordrill.puzzles.base import Edit, Face, Program, Puzzle, Setting, Tensor, Wrong, dedent
from tensordrill.puzzles.source import as_function, defined_by, outdented, parse, refuse


@dataclass(frozen=True, kw_only=True)
class WriteExpression(Puzzle):
    """One torch expression over `tensors`. Its value is observed, and that it left the tensors as they were.

    Where more than one value is right, such as an eigenvector of either sign, `judged` makes one of them out of the
    name `answer`.
    """

    kind = "expr"
    prompt: str
    tensors: Sequence[Tensor]
    reference_expression: str
    output: Sequence[str] | None = None
    axes: str = ""
    sizes: Mapping[str, int | str] = field(default_factory=dict)
    setup: str = ""
    code: str = ""
    forbid: Sequence[str] = ()
    dtypes_matter: bool = False
    judged: str = "answer"

    @property
    def face(self) -> Face:
        return Face(
            prompt=self.prompt,
            how="one expression, with torch, F, np and einops at hand; it must not change its inputs",
            code=dedent(self.code) if self.code else None,
            tensors=tuple(self.tensors),
            sizes=self.sizes,
            output=tuple(self.output) if self.output is not None else None,
        )

    @cached_property
    def setting(self) -> Setting:
        return Setting(
            setup=dedent(self.setup),
            tensors=tuple(self.tensors),
            axes=tuple(self.axes.split()),
            sizes=self.sizes,
            dtypes_matter=self.dtypes_matter,
        )

    @property
    def solution(self) -> str:
        return self.reference_expression

    @cached_property
    def reference(self) -> Program:
        return self._program(self.reference_expression)

    def read(self, text: str) -> Program:
        code = outdented(clean(text)).strip()
        match parse(code).body:
            case [ast.Expr(value=value)]:
                expression = value
            case [ast.Assign(targets=[ast.Name()], value=value)]:
                expression = value
            case _:
                raise Slip("One expression is asked for, without statements around it.")
        refuse(code, self.forbid)
        return self._program(ast.get_source_segment(code, expression) or code)

    def mutant(self, wrong: Wrong | Edit) -> Program:
        return self._program(wrong.apply(self.solution) if isinstance(wrong, Edit) else str(wrong.answer))

    def _program(self, expression: str) -> Program:
        untouched = ((f"{name} afterwards", name) for name in dict.fromkeys(t.name for t in self.tensors))
        return Program(f"answer = ({expression}\n)", (("the result", self.judged), *untouched))


@dataclass(frozen=True, kw_only=True)
class WriteCode(Puzzle):
    """A function, or a class, whole or as its bare body. `observe` names what is looked at after it is defined.

    `axes` are sizes that `setup` uses as names; each hidden instance fills them in. `instances` is 1 where there are
    none, and a run takes long.
    """

    kind = "code"
    multiline = True
    prompt: str
    signature: str
    body: str
    observe: Mapping[str, str]
    axes: str = ""
    sizes: Mapping[str, int | str] = field(default_factory=dict)
    tensors: Sequence[Tensor] = ()
    setup: str = ""
    shown_setup: str | None = None
    forbid: Sequence[str] = ()
    dtypes_matter: bool = False
    instances: int = 3

    @property
    def face(self) -> Face:
        shown = self.setup if self.shown_setup is None else self.shown_setup
        return Face(
            prompt=self.prompt,
            how=f"the whole {'class' if self.signature.startswith('class ') else 'function'}, or only its body",
            code=dedent(shown) or None,
            tensors=tuple(self.tensors) or None,
            sizes=self.sizes,
            signature=self.signature,
        )

    @cached_property
    def setting(self) -> Setting:
        return Setting(
            setup=dedent(self.setup),
            tensors=tuple(self.tensors),
            axes=tuple(self.axes.split()),
            sizes=self.sizes,
            instances=self.instances,
            dtypes_matter=self.dtypes_matter,
        )

    @cached_property
    def solution(self) -> str:
        return f"{self.signature}\n{indent(dedent(self.body), '    ')}"

    @cached_property
    def reference(self) -> Program:
        return self._program(self.solution)

    @property
    def defines(self) -> str:
        return defined_by(self.signature)

    def read(self, text: str) -> Program:
        text = clean(text)
        code = as_function(text, self.signature)
        refuse(code, self.forbid)
        return self._program(code, code.count("\n") - text.count("\n"))

    def mutant(self, wrong: Wrong | Edit) -> Program:
        return self._program(
            wrong.apply(self.solution) if isinstance(wrong, Edit) else as_function(str(wrong.answer), self.signature)
        )

    def _program(self, code: str, lines_before: int = 0) -> Program:
        return Program(code, tuple(self.observe.items()), lines_before)
