"""What a child observed, as data without torch. The child is not trusted: only what is listed here is read."""

import base64
import binascii
import json
import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

# The struct format of one element, and how wide it is. bfloat16 is widened by hand below.
FORMATS = {
    "float64": "d", "float32": "f", "float16": "e", "bfloat16": "H", "int64": "q", "int32": "i", "int16": "h",
    "int8": "b", "uint8": "B", "bool": "?", "complex128": "dd", "complex64": "ff",
}  # fmt: skip
MAX_ELEMENTS = 250_000
MAX_REPLY = 32 * 2**20
MAX_NODES = 100_000
_MAX_ENTRIES = MAX_REPLY // 10  # of all tensors together: as many as a reply can hold of the widest
_MOST_PUNCTUATION = 10 * MAX_NODES  # before it is parsed: each value has a comma or a bracket, and a text may have more
_MAX_DEPTH = 20
_MAX_RANK = 64  # torch's own
_MAX_TEXT = 2_000
_LONGEST_FLOAT = 50
MAX_NAME = 200


class BadReplyError(ValueError):
    """A child sent what no honest child sends."""


class LargeReplyError(BadReplyError):
    """A child sent more than is read: an honest one may, for an answer that gives thousands of things."""


@dataclass(frozen=True)
class TensorValue:
    """A tensor, or with the kind `array` one of NumPy's.

    The dtype is without `torch.`; the elements are in row-major order.
    """

    dtype: str
    shape: tuple[int, ...]
    elements: tuple[float | int | bool | complex, ...]
    kind: str = "tensor"


@dataclass(frozen=True)
class Scalar:
    """A Python number, bool, string, None or a dtype's name."""

    kind: str
    value: object


@dataclass(frozen=True)
class Items:
    """A list or tuple; for a dict its `keys`, as Python prints them."""

    kind: str
    items: tuple["Value", ...]
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Other:
    """Something that is not data: only its type is known."""

    kind: str


@dataclass(frozen=True)
class Raised:
    """An exception, and the answer's line that it came from (0: none of its lines)."""

    type: str
    message: str
    line: int = 0


Value = TensorValue | Scalar | Items | Other


@dataclass(frozen=True)
class Observed:
    """One program on one instance: what was observed in order, or what it raised."""

    values: tuple[tuple[str, Value], ...] = ()
    raised: Raised | None = None


def read_reply(reply: bytes, jobs: Sequence[tuple[int, int]]) -> list[list[list[Observed]]]:
    """For each job, for each of its programs, for each instance, what was observed. Raises BadReplyError.

    `jobs` says how many programs and instances each has.
    """
    if sum(map(reply.count, b",[{")) > _MOST_PUNCTUATION:  # parsed, ten million empty lists take a gigabyte
        raise LargeReplyError("the reply holds more than any result")
    try:
        results = json.loads(reply)
    except (ValueError, RecursionError):
        raise BadReplyError("the reply is not JSON") from None
    if not _is_list(results, len(jobs)):
        raise BadReplyError("the reply has the wrong number of jobs")
    for runs, (programs, instances) in zip(results, jobs, strict=True):
        if not _is_list(runs, programs) or not all(_is_list(run, instances) for run in runs):
            raise BadReplyError("the reply has the wrong number of runs")
    if _is_large(results):
        raise LargeReplyError("the reply holds more than any result")
    return [[[_observed(one) for one in run] for run in runs] for runs in results]


def _is_large(reply: object) -> bool:
    """Whether it holds too many values, one inside the other, or too many entries of tensors. Counts no further."""
    left, nodes, entries = [reply], 0, 0
    while left and nodes <= MAX_NODES and entries <= _MAX_ENTRIES:
        match left.pop():
            case ["tensor" | "array", str() as dtype, list() as shape, str() as data]:
                entries += len(data) * 3 // 4 // struct.calcsize(f"<{FORMATS.get(dtype, 'b')}")
                left += shape
            case list() as items:
                left += items
            case dict() as fields:
                left += fields.values()
        nodes += 1
    return nodes > MAX_NODES or entries > _MAX_ENTRIES


def _observed(node: object) -> Observed:
    match node:
        case {"raised": [str() as kind, str() as message, int() as line], **rest} if not rest:
            return Observed(raised=Raised(kind[:100], message[:_MAX_TEXT], min(max(line, 0), _MAX_TEXT)))
        case {"values": list() as pairs, **rest} if not rest:
            return Observed(tuple(_pair(pair) for pair in pairs))
    raise BadReplyError("an instance is neither values nor an error")


def _pair(node: object) -> tuple[str, Value]:
    match node:
        case [str() as name, value]:
            return name[:MAX_NAME], _value(value, 0)
    raise BadReplyError("an observation has no name")


def _value(node: object, depth: int) -> Value:
    if depth > _MAX_DEPTH:
        raise BadReplyError("values are nested too deeply")
    match node:
        case ["tensor" | "array" as kind, str() as dtype, list() as shape, str() as data]:
            return _tensor(kind, dtype, shape, data)
        case ["int", str() as digits] if re.fullmatch(r"-?[0-9]{1,4000}", digits):
            return Scalar("int", int(digits))
        case ["float", str() as number] if len(number) <= _LONGEST_FLOAT and number.isascii():
            return Scalar("float", _float(number))
        case ["bool", bool() as value]:
            return Scalar("bool", value)
        case ["str" | "dtype" as kind, str() as text]:
            return Scalar(kind, text[:_MAX_TEXT])
        case ["none"]:
            return Scalar("None", None)
        case ["list" | "tuple" as kind, list() as items]:
            return Items(kind, tuple(_value(item, depth + 1) for item in items))
        case ["dict", list() as keys, list() as items] if len(keys) == len(items):
            return Items("dict", tuple(_value(item, depth + 1) for item in items), tuple(str(k)[:200] for k in keys))
        case ["other", str() as kind]:
            return Other(kind[:100])
    raise BadReplyError("a value is of no listed kind")


def _tensor(kind: str, dtype: str, shape: Sequence[object], data: str) -> TensorValue:
    if dtype not in FORMATS or not all(type(size) is int and size >= 0 for size in shape):
        raise BadReplyError("a tensor has no listed dtype or no valid shape")
    sizes = tuple(int(str(size)) for size in shape)
    if len(sizes) > _MAX_RANK or math.prod(max(size, 1) for size in sizes) > MAX_ELEMENTS:
        raise BadReplyError("a tensor is larger than any that is sent")
    count = math.prod(sizes)
    form = FORMATS[dtype]
    if count > MAX_ELEMENTS:
        raise BadReplyError("a tensor is too large")
    try:
        raw = base64.b64decode(data, validate=True)
        flat = struct.unpack(f"<{form * count if len(form) > 1 else f'{count}{form}'}", raw)
    except (binascii.Error, struct.error, ValueError):
        raise BadReplyError("a tensor's bytes do not fit its shape") from None
    if dtype == "bfloat16":
        flat = struct.unpack(f"<{count}f", b"".join(b"\0\0" + struct.pack("<H", half) for half in flat))
    elif dtype.startswith("complex"):
        flat = tuple(complex(flat[i], flat[i + 1]) for i in range(0, len(flat), 2))
    return TensorValue(dtype, sizes, flat, kind)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadReplyError("a number is not one") from None


def _is_list(node: object, length: int) -> bool:
    return isinstance(node, list) and len(node) == length
