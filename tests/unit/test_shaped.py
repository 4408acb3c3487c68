"""Expressions as data: what comes out of a mistake in one step."""

import pytest

from tensordrill.building.shapes import (
    Guess,
    Misread,
    Shape,
    Shaped,
    axis_at,
    broadcast_of,
    inserted,
    misnumbered,
    replaced_at,
    shape_puzzle,
)
from tensordrill.rng import Rng


def turned(shape: Shape) -> Shape:
    return shape[::-1]


def without_last(shape: Shape) -> Shape:
    return replaced_at(shape, -1)


X = Shaped("x", (2, 3))
UNTURNED = Misread("not-turned", lambda shape: shape, "It is turned.")


def test_a_mistake_is_carried_through_the_steps_that_follow() -> None:
    y = X.then("{}.mT", turned, [UNTURNED]).then("{}[..., 0]", without_last)
    assert (y.text, y.shape) == ("x.mT[..., 0]", (3,))
    assert [(guess.id, guess.shape) for guess in y.guesses] == [("not-turned", (2,))]


def test_a_mistake_in_either_operand_is_carried_on() -> None:
    y = X.then("{}.mT", turned, [UNTURNED])
    total = X.then("{} + {}", broadcast_of, [], y)
    assert total.shape is None
    assert [guess.shape for guess in total.guesses] == [(2, 3)]


def test_a_rule_that_finds_no_axis_raises_for_the_learner() -> None:
    assert Shaped("x", ()).then("{}[..., 0]", without_last).shape is None
    assert Shaped("x", None).then("{}.mT", turned, [UNTURNED]).guesses == ()


def test_wrong_turns_are_distinct_and_never_right() -> None:
    y = X.mistaken(
        Guess("right", (2, 3), ""), Guess("a", (3, 2), "A."), Guess("b", (3, 2), "B."), Guess("c", None, "C.")
    )
    assert [(wrong.id, wrong.answer) for wrong in y.wrong(can_fail=True)] == [("a", "(3, 2)"), ("c", "error")]
    assert [wrong.id for wrong in y.wrong(can_fail=False)] == ["a"]


@pytest.mark.parametrize(
    ("shape", "guesses", "can_fail", "telling"),
    [
        ((2, 3), [(3, 2), (2,)], False, True),
        ((2, 3), [(3, 2), (2, 3)], False, False),
        ((2, 3), [(3, 2), None], False, False),
        ((2, 3), [(3, 2), None], True, True),
        ((2, 100), [(3, 2), (2,)], False, False),
        (None, [(3, 2), (2,), None], True, True),
        (None, [(3, 2), None], True, False),
        (None, [(3, 2), (2,)], False, False),
    ],
)
def test_a_puzzle_is_asked_only_if_every_mistake_shows(
    shape: Shape | None,
    guesses: list[Shape | None],
    can_fail: bool,  # noqa: FBT001
    telling: bool,  # noqa: FBT001
) -> None:
    it = Shaped("x", shape, tuple([Guess("", guess, "") for guess in guesses]))
    assert it.telling(can_fail=can_fail) is telling


def test_puzzles_are_drawn_until_one_tells() -> None:
    def made(rng: Rng) -> tuple[str, Shaped]:
        rows, columns = rng.integer(2, 4), rng.integer(2, 4)
        misread = [UNTURNED, Misread("gone", without_last, "It stays.")]
        return f"x = torch.zeros({rows}, {columns})", Shaped("x", (rows, columns)).then("{}.mT", turned, misread)

    for seed in range(50):
        it = shape_puzzle(Rng(f"{seed}"), made, hints=["", ""], why="It is so.")
        assert [wrong.id for wrong in it.wrong] == ["not-turned", "gone"]


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        (((2, 3), (3,)), (2, 3)),
        (((2, 1), (3,)), (2, 3)),
        (((2, 3), (2,)), None),
        (((2, 1), (1, 1, 4), ()), (1, 2, 4)),
        (((2,), (3,), (1,)), None),
    ],
)
def test_shapes_are_broadcast_from_the_right(shapes: tuple[Shape, ...], expected: Shape | None) -> None:
    assert broadcast_of(*shapes) == expected


def test_axes_are_put_in_and_taken_out() -> None:
    assert inserted((2, 3), 1, 4, 5) == (2, 4, 5, 3)
    assert inserted((2, 3), 2, 1) == (2, 3, 1)
    assert replaced_at((2, 3), -1, 6, 7) == (2, 6, 7)
    assert replaced_at((2, 3), 0) == (3,)
    assert axis_at(-2, (2, 3, 4)) == 1
    for call in (lambda: inserted((2, 3), 3, 1), lambda: replaced_at((2, 3), 2), lambda: axis_at(-3, (2, 3))):
        with pytest.raises(IndexError):
            call()


@pytest.mark.parametrize(
    ("dims", "expected"),
    [
        ([1, 2], ("counted-from-one", [0, 1])),
        ([0, 2], None),
        ([-1, 0], ("negative-off-by-one", [1, 0])),
        ([-3], None),
        ([-1, 1], None),
    ],
)
def test_dims_are_misread_by_one(dims: list[int], expected: tuple[str, list[int]] | None) -> None:
    found = misnumbered(dims, 3)
    assert (found and found[:2]) == expected
