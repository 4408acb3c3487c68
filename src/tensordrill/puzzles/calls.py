"""A whole call typed where only its string was asked for: `torch.einsum("ij,jk->ik", A, B)`."""

import ast
import re
from collections.abc import Collection
from dataclasses import dataclass

from tensordrill.puzzles.answers import Slip

_ASSIGNED = re.compile(r"\A\s*\w+\s*=(?=\s*[\w.]+\()")  # a whole line was typed: `scores = torch.einsum(...)`


@dataclass(frozen=True)
class Call:
    """The pieces of a call: its strings, the names of its operands in order, and its whole-number keywords.

    `module` is what stands before the function's name: `einops`, or nothing.
    """

    module: str
    function: str
    strings: tuple[str, ...]
    operands: tuple[str, ...]
    sizes: tuple[tuple[str, int], ...]


def read_call(text: str, *, functions: Collection[str], operands: Collection[str]) -> Call | None:
    """The call that the text is, or None where it is not a call.

    Raises Slip where it calls something else, or passes what the puzzle does not have.
    """
    node = parse_expression(_ASSIGNED.sub("", text))
    if not isinstance(node, ast.Call):
        return None
    module, _, function = ast.unparse(node.func).rpartition(".")
    if function not in functions:
        raise Slip(f"That calls {function}; call {' or '.join(functions)}, or type only the string.")
    strings, names = [], []
    for argument in _flat(node.args):
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            strings.append(argument.value)
        elif (name := ast.unparse(argument)) in operands:
            names.append(name)
        else:
            raise Slip(f"That call passes {name}; the puzzle has {', '.join(dict.fromkeys(operands))}.")
    sizes = []
    for keyword in node.keywords:
        match keyword.value:
            case ast.Constant(value=str() as string):
                strings.append(string)
            case ast.Constant(value=int() as size) if keyword.arg and size is not True:
                sizes.append((keyword.arg, size))
            case _:
                raise Slip(f"{ast.unparse(keyword)} in that call is not a size that can be read.")
    if not strings:
        raise Slip("That call has no string among its arguments.")
    return Call(module, function, tuple(strings), tuple(names), tuple(sizes))


def parse_expression(text: str) -> ast.expr | None:
    """The expression that the text is, or None. Nothing is evaluated."""
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _flat(arguments: list[ast.expr]) -> list[ast.expr]:
    nested = [a.elts if isinstance(a, ast.List | ast.Tuple) else [a] for a in arguments]
    return [argument for group in nested for argument in group]
