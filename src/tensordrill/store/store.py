"""The data file's one door: every read and every write of the learner's history."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection, Engine, RowMapping, delete, distinct, func, insert, select, update

from tensordrill.domain import Card, Event, PuzzleRecord
from tensordrill.errors import TensordrillError, UsageError
from tensordrill.store import engine, migration, tables
from tensordrill.store.faults import told
from tensordrill.store.rows import card_of, card_row, event_of, event_row

CHUNK = 500  # rows held at a time while streaming
_ORDER = (tables.event.c.order_ms, tables.event.c.replica, tables.event.c.number)
_UNDONE = select(tables.event.c.undoes).where(tables.event.c.undoes.is_not(None))

T = TypeVar("T")


class Store:
    """An open data file. Every fault of the file, of the disk and of the database is raised as TensordrillError."""

    def __init__(self, path: Path, database: Engine, replica: str) -> None:
        self.path = path
        self.replica = replica
        self._engine = database

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens the data file; makes it, and its folder, where they are missing; migrates it where it is older.

        A file that is not ours, or newer than this version, is left as it is, to the byte.
        """
        path = Path(os.path.realpath(path))  # SQLite keeps its log beside the real file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TensordrillError(
                f"The folder {path.parent} cannot be made: {error.strerror}.",
                hint="Set TENSORDRILL_HOME to a folder that you can write.",
            ) from error
        database = engine.connect(path)
        try:
            with told(path):
                migration.prepare(path)
                with database.connect() as connection:
                    replica = select(tables.meta.c.value).where(tables.meta.c.name == "replica")
                    return cls(path, database, connection.scalars(replica).one())
        except BaseException:
            database.dispose()
            raise

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def record(
        self, drill: str, puzzle: PuzzleRecord, write: Callable[[int, Card | None], tuple[Event, Card | None]]
    ) -> tuple[Event, Card | None]:
        """Records one event of a drill in one transaction, and returns it with the drill's card: by then both are safe.

        `write` gets the event's number and the drill's card as they are under the write lock, and returns the event
        and the card after it. Where it raises, nothing is written.
        """
        [recorded] = self.record_each([drill], puzzle, lambda number, _, card: write(number, card))
        return recorded

    def record_each(
        self,
        drills: Iterable[str],
        puzzle: PuzzleRecord,
        write: Callable[[int, str, Card | None], tuple[Event, Card | None]],
    ) -> list[tuple[Event, Card | None]]:
        """Records an event of each of the drills, as `record` does, all in one transaction: all of them, or none."""
        recorded = []
        with told(self.path), engine.writing(self._engine) as connection:
            if connection.scalar(select(tables.puzzle.c.hash).where(tables.puzzle.c.hash == puzzle.hash)) is None:
                connection.execute(insert(tables.puzzle), asdict(puzzle))
            for drill in drills:
                before = self._card(connection, drill)
                number, order_ms = self._next(connection)
                event, card = write(number, drill, before)
                self._append(connection, event, order_ms)
                self._put(connection, drill, before, card)
                recorded.append((event, card))
        return recorded

    def undo(self, write: Callable[[int, Event], Event], rebuild: Callable[[Iterator[Event]], Card | None]) -> Event:
        """Takes back the last rating that stands, in one transaction, and returns the event that it was.

        `write` gets the new event's number and the event to take back, and returns the event that does so; `rebuild`
        makes the drill's card of those of its events that still stand, in their order. Raises UsageError where there
        is nothing to take back.
        """
        with told(self.path), engine.writing(self._engine) as connection:
            stands = tables.event.c.id.not_in(_UNDONE)
            order = [column.desc() for column in _ORDER]
            rated = select(tables.event).where(tables.event.c.rating.is_not(None), stands).order_by(*order).limit(1)
            row = connection.execute(rated).mappings().one_or_none()
            if row is None:
                raise UsageError("There is no review to take back.")
            last = self._read(event_of, row)
            number, order_ms = self._next(connection)
            self._append(connection, write(number, last), order_ms)
            rest = select(tables.event).where(tables.event.c.drill == last.drill, stands).order_by(*_ORDER)
            card = rebuild(self._read(event_of, row) for row in connection.execute(rest).mappings())
            self._put(connection, last.drill, self._card(connection, last.drill), card)
        return last

    def undone(self) -> frozenset[str]:
        """The ids of the events that were taken back."""
        with told(self.path), self._engine.connect() as connection:
            return frozenset(connection.scalars(_UNDONE))

    def cards(self) -> dict[str, Card]:
        """Each drill's card, by drill id."""
        with told(self.path), self._engine.connect() as connection:
            rows = connection.execute(select(tables.card).order_by(tables.card.c.drill)).mappings()
            return {row["drill"]: self._read(card_of, row) for row in rows}

    def exposures(self) -> dict[str, int]:
        """How many different puzzles (seeds) of each drill the learner has met, by drill id."""
        drill = tables.event.c.drill
        with told(self.path), self._engine.connect() as connection:
            query = (
                select(drill, func.count(distinct(tables.event.c.seed)).label("puzzles"))
                .group_by(drill)
                .order_by(drill)
            )
            return {row.drill: row.puzzles for row in connection.execute(query)}

    def pace(self) -> dict[str, float]:
        """The seconds that the learner has spent on a puzzle of each drill, on average, by drill id."""
        event = tables.event.c
        with told(self.path), self._engine.connect() as connection:
            spent = (func.sum(event.duration_ms) / 1000.0 / func.count(distinct(event.seed))).label("seconds")
            query = select(event.drill, spent).group_by(event.drill).having(func.sum(event.duration_ms) > 0)
            return {row.drill: float(row.seconds) for row in connection.execute(query)}

    def study_days(self) -> set[date]:
        """The days with any event."""
        with told(self.path), self._engine.connect() as connection:
            rows = connection.execute(select(tables.event.c.study_day.label("day")).distinct()).mappings()
            return {self._read(lambda row: date.fromisoformat(row["day"]), row) for row in rows}

    def puzzle(self, content_hash: str) -> PuzzleRecord | None:
        """The puzzle as it was asked, or None where no event has asked one of that hash."""
        with told(self.path), self._engine.connect() as connection:
            query = select(tables.puzzle).where(tables.puzzle.c.hash == content_hash)
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else PuzzleRecord(**row)

    def events(self, day: date | None = None) -> Iterator[Event]:
        """The history, or one study day of it, in the order of writing, from one snapshot, in constant memory.

        That is by time and, among merged histories, by replica and number; an event dated before one that was
        already there, because the clock went back, still follows it. Replayed in this order, the events give the cards.
        """
        return (self._read(event_of, row) for row in self._rows(day))

    def damaged(self) -> list[str]:
        """The ids of events whose content is no longer what was written. Reads the whole history."""
        return [str(row["id"]) for row in self._rows() if not _intact(row)]

    def rebuild(self, cards: Mapping[str, Card]) -> None:
        """Replaces all cards, in one transaction."""
        with told(self.path), engine.writing(self._engine) as connection:
            connection.execute(delete(tables.card))
            if cards:
                connection.execute(insert(tables.card), [card_row(card) for card in cards.values()])

    def _rows(self, day: date | None = None) -> Iterator[RowMapping]:
        with told(self.path), self._engine.connect() as connection:
            query = select(tables.event).order_by(*_ORDER)
            if day is not None:
                query = query.where(tables.event.c.study_day == day.isoformat())
            yield from connection.execution_options(yield_per=CHUNK).execute(query).mappings()

    def _append(self, connection: Connection, event: Event, order_ms: int) -> None:
        connection.execute(insert(tables.event), event_row(event) | {"order_ms": max(event.at_ms, order_ms)})

    def _put(self, connection: Connection, drill: str, before: Card | None, card: Card | None) -> None:
        mine = tables.card.c.drill == drill
        if card is None and before is not None:
            connection.execute(delete(tables.card).where(mine))
        elif card is not None and before is None:
            connection.execute(insert(tables.card), card_row(card))
        elif card is not None and card != before:
            connection.execute(update(tables.card).where(mine), card_row(card))

    def _next(self, connection: Connection) -> tuple[int, int]:
        """The next event's number, and the least `order_ms` that puts it after all others."""
        event = tables.event.c
        numbers = select(func.coalesce(func.max(event.number), 0)).where(event.replica == self.replica)
        orders = select(func.coalesce(func.max(event.order_ms), 0))
        return connection.scalars(numbers).one() + 1, connection.scalars(orders).one() + 1

    def _card(self, connection: Connection, drill: str) -> Card | None:
        row = connection.execute(select(tables.card).where(tables.card.c.drill == drill)).mappings().one_or_none()
        return None if row is None else self._read(card_of, row)

    def _read(self, convert: Callable[[RowMapping], T], row: RowMapping) -> T:
        try:
            return convert(row)
        except (TypeError, ValueError) as error:
            raise TensordrillError(
                f"A row of the data file {self.path} is damaged: {error}.", hint="Put a copy of the file in its place."
            ) from error


def _intact(row: RowMapping) -> bool:
    try:
        return event_of(row).id == str(row["id"])
    except (TypeError, ValueError):
        return False
