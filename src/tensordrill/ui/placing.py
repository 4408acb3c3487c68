"""The loop of a placement: puzzle, one line of feedback, next; then the conclusion, which the learner may correct."""

from collections.abc import Collection, Iterable, Iterator
from datetime import date

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from tensordrill.app.asked import Asked
from tensordrill.app.placing import Placing
from tensordrill.errors import UsageError
from tensordrill.schedule.placement import A_DAY, MOST_PUZZLES
from tensordrill.ui import rendering
from tensordrill.ui.review import judging
from tensordrill.ui.screen import Question, Screen, command_of

COMMANDS = {":skip": "I do not know", ":quit": "leave; the answers are kept"}


def run(placing: Placing, screen: Screen, today: date) -> None:
    """Play the placement to its end, or until the learner leaves. Raises KeyboardInterrupt at Ctrl-C."""
    loop = _Loop(placing, screen, today)
    try:
        loop.introduce()
        while not placing.over:
            loop.puzzle()
        loop.conclude()
    except EOFError:
        screen.console.print()
        leave(placing, screen)


def leave(placing: Placing, screen: Screen) -> None:
    """Say what becomes of a placement that is left."""
    if answers := len(placing.placement.answers):
        told = (
            f"{_count(answers, 'answer')} kept, and nothing is marked yet: `tensordrill placement` goes on from here."
        )
    else:
        told = "Nothing was answered. `tensordrill placement` is there whenever you like."
    screen.console.print(Text(told))


