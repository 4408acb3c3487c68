"""One session with its parts wired: puzzles from the catalog, verdicts from the judge, events into the store."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from tensordrill.app.asked import Answered, Asked, Feedback, Solved
from tensordrill.app.recording import record_of, take_back, when
from tensordrill.app.seeds import Seeds
from tensordrill.authoring import Drill
from tensordrill.catalog import Catalog
from tensordrill.domain import Card, Event, EventType, Status, Verdict
from tensordrill.errors import TensordrillError
from tensordrill.judge import Certificate, Judge
from tensordrill.puzzles import Puzzle
from tensordrill.schedule import policy, rate, step
from tensordrill.session import Item, Session
from tensordrill.settings import DEFAULTS, Settings
from tensordrill.store import Store

_SOUND_TRIES = 20


class Sitting:
    """Drives a `Session`. Each judged answer is in the store before `answer` returns."""

    def __init__(
        self,
        session: Session,
        *,
        catalog: Catalog,
        store: Store,
        judge: Judge,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        settings: Settings = DEFAULTS,
    ) -> None:
        self.session = session
        self._settings = settings
        self._catalog = catalog
        self._store = store
        self._judge = judge
        self._now = now
        self._monotonic = monotonic
        self._met = Counter(store.exposures())  # puzzles of each drill that left an event
        self._skipped = Counter[str]()  # puzzles of each drill that left none, since one that did
        self._kept = False  # whether the current puzzle left an event
        self._pool = ThreadPoolExecutor(max_workers=1)  # the judge's only user, so that the learner never waits for it
        self._warm: Future[Certificate] | None = None
        self._ahead: tuple[Item, Seeds, Future[Asked]] | None = None
        self._faults = 0
        self._spent = 0.0
        self._asked_at: float | None = None
        self.seconds = 0.0  # the learner's time at all answers so far
        self.ratings = 0  # given in this sitting, and not taken back
        self.tries = self.hints = 0  # of all puzzles
        self.answered: Answered | None = None  # the last answer that was judged
        self.finished: Asked | None = None  # the last puzzle that was solved, or whose solution was shown
        self.current: Asked | None = None
        self._take_up()

    def start_judge(self) -> None:
        """Begin to load torch, while the learner reads."""
        self._judge.start()
        self._warm = self._pool.submit(self._judge.certify, self._asked.puzzle)
        self._look_ahead()

    @property
    def judge_is_loading(self) -> bool:
        """Whether the next answer would wait for torch."""
        return self._warm is not None and not self._warm.done()

    def close(self) -> None:
        self._judge.stop()
        self._pool.shutdown(cancel_futures=True)
        self._judge.close()

    def example(self) -> tuple[Asked, Solved]:
        """For a drill's first exposure: another puzzle of it, solved. Waits for torch where only running it tells."""
        item = self._item
        drill = self._catalog[item.drill]
        seeds = self._seeds(drill.id, "example")
        asked = Asked(drill, item.level, seed := next(seeds), drill.puzzle(seed, item.level))
        if asked.puzzle.predicts:
            asked = self._pool.submit(self._sound, drill, item.level, seeds).result()
        return asked, self._solution(asked.puzzle)

    def example_read(self) -> None:
        self.session = self.session.example_read()

    def prompted(self) -> None:
        """The learner sees the prompt now: their time runs, and `TENSORDRILL_TRACE` gets its line."""
        if self._asked_at is None:
            self._asked_at = self._monotonic()
        asked = self._asked
        if path := os.environ.get("TENSORDRILL_TRACE"):
            line = json.dumps({"drill": asked.drill.id, "seed": asked.seed, "level": asked.level})
            try:
                with Path(path).open("a", encoding="utf-8") as trace:
                    trace.write(line + "\n")
            except OSError as error:
                raise TensordrillError(
                    f"TENSORDRILL_TRACE cannot be written: {error.strerror}: {path}", hint="Unset it, or name a file."
                ) from None

    @property
    def hints_left(self) -> int:
        return len(self._asked.puzzle.hints) - self.session.hints

    def slip(self, text: str) -> Verdict | None:
        """What keeps a text from being judged at all: a slip of the hand. Needs no torch."""
        return self._judge.slip(self._asked.puzzle, text)

    def hint(self) -> str | None:
        """The next hint, or None where all were given."""
        hints = self._asked.puzzle.hints
        if self.session.hints >= len(hints):
            return None
        self.session = self.session.hinted()
        self.hints += 1
        return hints[self.session.hints - 1]

    def answer(self, text: str) -> Feedback:
        """Judge what was typed, and record it. A slip leaves everything as it was; a faulty puzzle is replaced."""
        self._stop_clock()
        asked = self._asked
        if slip := self.slip(text):
            return Feedback(slip)
        verdict = self._pool.submit(self._judge.grade, asked.puzzle, text).result()
        if verdict.status is Status.INTERNAL:
            self._replace_puzzle(verdict)
            return Feedback(verdict, replaced=True)
        self._faults = 0
        seconds = self._spent
        self.answered = Answered(asked, text, verdict.steps, verdict.device)
        self.tries += 1
        event, card = self._record(EventType.ANSWER, text, verdict)
        self.session = self.session.answered(correct=verdict.correct)
        self.finished = asked if verdict.correct else self.finished
        rated = event.rating is not None and card is not None
        return Feedback(
            verdict, event.rating, card.due if rated and card else None, card.level if card else None, seconds=seconds
        )

    def reveal(self) -> Solved:
        """The solution. Asking for it is recorded, and rates as a miss where nothing has rated the drill today."""
        self._stop_clock()
        solved = self._solution(self._asked.puzzle)
        self._record(EventType.SHOWN, "", None)
        self.session = self.session.shown()
        self.finished = self._asked
        return solved

    def give_up(self) -> None:
        """The learner does not know: recorded as if the solution had been asked for, without working it out."""
        self._stop_clock()
        self._record(EventType.SHOWN, "", None)
        self.session = self.session.shown()

    def explanation(self) -> Solved | None:
        """The solution and its reason of the last puzzle that was solved or shown; None where there is none yet."""
        return self._solution(self.finished.puzzle) if self.finished else None

    def undo(self) -> Event:
        """Take the last rating back, and ask its drill again. Raises UsageError where there is nothing to take back."""
        last = take_back(self._store, self._now(), self._settings)
        self.ratings = max(0, self.ratings - 1)
        current = self.session.current
        self.session = self.session.undone(last.drill, last.level)
        if self.session.current is not current:
            self._ahead = None
            self._take_up()
            self._look_ahead()
        return last

    def advance(self) -> None:
        """To the next item, or over an unanswered one."""
        name = self._item.drill
        if self._kept:
            self._met[name] += 1
            self._skipped[name] = 0
        else:
            self._skipped[name] += 1
        self.session = self.session.advanced()
        self._take_up()
        self._look_ahead()

    @property
    def _item(self) -> Item:
        assert self.session.current is not None
        return self.session.current

    @property
    def _asked(self) -> Asked:
        assert self.current is not None
        return self.current

    def _take_up(self) -> None:
        """Make the current item's puzzle: the one certified ahead, or one that is certified while the learner reads."""
        self._spent, self._asked_at, self._kept = 0.0, None, False
        item, ahead, self._ahead = self.session.current, self._ahead, None
        if item is None:
            self.current = None
            return
        seeds = self._seeds(item.drill)
        if ahead and ahead[0] == item and ahead[1].key == seeds.key and ahead[2].done() and not ahead[2].exception():
            self.current = ahead[2].result()
        else:
            drill, seed = self._catalog[item.drill], next(seeds)
            self.current = Asked(drill, item.level, seed, drill.puzzle(seed, item.level))

    def _look_ahead(self) -> None:
        if self._ahead is None and self.session.waiting:
            item = self.session.waiting[0]
            answered = self.session.current is not None and self.session.current.drill == item.drill
            seeds = self._seeds(item.drill, answered=answered)  # the current puzzle will be, we hope
            made = self._pool.submit(self._sound, self._catalog[item.drill], item.level, seeds)
            self._ahead = (item, seeds, made)

    def _sound(self, drill: Drill, level: int, seeds: Seeds) -> Asked:
        """A puzzle that torch certifies. Raises TensordrillError where a drill has none to offer."""
        problem = ""
        for seed, _ in zip(seeds, range(_SOUND_TRIES), strict=False):
            puzzle = drill.puzzle(seed, level)
            certificate = self._judge.certify(puzzle)
            if certificate.ok:
                return Asked(drill, level, seed, puzzle)
            problem = certificate.problems[0]
        raise TensordrillError(
            f"{drill.id} gives no sound puzzle: {problem}", hint=f"`tensordrill drills check {drill.id}` tells more."
        )

    def _replace_puzzle(self, verdict: Verdict) -> None:
        self._faults += 1
        if self._faults >= 3:  # noqa: PLR2004 -- one is bad luck, three in a row are a broken installation
            raise TensordrillError(
                f"The judge cannot work. {verdict.feedback}", hint="Does `python -c 'import torch'` run?"
            )
        asked = self._asked
        seeds = self._seeds(asked.drill.id, f"instead-{self._faults}")
        seed = next(seeds)
        self.current = Asked(asked.drill, asked.level, seed, asked.drill.puzzle(seed, asked.level))
        self.session = self.session.replaced()
        self._spent = 0.0

    def _solution(self, puzzle: Puzzle) -> Solved:
        answer = puzzle.solution or self._pool.submit(self._judge.solution, puzzle).result()
        steps = self.answered.steps if self.answered and self.answered.asked.puzzle is puzzle else None
        if steps is None and puzzle.traced():
            steps = self._pool.submit(self._judge.steps, puzzle).result()
        raised = self._pool.submit(self._judge.raised, puzzle).result() if puzzle.may_raise else None
        return Solved(answer, puzzle.why, steps, raised, puzzle)

    def _seeds(self, drill: str, purpose: str = "", *, answered: bool = False) -> Seeds:
        """The seeds of a drill's next puzzle, or of the one after it where that will have been answered."""
        if self.session.current and self.session.current.key:
            return Seeds(f"{self.session.current.key}/{drill}/{purpose}")
        met, skipped = (self._met[drill] + 1, 0) if answered else (self._met[drill], self._skipped[drill])
        return Seeds(f"{self._store.replica}/{drill}/{met}/{skipped}/{purpose}")

    def _stop_clock(self) -> None:
        if self._asked_at is not None:
            self._spent += self._monotonic() - self._asked_at
            self._asked_at = None

    def _record(self, kind: EventType, text: str, verdict: Verdict | None) -> tuple[Event, Card | None]:
        asked, session, now = self._asked, self.session, when(self._now(), self._settings)
        status = verdict.status if verdict else None
        attempt = session.attempts + (kind is EventType.ANSWER)

        def write(number: int, card: Card | None) -> tuple[Event, Card | None]:
            rating = rate(
                mode=session.mode, status=status, attempt=attempt, hints=session.hints, card=card, day=now["study_day"]
            )
            event = Event(
                **now,
                number=number,
                type=kind,
                mode=session.mode,
                drill=asked.drill.id,
                level=asked.level,
                seed=asked.seed,
                puzzle=asked.puzzle.hash,
                answer=text,
                status=status,
                wrong_turn=verdict.wrong_turn if verdict else None,
                attempt=attempt,
                hints=session.hints,
                duration_ms=round(self._spent * 1000),
                rating=rating,
                policy=policy(self._settings.retention) if rating else None,
                replica=self._store.replica,
            )
            return event, step(card, event)

        recorded = self._store.record(asked.drill.id, record_of(asked), write)
        self._kept = True
        self.ratings += recorded[0].rating is not None
        self.seconds += self._spent
        self._spent = 0.0
        return recorded
