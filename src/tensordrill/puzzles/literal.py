"""Shapes and values as people write them, read without evaluating anything."""

import ast
import re
from collections.abc import Callable

from tensordrill.puzzles.answers import Slip, one_line, unquoted
from tensordrill.puzzles.base import Said

_SHAPE = re.compile(r"[\[(]?\s*(-?\d+(?:\s*[,x*]\s*|\s+))*(-?\d+)?\s*,?\s*[\])]?")
_WRAPPERS = ("tensor", "array", "Size", "list", "tuple", "Tensor", "float")  # float("inf")
_DTYPES = {
    "float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "bool", "complex64",
    "complex128",
}  # fmt: skip
_SAME_DTYPE = {
    "half": "float16", "double": "float64", "short": "int16", "long": "int64", "float": "float32", "int": "int32",
    "bf16": "bfloat16", "fp16": "float16", "fp32": "float32", "fp64": "float64",
}  # fmt: skip
_WORD = r"[-+]?(?:[\d.][-+\d./eE]*|[A-Za-z][\w.]*)"  # a number, or a name such as nan, True or torch.int64
_WORDS = rf"{_WORD}(?:\s+{_WORD})+"
_SPACED = re.compile(rf"{_WORDS}|\[\s*{_WORDS}\s*\]")
_RAISES = re.compile(r"(it )?(an? )?(\w*error|errors|exception|raises|throws|fails)( an? (\w*error|exception))?")
_MOST_BITS = 1000  # of a whole number: no dtype holds as many, and a float holds more
_BRACKETS = {"(": ")", "[": "]"}


def read_shape(text: str) -> tuple[int, ...]:
    """`(2, 3)`, `2,3`, `2 3`, `[2, 3]`, `2x3`, `torch.Size([2, 3])`, `()`. Raises Slip."""
    text = unquoted(one_line(text))
    inner = re.sub(r"\A(?:torch\.)?Size\s*\((.*)\)\Z", r"\1", text).strip()
    if not _SHAPE.fullmatch(inner) or _unpaired(inner):
        raise Slip("A shape is written (2, 3), or 2 3; a scalar's is ().")
    digits = re.findall(r"-?\d+", inner)
    if any(len(size) >= 19 for size in digits):  # noqa: PLR2004 -- sizes fit 64 bits
        raise Slip("No tensor has so large a size.")
    sizes = [int(size) for size in digits]
    if any(size < 0 for size in sizes):
        raise Slip("No size is negative.")
    return tuple(sizes)


def read_value(text: str) -> object:
    """Numbers, bools, dtypes and lists of them: Python literals, `tensor(...)`, `3/8`, `nan`, `inf`. Raises Slip."""
    text = unquoted(one_line(text))
    if _SPACED.fullmatch(text):
        text = ",".join(text.strip("[] ").split())
    try:
        return _parsed(text)
    except RecursionError:
        raise Slip("That is nested too deeply to be read.") from None


def prediction(read: Callable[[str], object], text: str, *, may_raise: bool) -> Said:
    """What the learner says: `error` where the puzzle allows for it, else what `read` makes of the text."""
    word = unquoted(one_line(text)).lower().rstrip(".!")
    if _RAISES.fullmatch(word):
        if not may_raise:
            raise Slip("This program runs; no error is asked for.")
        return Said(error=True)
    return Said(read(text))


def _unpaired(text: str) -> bool:
    opening, closing = text[:1], text[-1:]
    return (opening in _BRACKETS or closing in _BRACKETS.values()) and _BRACKETS.get(opening) != closing


def _parsed(text: str) -> object:
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Slip("That is not a value. Write 3, [1, 2], 3/8, nan, True or float32.") from None
    return _value(node)


def _value(node: ast.expr) -> object:
    match node:
        case ast.Constant(value=str() as text):
            return _parsed(text)
        case ast.Constant(value=bool() | int() | float() as value):
            return _small(value)
        case ast.Constant(value=None):
            return None
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=operand):
            number = _number(operand)
            return -number if isinstance(op, ast.USub) else number
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            if not (divisor := _number(right)):
                raise Slip("That divides by zero; write inf or nan if that is meant.")
            return _number(left) / divisor
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item) for item in items]
        case ast.Name(id="float" | "int" as name):
            raise Slip(
                f"Python's {name} has 64 bits, torch.{name} has 32. Type how many you mean: {name}32 or {name}64."
            )
        case ast.Name(id=name):
            return _named(name)
        case ast.Attribute(attr=name):
            return _named(name)
        case ast.Call(func=function, args=[argument], keywords=_):
            if ast.unparse(function).rpartition(".")[2] in _WRAPPERS:
                return _value(argument)
    raise Slip(f"{ast.unparse(node)[:40]} is not a value. Write 3, [1, 2], 3/8, nan, True or float32.")


def _small(number: float) -> float:
    if isinstance(number, int) and number.bit_length() > _MOST_BITS:
        raise Slip("That number is too large to be read.")
    return number


def _number(node: ast.expr) -> float | int:
    value = _value(node)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Slip(f"{ast.unparse(node)[:40]} is not a number.")
    return value


def _named(name: str) -> object:
    lowered = name.lower()
    if lowered in ("nan", "inf", "infinity"):
        return float(lowered)
    if lowered in ("true", "false"):
        return lowered == "true"
    if lowered == "none":
        return None
    dtype = _SAME_DTYPE.get(lowered, lowered)
    if dtype in _DTYPES:
        return f"torch.{dtype}"
    raise Slip(f"{name[:40]} is not a value. Write 3, [1, 2], 3/8, nan, True or float32.")