class _Loop:
    def __init__(self, placing: Placing, screen: Screen, today: date) -> None:
        self.placing = placing
        self.screen = screen
        self.today = today
        self.started = False

    def introduce(self) -> None:
        if self.placing.resumed:
            self._say(Text(f"Your placement goes on: {_count(self.placing.resumed, 'answer')} kept."))
        else:
            told = f"At most {MOST_PUZZLES} puzzles find out what you know already. They begin in the middle."
            self._say(Text(f"{told} :skip says that you do not know."))

    def puzzle(self) -> None:
        """One puzzle, from its prompt to its answer, and on to the next."""
        self._show()
        done = len(self.placing.placement.answers)
        while len(self.placing.placement.answers) == done:
            self._turn()
        if not self.placing.over:
            self.placing.advance()

    def conclude(self) -> None:
        """Show what was found, let the learner correct it, and write it once they accept it."""
        placement = self.placing.placement
        known = placement.known()
        self._say(Text())
        for part in self._table(known, self.placing.catalog.tracks):
            self._say(part)
        self._say(Text())
        self._say(
            Text(
                "Enter accepts this. To correct it, type drills or tracks: `einsum.trace` changes sides, "
                "`-autograd` is to learn, `+einops.permute` is known."
            )
        )
        while text := self._correction():
            try:
                changed = self._corrected(known, text.replace(",", " ").split())
            except UsageError as error:
                self._say(Text(f"{error.message} {error.hint}"))
                continue
            self._tell(known, changed)
            known = changed
        self._place(known)

    def _show(self) -> None:
        asked = self._asked()
        number = len(self.placing.placement.answers) + 1
        self._say(
            rendering.puzzle(
                asked, f"{number} of at most {MOST_PUZZLES} · {asked.drill.track} · placement", plain=self.screen.plain
            )
        )
        end = "; an empty line ends it" if asked.puzzle.multiline else ""
        self._say(Text(f"Type {asked.puzzle.face.how}{end}.", style="dim"))
        if not self.screen.edits:
            self._say(Text(" ".join(COMMANDS), style="dim"))

    def _turn(self) -> None:
        """Read once and act on it."""
        if not self.started:
            self.started = True
            self.placing.sitting.start_judge()  # torch loads while the learner reads
        self.placing.sitting.prompted()
        puzzle = self._asked().puzzle
        text = self.screen.read(Question(list(COMMANDS), puzzle.kind, puzzle.face, puzzle.multiline))
        match command_of(text, list(COMMANDS)):
            case None:
                self._answer(text)
            case ":skip":
                self.placing.give_up()
                self._say(Text("Noted."))
            case ":quit":
                raise EOFError
            case _:
                self._say(Text(f"The commands are {', '.join(COMMANDS)}."))

    def _answer(self, text: str) -> None:
        with judging(self.placing.sitting, self.screen, text):
            answered = self.placing.answer(text)
        if answered.verdict.correct:
            self._say(Text("Right.", style="right"))
        elif answered.verdict.status.judged:
            self._say(Text("Not yet."))
        else:
            predicted = self._asked().puzzle.predicts
            self._say(rendering.verdict_on(answered, self.today, predicted=predicted, plain=self.screen.plain))
        if answered.replaced:
            self._show()

    def _correction(self) -> str:
        """What the learner would change; empty where they accept."""
        while True:
            text = self.screen.read(Question()).strip()
            command = command_of(text, [":quit"])
            if command is None:
                return text
            if command == ":quit":
                raise EOFError
            self._say(Text("Enter accepts, :quit leaves without."))

    def _corrected(self, known: frozenset[str], words: Iterable[str]) -> frozenset[str]:
        """What is known after the correction. Raises UsageError where a word is no track or drill."""
        placement = self.placing.placement
        for word in words:
            named = [drill.id for drill in self.placing.catalog.select([word.lstrip("+-")])]
            drills = [drill for drill in named if drill not in placement.settled]
            if word.startswith("-") or (not word.startswith("+") and known.issuperset(drills)):
                known = placement.without_known(known, drills)
            else:
                known = placement.with_known(known, drills)
        return known

    def _tell(self, before: Collection[str], after: Collection[str]) -> None:
        """What a correction changed, with what it drew along."""
        order = self.placing.catalog
        for label, drills in (
            ("Known now", [drill for drill in order if drill in after and drill not in before]),
            ("To learn now", [drill for drill in order if drill in before and drill not in after]),
        ):
            if drills:
                self._say(Text(f"{label}: {', '.join(drills)}."))
        if before == after:
            self._say(Text("That changes nothing."))

    def _table(self, known: Collection[str], tracks: Iterable[str]) -> Iterator[RenderableType]:
        """For each track how much of it is known, and the names where it is neither all nor nothing."""
        placement = self.placing.placement
        width = max(len(track) for track in tracks)
        for track in tracks:
            mine = [drill for drill in placement.open if drill.partition(".")[0] == track]
            held = [drill for drill in mine if drill in known]
            rest = [drill for drill in mine if drill not in known]
            counts = [f"{len(held)} known"] * bool(held) + [f"{len(rest)} to learn"] * bool(rest)
            head = Text.assemble((f"{track:<{width}}", "bold"), f"  {', '.join(counts) or 'in review already'}")
            yield head
            if held and rest:
                names = Table.grid(padding=(0, 1))
                names.add_row(Text("  known", style="dim"), _names(held))
                names.add_row(Text("  to learn", style="dim"), _names(rest))
                yield names

    def _place(self, known: Collection[str]) -> None:
        if not known:
            self._say(Text("Nothing is marked as known. `tensordrill today` begins at the beginning."))
            return
        due = self.placing.place(known)
        told = f"{_count(len(due), 'drill')} marked as known. The first come back"
        self._say(Text(f"{told} {rendering.when(min(due.values()), self.today)}, at most {A_DAY} on one day."))
        self._say(Text("`tensordrill today` begins with what is left."))

    def _asked(self) -> Asked:
        assert self.placing.sitting.current is not None
        return self.placing.sitting.current

    def _say(self, what: object) -> None:
        self.screen.console.print(what)


def _names(drills: Iterable[str]) -> Text:
    return Text(", ".join(drill.partition(".")[2] for drill in drills), overflow="fold")


def _count(number: int, what: str) -> str:
    return f"1 {what} is" if number == 1 else f"{number} {what}s are"
