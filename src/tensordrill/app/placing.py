"""A placement with its parts wired: a sitting whose next drill follows from the answers, and what is concluded."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from tensordrill.app.asked import Feedback
from tensordrill.app.recording import when
from tensordrill.app.sitting import Sitting
from tensordrill.catalog import Catalog
from tensordrill.domain import Card, Event, EventType, Mode
from tensordrill.schedule import step, study_day
from tensordrill.schedule.knowledge import Outcome
from tensordrill.schedule.placement import Placement
from tensordrill.session import Item, Session
from tensordrill.settings import Settings
from tensordrill.store import Store

RESUMED_DAYS = 3  # how many study days, today included, a begun placement is resumed from
LEVEL = 2  # in words, with nothing to copy from: a guess does not pass


class Placing:
    """Drives a placement. Each answer is in the store before `answer` returns; `place` writes what was concluded.

    `sitting` asks the puzzles, and is over where `placement` is. `resumed` counts the answers from before.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        store: Store,
        now: Callable[[], datetime],
        sit: Callable[[Session], Sitting],
        settings: Settings,
    ) -> None:
        self.catalog = catalog
        self._settings = settings
        self._store = store
        self._now = now
        self._since = study_day(now(), settings.rollover) - timedelta(days=RESUMED_DAYS - 1)
        settled = {drill: card.learned for drill, card in store.cards().items()}
        self.placement = Placement.begin(catalog.after, settled)
        for event in self._begun():
            if event.drill in self.placement.open:
                self.placement = self.placement.answered(event.drill, _outcome(event))
        self.resumed = len(self.placement.answers)
        self.sitting = sit(Session.begin(Mode.PLACEMENT, self._items()))

    @property
    def over(self) -> bool:
        return self.placement.next is None

    def close(self) -> None:
        self.sitting.close()

    def answer(self, text: str) -> Feedback:
        """Judge what was typed, and record it. A slip leaves everything as it was; a faulty puzzle is replaced."""
        feedback = self.sitting.answer(text)
        if feedback.verdict.status.judged:
            self._go_on(Outcome.RIGHT if feedback.verdict.correct else Outcome.WRONG)
        return feedback

    def give_up(self) -> None:
        """The learner does not know. That is recorded too."""
        self.sitting.give_up()
        self._go_on(Outcome.UNSURE)

    def advance(self) -> None:
        """To the next puzzle."""
        self.sitting.session = replace(self.sitting.session, waiting=tuple(self._items()))
        self.sitting.advance()

    def place(self, known: Collection[str]) -> dict[str, date]:
        """Hold these drills to be known, all in one transaction. Returns the study day on which each comes back."""
        now, last = when(self._now(), self._settings), self._begun()[-1]
        puzzle = self._store.puzzle(last.puzzle)
        assert puzzle is not None
        stabilities = self.placement.stabilities(known)

        def write(number: int, drill: str, card: Card | None) -> tuple[Event, Card | None]:
            event = replace(
                last,
                **now,
                number=number,
                type=EventType.PLACED,
                drill=drill,
                level=min(LEVEL, self.catalog[drill].levels),
                answer="",
                status=None,
                wrong_turn=None,
                attempt=0,
                duration_ms=0,
                replica=self._store.replica,
                stability=float(stabilities[drill]),
            )
            return event, step(card, event)

        placed = self._store.record_each(stabilities, puzzle, write)
        return {card.drill: card.due for _, card in placed if card}

    def _go_on(self, outcome: Outcome) -> None:
        assert self.sitting.current is not None
        self.placement = self.placement.answered(self.sitting.current.drill.id, outcome)

    def _begun(self) -> list[Event]:
        """The answers of the last days that nothing was concluded from yet."""
        begun: list[Event] = []
        for days in range((study_day(self._now(), self._settings.rollover) - self._since).days + 1):
            for event in self._store.events(self._since + timedelta(days=days)):
                if event.type is EventType.PLACED:
                    begun.clear()
                elif event.mode is Mode.PLACEMENT:
                    begun.append(event)
        return begun

    def _items(self) -> Sequence[Item]:
        """The next drill, and the one that follows if it goes as expected: that one is certified ahead."""
        if (first := self.placement.next) is None:
            return []
        second = self.placement.answered(first, self.placement.expected).next
        return [Item(drill, min(LEVEL, self.catalog[drill].levels)) for drill in (first, second) if drill]


def _outcome(event: Event) -> Outcome:
    if event.type is EventType.SHOWN:
        return Outcome.UNSURE
    return Outcome.RIGHT if event.correct else Outcome.WRONG
