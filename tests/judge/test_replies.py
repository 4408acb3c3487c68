"""The reader of a child's reply: an honest one is read, a forged one is refused, whatever it holds."""

import base64
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensordrill.judge.values import (
    MAX_ELEMENTS,
    BadReplyError,
    Items,
    LargeReplyError,
    Scalar,
    TensorValue,
    Value,
    read_reply,
)


def one(node: object) -> bytes:
    return json.dumps([[[{"values": [["it", node]]}]]]).encode()


def packed(form: str, *numbers: float) -> str:
    return base64.b64encode(struct.pack("<" + form * len(numbers), *numbers)).decode()


@pytest.mark.parametrize(
    ("node", "value"),
    [
        (["tensor", "float64", [2], packed("d", 1.5, -2.0)], TensorValue("float64", (2,), (1.5, -2.0))),
        (["tensor", "float16", [1], packed("e", 0.5)], TensorValue("float16", (1,), (0.5,))),
        (["tensor", "bfloat16", [2], packed("H", 0x3F80, 0xC000)], TensorValue("bfloat16", (2,), (1.0, -2.0))),
        (["tensor", "int64", [], packed("q", -7)], TensorValue("int64", (), (-7,))),
        (["tensor", "bool", [2], packed("?", True, False)], TensorValue("bool", (2,), (True, False))),
        (["tensor", "complex128", [1], packed("d", 1.0, 2.0)], TensorValue("complex128", (1,), (1 + 2j,))),
        (["tensor", "float64", [0, 3], ""], TensorValue("float64", (0, 3), ())),
        (["int", "-12"], Scalar("int", -12)),
        (["float", "inf"], Scalar("float", float("inf"))),
        (["list", [["bool", True]]], Items("list", (Scalar("bool", True),))),
        (["dict", ["w"], [["none"]]], Items("dict", (Scalar("None", None),), ("w",))),
    ],
)
def test_honest(node: object, value: Value) -> None:
    [[[observed]]] = read_reply(one(node), [(1, 1)])
    assert observed.values == (("it", value),)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b"[[]]",
        b"[[[]]]",
        b"[[[{}]]]",
        b'[[[{"values": []}], [{"values": []}]]]',
        b'[[[{"values": [], "correct": true}]]]',
        b'[[[{"values": [], "raised": ["E", "m", 1]}]]]',
        b'[[[{"raised": ["E", "m"]}]]]',
        b'[[[{"raised": ["E", "m", "1"]}]]]',
        b'[[[{"verdict": "correct"}]]]',
        b"[" * 100_000,
        one(["tensor", "float64", [2], packed("d", 1.0)]),
        one(["tensor", "float64", [1], packed("d", 1.0, 2.0)]),
        one(["tensor", "float64", [-1], ""]),
        one(["tensor", "float64", [True], packed("d", 1.0)]),
        one(["tensor", "float64", [1.0], packed("d", 1.0)]),
        one(["tensor", "float64", [MAX_ELEMENTS + 1], ""]),
        one(["tensor", "float64", [10**30], ""]),
        one(["tensor", "float64", [1], "%%%%"]),
        one(["tensor", "pickle", [1], ""]),
        one(["object", "os.system"]),
        one(["int", "1e5"]),
        one(["int", "9" * 5000]),
        one(["float", "one"]),
        one(["float", "\u0663"]),
        one(["float", "1" * 100]),
        one(["bool", 1]),
        one(["dict", ["a", "b"], [["none"]]]),
        one(None),
        one("text"),
    ],
)
def test_forged(reply: bytes) -> None:
    with pytest.raises(BadReplyError):
        read_reply(reply, [(1, 1)])


@pytest.mark.parametrize(
    "reply",
    [
        b"[" + b"[]," * 5_000_000 + b"[]]",
        b"[" + b"1," * 10_000_000 + b"1]",
        b"{" + b'"":1,' * 5_000_000 + b'"":1}',
        one(["list", [["none"]] * 200_000]),
        one(["list", [["tensor", "int8", [MAX_ELEMENTS], packed("b", *[-100] * MAX_ELEMENTS)]] * 20]),
    ],
    ids=["lists", "numbers", "keys", "values", "entries"],
)
def test_more_than_is_read(reply: bytes) -> None:
    """Small on the wire, and a gigabyte of objects once it is read."""
    with pytest.raises(LargeReplyError):
        read_reply(reply, [(1, 1)])


def test_deeply_nested() -> None:
    node: object = ["none"]
    for _ in range(100):
        node = ["list", [node]]
    with pytest.raises(BadReplyError):
        read_reply(one(node), [(1, 1)])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_anything_else_is_refused_and_nothing_worse(data: object) -> None:
    try:
        read_reply(json.dumps(data).encode(), [(1, 1)])
    except BadReplyError:
        return
    assert isinstance(data, list)


@given(st.binary())
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises(BadReplyError):
        read_reply(data, [(1, 1)])
