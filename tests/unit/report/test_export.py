"""Rows out, and back in through other programs' readers."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import date

import pytest

from tensordrill.domain import Card, Event, EventType, Mode, Rating, Status
from tensordrill.report import COLUMNS, as_csv, as_json, rows

CARD = Card(
    drill="einsum.trace",
    due=date(2026, 3, 12),
    stability=2.3065,
    difficulty=2.118103970459016,
    reps=1,
    lapses=0,
    level=2,
    first_day=date(2026, 3, 10),
    last_day=date(2026, 3, 10),
    last_rating=Rating.GOOD,
)
NASTY = "a \"quoted\", 'one'\r\nand\rmore\n\t\x1b[31m\0\x7f =1+1; 数 "


def test_a_rated_answer(event: Callable[..., Event]) -> None:
    rated = event(rating=Rating.GOOD, policy="by hand")
    (row,) = rows([(rated, CARD)])
    assert tuple(row) == COLUMNS
    assert row == {
        "event": rated.id,
        "type": "answer",
        "mode": "review",
        "at": "2026-03-10T00:30:00.042-09:30",
        "study_day": "2026-03-10",
        "drill": "einsum.trace",
        "level": 1,
        "seed": 7,
        "puzzle": "5eed",
        "answer": "i i ->",
        "correct": True,
        "status": "correct",
        "wrong_turn": None,
        "attempt": 1,
        "hints": 0,
        "duration_ms": 1500,
        "rating": "Good",
        "policy": "by hand",
        "due": "2026-03-12",
        "stability": 2.3065,
        "difficulty": 2.118103970459016,
        "replica": "me",
        "undoes": None,
    }


def test_a_solution_shown_before_any_rating(event: Callable[..., Event]) -> None:
    (row,) = rows([(event(type=EventType.SHOWN, mode=Mode.PRACTICE, status=None, answer=""), None)])
    assert (row["type"], row["mode"], row["correct"], row["status"]) == ("shown", "practice", False, None)
    assert (row["rating"], row["due"], row["stability"], row["difficulty"]) == (None, None, None, None)


@pytest.mark.parametrize("answer", ["i i ->", NASTY, "\ud800", "\n", "", " ", '"'])
def test_json_has_one_plain_object_a_line(event: Callable[..., Event], answer: str) -> None:
    table = list(rows([(event(answer=answer), CARD), (event(status=Status.WRONG_VALUE), None)]))
    lines = list(as_json(table))
    assert [json.loads(line) for line in lines] == table
    for line in lines:
        assert line.isascii()
        assert line.endswith("}\n")
        assert line.count("\n") == 1


@pytest.mark.parametrize("answer", ["i i ->", NASTY, "\n", "\r", "a\r", "", " ", '"', "=cmd()", "a,b"])
def test_csv_comes_back_as_it_was(event: Callable[..., Event], answer: str) -> None:
    table = list(rows([(event(answer=answer), CARD), (event(status=Status.WRONG_VALUE), None)]))
    records = list(as_csv(table))
    assert records[0] == ",".join(COLUMNS) + "\r\n"
    assert all(record.endswith("\r\n") for record in records)
    header, *read = csv.reader(io.StringIO("".join(records), newline=""))
    assert tuple(header) == COLUMNS
    spelled = {True: "true", False: "false", None: ""}
    assert read == [
        [spelled[cell] if cell is None or isinstance(cell, bool) else str(cell) for cell in row.values()]
        for row in table
    ]


def test_csv_can_be_written_in_any_encoding_of_unicode(event: Callable[..., Event]) -> None:
    (_, record) = as_csv(rows([(event(answer="a\ud800b"), None)]))
    assert ",a?b," in record
    record.encode()


def test_an_empty_history() -> None:
    assert list(as_json(rows([]))) == []
    assert list(as_csv(rows([]))) == [",".join(COLUMNS) + "\r\n"]


def test_rows_stream(event: Callable[..., Event]) -> None:
    def history() -> Iterator[tuple[Event, Card | None]]:
        yield event(), None
        raise AssertionError("read ahead")

    assert next(iter(as_json(rows(history()))))
