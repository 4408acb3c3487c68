"""What is written is read back, equal and in order."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tensordrill.domain import Card, Event, EventType, Mode, PuzzleRecord, Rating
from tensordrill.errors import TensordrillError
from tensordrill.store import Store

Record = Callable[..., tuple[Event, Card | None]]


def execute(path: Path, sql: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(sql, values).fetchall()


def copy_event(path: Path, **changed: Any) -> None:
    """Inserts a copy of the first event with some columns changed."""
    columns = [name for _, name, *_ in execute(path, "PRAGMA table_info(event)")]
    values = ", ".join(f":{name}" if name in changed else name for name in columns)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"INSERT INTO event SELECT {values} FROM event ORDER BY number LIMIT 1", changed)


def test_what_is_recorded_is_there_after_opening_again(
    path: Path, record: Record, card: Card, puzzle: PuzzleRecord
) -> None:
    with Store.open(path) as store:
        replica = store.replica
        first, _ = record(store, card=card)
        shown, _ = record(
            store,
            type=EventType.SHOWN,
            mode=Mode.PRACTICE,
            status=None,
            wrong_turn="not-summed",
            answer="",
            seed=2**62,
            offset_min=-570,
        )
    with Store.open(path) as store:
        assert store.replica == replica
        assert list(store.events()) == [first, shown]
        assert [event.id for event in store.events()] == [first.id, shown.id]
        assert store.cards() == {card.drill: card}
        assert store.puzzle(puzzle.hash) == puzzle
        assert store.puzzle("unheard of") is None
        assert store.damaged() == []


def test_the_log_is_gone_after_closing(path: Path, store: Store, record: Record) -> None:
    record(store)
    store.close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_each_file_has_a_replica_of_its_own(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a.db") as a, Store.open(tmp_path / "b.db") as b:
        assert len(a.replica) == 16
        assert a.replica != b.replica


@pytest.mark.parametrize(
    "answer",
    [
        "bij, bjk -> bik",
        "\0",
        "a\0b\r\n\t\x1b[31m",
        "\ud800",
        "\ud83d\ude00 is no 😀",
        "λ ∑ 数",
        "escaped:",
        "escaped:\\ud800",
        "\\ud800 \\x00",
        "",
        "x" * 100_000,
    ],
)
def test_any_answer_comes_back_as_it_was(store: Store, record: Record, answer: str) -> None:
    event, _ = record(store, answer=answer)
    assert [read.answer for read in store.events()] == [answer]
    assert list(store.events()) == [event]
    assert store.damaged() == []


def test_the_file_holds_no_nul(store: Store, record: Record) -> None:
    record(store, answer="a\0b")
    assert execute(store.path, "SELECT answer FROM event") == [("escaped:a\\x00b",)]


def test_write_gets_the_next_number_and_the_card_as_it_is(store: Store, record: Record, card: Card) -> None:
    events = [record(store, card=card)[0], record(store)[0], record(store, drill="einsum.outer")[0]]
    assert [event.number for event in events] == [1, 2, 3]
    assert record(store)[1] == card
    changed = replace(card, reps=2, due=date(2026, 4, 1), last_rating=Rating.AGAIN)
    assert record(store, card=changed)[1] == changed
    assert store.cards() == {card.drill: changed}


def test_nothing_is_written_where_write_raises(store: Store, record: Record, puzzle: PuzzleRecord) -> None:
    def write(number: int, card: Card | None) -> tuple[Event, Card | None]:
        raise KeyboardInterrupt(number, card)

    with pytest.raises(KeyboardInterrupt):
        store.record(puzzle.drill, puzzle, write)
    assert list(store.events()) == []
    assert store.puzzle(puzzle.hash) is None
    assert record(store)[0].number == 1


def test_history_stands_in_the_order_of_writing_when_the_clock_went_back(store: Store, record: Record) -> None:
    written = [record(store, at_ms=at_ms)[0] for at_ms in (5_000, 9_000, 1_000, 9_000, 2_000, 20_000)]
    assert list(store.events()) == written


def test_merged_histories_stand_in_the_order_of_time(store: Store, record: Record) -> None:
    mine = [record(store, at_ms=at_ms)[0] for at_ms in (1_000, 3_000)]
    copy_event(store.path, id="theirs", replica="other", order_ms=2_000, at_ms=2_000)
    assert [event.replica for event in store.events()] == [store.replica, "other", store.replica]
    copy_event(store.path, id="ahead", replica="zzz", order_ms=90_000)
    assert record(store, at_ms=500)[0] == list(store.events())[-1]
    assert [event for event in store.events() if event.replica == store.replica][:2] == mine


def test_one_study_day_can_be_read(store: Store, record: Record) -> None:
    days = [date(2026, 3, day) for day in (10, 11, 10, 12)]
    written = [record(store, study_day=day)[0] for day in days]
    assert list(store.events(days[0])) == [written[0], written[2]]
    assert list(store.events(date(2026, 3, 1))) == []


def test_exposures_count_the_seeds(store: Store, record: Record) -> None:
    for drill, seed in [("a.one", 1), ("a.one", 1), ("a.one", 2), ("b.two", 1)]:
        record(store, drill=drill, seed=seed)
    assert store.exposures() == {"a.one": 2, "b.two": 1}


def test_one_may_record_while_reading(store: Store, record: Record) -> None:
    written = [record(store)[0] for _ in range(3)]
    reading = store.events()
    assert next(reading) == written[0]
    record(store)
    assert list(reading) == written[1:]  # one snapshot
    assert len(list(store.events())) == 4


def test_rebuild_replaces_the_cards(store: Store, record: Record, card: Card) -> None:
    record(store, card=card)
    other = replace(card, drill="einsum.outer")
    store.rebuild({other.drill: other})
    assert store.cards() == {other.drill: other}
    store.rebuild({})
    assert store.cards() == {}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("answer", "i j ->"),
        ("answer", sqlite3.Binary(b"\xff\xfe")),
        ("seed", 8),
        ("status", "wrong-value"),
        ("status", "gone"),
        ("status", None),
        ("study_day", "2026-13-40"),
        ("duration_ms", 12_346),
        ("rating", 9),
    ],
)
def test_a_changed_event_shows(store: Store, record: Record, column: str, value: str | bytes | int | None) -> None:
    sound, _ = record(store)
    hurt, _ = record(store)
    execute(store.path, f"UPDATE event SET {column} = ? WHERE id = ?", value, hurt.id)
    assert store.damaged() == [hurt.id]
    assert next(store.events()) == sound


def test_bytes_that_are_no_text_are_read_all_the_same(store: Store, record: Record) -> None:
    event, _ = record(store)
    execute(store.path, "UPDATE event SET answer = CAST(x'69ff' AS TEXT)")
    assert [read.answer for read in store.events()] == ["i\udcff"]
    assert store.damaged() == [event.id]


def test_a_row_that_cannot_be_is_told_in_a_sentence(store: Store, record: Record, card: Card) -> None:
    record(store, card=card)
    execute(store.path, "UPDATE event SET mode = 'exam'")
    with pytest.raises(TensordrillError, match="is damaged: 'exam' is not a valid Mode"):
        list(store.events())
    execute(store.path, "UPDATE card SET due = 'soon'")
    with pytest.raises(TensordrillError, match="is damaged") as caught:
        store.cards()
    assert caught.value.hint


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"id": "twin"}, "event.replica, event.number"),
        ({"number": 2}, "event.id"),
        ({"id": "zeroth", "number": 0}, "number >= 1"),
    ],
)
def test_events_are_unique(store: Store, record: Record, changed: dict[str, Any], what: str) -> None:
    record(store)
    with pytest.raises(sqlite3.IntegrityError, match=what):
        copy_event(store.path, **changed)


def test_an_event_without_its_puzzle_is_refused(store: Store, record: Record) -> None:
    with pytest.raises(TensordrillError, match="FOREIGN KEY"):
        record(store, puzzle="never kept")
    assert list(store.events()) == []


def test_the_connection_keeps_what_it_commits(store: Store) -> None:
    with store._engine.connect() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


def test_the_history_is_read_in_its_order_without_sorting(store: Store) -> None:
    plan = execute(store.path, "EXPLAIN QUERY PLAN SELECT * FROM event ORDER BY order_ms, replica, number")
    assert "USING INDEX event_order" in plan[0][3]
    assert len(plan) == 1
