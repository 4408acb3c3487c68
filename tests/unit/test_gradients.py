"""Expressions as data: their text, their numbers, and what comes back along each path."""

from functools import partial
from operator import eq

import pytest

from tensordrill.authoring import Rng
from tensordrill.building.gradients import (
    CUT,
    Belief,
    Node,
    Tape,
    floats,
    made,
    nested,
    plain_numbers,
    predicted,
    settled,
)


def test_a_program_and_its_gradient() -> None:
    tape = Tape()
    x = tape.leaf("x", [2, 3])
    y = tape.let("y", x * x + 1)
    loss = tape.backward((tape.data("g", [1, 10]) * y).sum())
    assert tape.lines == [
        "x = torch.tensor([2., 3.], requires_grad=True)",
        "y = x * x + 1",
        "g = torch.tensor([1., 10.])",
        "(g * y).sum().backward()",
    ]
    assert y.values == [5, 10]
    assert loss.gradient(x) == [4, 60]


def test_paths_are_told_apart_in_the_order_of_their_uses() -> None:
    tape = Tape()
    w = tape.leaf("w", 3)
    h = tape.let("h", 2 * w)
    loss = tape.backward(w * h + h)
    first, second, third = loss.paths(w)
    assert [loss.gradient(w, partial(eq, path)) for path in (first, second, third)] == [6, 2, 6]
    assert len(tape.uses("w")) == 2
    assert len(tape.uses("h")) == 2
    assert loss.gradient(w) == 14


def test_what_is_cut_sends_nothing_back() -> None:
    tape = Tape()
    x = tape.leaf("x", 5)
    loss = tape.backward(x * x.detach())
    assert tape.lines[-1] == "(x * x.detach()).backward()"
    assert loss.gradient(x) == 5
    assert loss.gradient(x, lambda _: True) == 10
    assert loss.gradient(x, lambda path: CUT in path) == 5


def expressions() -> list[tuple[Node, str]]:
    tape = Tape()
    a, b, m = tape.leaf("a", [1, 2]), tape.leaf("b", [3, 4]), tape.leaf("m", [[1, 2], [3, 4]])
    return [
        (a - (b - a), "a - (b - a)"),
        ((a - b) - a, "a - b - a"),
        ((a + b) * a, "(a + b) * a"),
        (a * (b * a), "a * (b * a)"),
        (-a * b, "-a * b"),
        (-(a + b), "-(a + b)"),
        ((-a) ** 2, "(-a) ** 2"),
        ((a + b) ** 2, "(a + b) ** 2"),
        ((a**2).sum(), "(a ** 2).sum()"),
        (2 / (a + 1), "2 / (a + 1)"),
        (m @ (m @ a), "m @ (m @ a)"),
        (m @ m @ a, "m @ m @ a"),
        ((m + 1).T @ a, "(m + 1).T @ a"),
        (m[0] * m[1, 0], "m[0] * m[1, 0]"),
        ((a - 3).relu().detach(), "(a - 3).relu().detach()"),
    ]


@pytest.mark.parametrize(("node", "text"), expressions())
def test_the_text_means_the_expression(node: Node, text: str) -> None:
    assert node.text == text


def test_beliefs_that_say_the_same_are_one() -> None:
    beliefs = [
        Belief("right", [4, 6], ""),
        Belief("one", [2, 3], "One."),
        Belief("same", [2.0, 3.0], ""),
        Belief("shape", [[2, 3]], "Shape."),
        Belief("near", [2.0, 3.1], "It is not whole, and near what one says."),
        Belief("none", None, "None."),
        Belief("nothing", None, ""),
    ]
    wrong = predicted([4, 6], beliefs)
    assert [(one.id, one.answer) for one in wrong] == [("one", "[2, 3]"), ("shape", "[[2, 3]]"), ("none", "None")]


def test_numbers_as_text() -> None:
    assert plain_numbers([[1.0, -0.5], [1 / 3, 0]]) == "[[1, -0.5], [0.333333, 0]]"
    assert plain_numbers([True, None]) == "[True, None]"
    assert floats([[1, -2], [0.5, 3]]) == "[[1., -2.], [0.5, 3.]]"
    assert made("w", 2, leaf=False) == "w = torch.tensor(2.)"
    assert nested([1, 2, 3, 4], [2, 2]) == [[1, 2], [3, 4]]


def test_numbers_are_drawn_until_they_fit_and_not_for_ever() -> None:
    rng = Rng("")
    assert settled(lambda: rng.integer(0, 9), lambda n: n > 4, 100) > 4
    assert settled(lambda: 7, lambda _: False) == 7
