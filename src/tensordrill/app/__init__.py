"""What every front end calls. An `App` has the catalog at hand, and opens the data file and the judge when needed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from itertools import cycle, islice
from random import Random
from typing import TYPE_CHECKING

from tensordrill import clock, paths, settings
from tensordrill.app.seeds import Seeds
from tensordrill.authoring import Drill
from tensordrill.catalog import Catalog, built_in
from tensordrill.domain import Card, Event, Mode, Rating
from tensordrill.errors import UsageError
from tensordrill.schedule import State, fit, forecast, next_due, plan, replay, state, study_day
from tensordrill.session import Item, Session

if TYPE_CHECKING:
    from tensordrill.app.closing import Closing
    from tensordrill.app.placing import Placing
    from tensordrill.app.sitting import Sitting
    from tensordrill.judge import Judge
    from tensordrill.report.progress import Summary
    from tensordrill.store import Store


OPEN_ENDED = ("einsum.random", "shapes.pipeline", "autograd.fan-out", "autograd.jacobian")


@dataclass(frozen=True)
class Standing:
    """A drill and where the learner stands with it."""

    drill: Drill
    state: State
    card: Card | None


class App:
    """The parts, wired. SQLAlchemy is imported when the store is first used, torch never in this process.

    `device` is where answers run: `cpu`, `cuda` or `auto`; None for what the settings say.
    """

    def __init__(self, device: str | None = None) -> None:
        self._device = device

    @cached_property
    def catalog(self) -> Catalog:
        return built_in(paths.drill_cache())

    @cached_property
    def store(self) -> "Store":
        from tensordrill.store import Store  # noqa: PLC0415 -- SQLAlchemy costs 0.2 s, and `--help` needs none of it

        return Store.open(paths.database())

    @cached_property
    def settings(self) -> settings.Settings:
        """What the learner has set. Raises TensordrillError where the settings file is at fault."""
        return settings.load(paths.settings())

    @property
    def day(self) -> date:
        return study_day(clock.now(), self.settings.rollover)

    def judge(self, *, hurried: bool = False) -> "Judge":
        """A judge for the device, `hurried` where answers come without a pause.

        Raises UsageError where the device is `cuda`, and torch finds no GPU: it waits for that.
        """
        from tensordrill.judge import Judge  # noqa: PLC0415 -- the judge's side costs `drills` and `stats` nothing

        judge = Judge(device=self._device or self.settings.device, hurried=hurried)
        try:
            judge.require_device()
        except UsageError:
            judge.close()
            raise
        return judge

    def close(self) -> None:
        if "store" in self.__dict__:
            self.store.close()

    @property
    def fresh(self) -> bool:
        """Whether nothing has been answered yet, ever."""
        return not self.store.exposures()

    def today(self, minutes: float | None = None) -> "Sitting":
        """The day's review: what was missed today and not yet solved alone, then what is due, then what is new.

        With `minutes`, as much of it as has fitted into that time so far, the most urgent first.
        """
        day = self.day  # a clock or a settings file that cannot be read is told before anything is opened
        cards = self.store.cards()
        tasks = plan(after=self.catalog.after, cards=cards, day=day, new_limit=self.settings.new_per_day)
        if minutes is not None:
            tasks = fit(tasks, self.store.pace(), minutes * 60)
        items = [self._item(task.drill, task.level, new=task.new) for task in tasks]
        missed = [self._item(name, cards[name].level, again=True) for name in self._missed_today(cards, day)]
        return self._sit(Session.begin(Mode.REVIEW, [*missed, *items]))

    def practice(self, names: Sequence[str], count: int) -> "Sitting":
        """Free practice of those tracks and drills, in an order that chance decides. It never rates or postpones."""
        if count < 1:
            raise UsageError(f"{count} puzzles cannot be practised.", hint="--count takes a number from 1.")
        drills = self.catalog.select(names)
        cards = self.store.cards()
        known = [drill for drill in drills if drill.id in cards]
        chosen = drills if names else known or drills
        Random().shuffle(chosen)  # noqa: S311 -- only the order
        levels = {drill.id: cards[drill.id].level if drill.id in cards else 1 for drill in chosen}
        items = [self._item(drill.id, levels[drill.id]) for drill in islice(cycle(chosen), count)]
        return self._sit(Session.begin(Mode.PRACTICE, items))

    def daily(self) -> "Sitting":
        """The puzzle of the day, the same for everybody: an open-ended one, as practice."""
        key = f"daily/{self.day.isoformat()}"
        open_ended = self.open_ended
        if not open_ended:
            raise UsageError("There is no open-ended drill to take a puzzle of the day from.")
        name = open_ended[next(Seeds(key)) % len(open_ended)]
        return self._sit(Session.begin(Mode.PRACTICE, [Item(name, self.catalog[name].levels, key=key)]))

    @property
    def open_ended(self) -> list[str]:
        """The drills that never run out of puzzles, in catalog order."""
        return [name for name in OPEN_ENDED if name in self.catalog]

    def closing(self, sitting: "Sitting") -> "Closing":
        """What a session came to, and what comes next."""
        from tensordrill.app.closing import closing  # noqa: PLC0415 -- at the end is soon enough

        cards, day = self.store.cards(), self.day
        return closing(
            sitting.session,
            seconds=sitting.seconds,
            cards=cards,
            study_days=self.store.study_days(),
            due=forecast(after=self.catalog.after, cards=cards, day=day),
            following=self.next_due(),
            open_ended=self.open_ended,
            day=day,
        )

    def placement(self) -> "Placing":
        """A placement: the one that was begun in the last days, or a new one."""
        from tensordrill.app.placing import Placing  # noqa: PLC0415 -- as in `_sit`

        return Placing(catalog=self.catalog, store=self.store, now=clock.now, sit=self._sit, settings=self.settings)

    def standings(self, names: Sequence[str] = ()) -> list[Standing]:
        """Every drill of those tracks, with its state."""
        cards, day = self.store.cards(), self.day
        return [
            Standing(drill, state(drill.id, after=self.catalog.after, cards=cards, day=day), cards.get(drill.id))
            for drill in self.catalog.select(names)
        ]

    def next_due(self) -> date | None:
        """The study day on which the next drill comes due or, where new ones are held back, opens."""
        after, cards, day = self.catalog.after, self.store.cards(), self.day
        days = [next_due(after=after, cards=cards, day=day)]
        new = (state(name, after=after, cards=cards, day=day) is State.NEW for name in after)
        if self.settings.new_per_day and any(new):
            days.append(day + timedelta(days=1))
        return min((day for day in days if day), default=None)

    def summary(self) -> "Summary":
        from tensordrill.report.progress import summary  # noqa: PLC0415 -- reviews do not need it

        return summary(self._standing(self.store.events()), self.store.cards(), self.catalog.after, self.day)

    def export(self, form: str) -> Iterator[str]:
        """Every event, a line at a time, as `json` or `csv`. Raises UsageError for another form."""
        from tensordrill.report.export import as_csv, as_json, rows  # noqa: PLC0415 -- reviews do not need it

        forms = {"json": as_json, "csv": as_csv}
        if form not in forms:
            raise UsageError(f"There is no export {form!r}.", hint=f"There are {' and '.join(forms)}.")
        return forms[form](rows(replay(self.store.events(), self.store.undone())))

    def undo(self) -> Event:
        """Take the last rating back. Returns the event that gave it. Raises UsageError where there is none."""
        from tensordrill.app.recording import take_back  # noqa: PLC0415 -- the store is loaded when it is used

        return take_back(self.store, clock.now(), self.settings)

    def _standing(self, events: Iterator[Event]) -> Iterator[Event]:
        """Those of the events that were not taken back."""
        undone = self.store.undone()
        return (event for event in events if not undone or event.id not in undone)

    def _missed_today(self, cards: dict[str, Card], day: date) -> list[str]:
        """Drills that today's review missed, and that were not solved alone since, in the order they were missed."""
        if all(card.last_day != day or card.last_rating is not Rating.AGAIN for card in cards.values()):
            return []  # without reading the day's events
        missed: dict[str, None] = {}
        for event in self._standing(self.store.events(day)):
            if event.rating is Rating.AGAIN:
                missed[event.drill] = None
            elif event.correct and event.attempt == 1 and not event.hints:
                missed.pop(event.drill, None)
        return [name for name in missed if name in self.catalog]

    def _item(self, name: str, level: int, *, new: bool = False, again: bool = False) -> Item:
        return Item(name, min(level, self.catalog[name].levels), new=new, again=again)

    def _sit(self, session: Session) -> "Sitting":
        from tensordrill.app.sitting import Sitting  # noqa: PLC0415 -- the judge's side costs `drills` and `stats` nothing

        return Sitting(
            session, catalog=self.catalog, store=self.store, judge=self.judge(), now=clock.now, settings=self.settings
        )


__all__ = ["App", "Standing"]
