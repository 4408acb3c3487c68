"""The loop of a session: puzzle, answer, feedback, next."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date

from rich.console import RenderableType
from rich.text import Text

from tensordrill.app.asked import Asked
from tensordrill.app.sitting import Sitting
from tensordrill.domain import Mode, Status
from tensordrill.errors import UsageError
from tensordrill.session import Phase
from tensordrill.ui import rendering
from tensordrill.ui.screen import Question, Screen, command_of

COMMANDS = {
    ":hint": "a nudge, then more; an answer after it rates as Hard",
    ":solution": "the answer and its reason; it rates as a miss",
    ":skip": "on to the next; nothing is rated",
    ":edit": "take up the last answer again",
    ":explain": "the reason behind the last puzzle that was solved",
    ":undo": "take the last rating back",
    ":report": "the command that shows the last verdict again, for a report",
    ":quit": "leave; everything is kept",
}
FIRST_PUZZLES = 3
ROWS_BELOW = 4  # of the prompt: what is typed, and the footer


class Quit(Exception):
    """The learner wants to leave."""


def run(sitting: Sitting, screen: Screen, today: date, welcome: Callable[[], None] | None = None) -> None:
    """Play the session to its end, or until the learner leaves. Raises KeyboardInterrupt at Ctrl-C.

    `welcome` is for a new learner, after the first puzzles.
    """
    loop = _Loop(sitting, screen, today)
    try:
        while sitting.session.phase is not Phase.OVER:
            loop.item()
            if welcome and sum(result.judged for result in sitting.session.results) == FIRST_PUZZLES:
                welcome()
                welcome = None
                loop.pause()
    except (EOFError, Quit):
        screen.console.print()


def judging(sitting: Sitting, screen: Screen, text: str) -> AbstractContextManager[None]:
    """While an answer is judged: says so where torch is still loading, and after a moment in any case."""
    loading = sitting.judge_is_loading and sitting.slip(text) is None
    if loading and not screen.edits:
        screen.console.print(Text("torch is still loading; a moment…", style="dim"))
    return screen.waiting("torch is still loading…" if loading else "running it…")


class _Loop:
    def __init__(self, sitting: Sitting, screen: Screen, today: date) -> None:
        self.sitting = sitting
        self.screen = screen
        self.plain = screen.plain
        self.today = today
        self.started = False
        self.given = ""  # what the next answer begins with
        self.below = 0  # rows that were printed since the puzzle

    def item(self) -> None:
        """One item, from its example or its prompt to its end."""
        item = self.sitting.session.current
        if self.sitting.session.phase is Phase.EXAMPLE:
            self._example()
        self._show_puzzle()
        self._explain_commands()
        while self.sitting.session.phase is Phase.ASKING:
            if not self._turn():
                break
            if self.sitting.session.current is not item:
                return  # another one has been put before it
        self.sitting.advance()

    def pause(self) -> None:
        """Let the learner read before the next puzzle takes the screen. A pipe needs no time."""
        if self.screen.interactive:
            self._say(Text("Enter when you have read it.", style="dim"))
            if command_of(self.screen.read(Question()), [":quit"]) == ":quit":
                raise Quit

    def _turn(self) -> bool:
        """Read once and act on it. False where the puzzle is skipped."""
        puzzle = self._asked().puzzle
        if not self.started:
            self.started = True
            self.sitting.start_judge()  # torch loads while the learner reads
        self._keep_in_view()
        self.sitting.prompted()
        commands = self._commands()
        text = self.screen.read(Question(commands, puzzle.kind, puzzle.face, puzzle.multiline, self.given))
        self.given = ""
        match command_of(text, commands):
            case None:
                self._answer(text)
            case ":skip":
                self._say(Text("Skipped. It stays for the next session."))
                return False
            case ":quit":
                raise Quit
            case ":":
                self._say(rendering.commands({name: COMMANDS[name] for name in commands}))
            case command:
                self._act(command)
        return True

    def _act(self, command: str) -> None:
        match command:
            case ":hint":
                hint = self.sitting.hint()
                self._say(rendering.Prose(f"Hint: {hint}") if hint else Text("There are no more hints."))
            case ":solution":
                self._say(rendering.solution(self.sitting.reveal(), plain=self.plain))
                self.pause()
            case ":edit":
                self.given = self.sitting.answered.text if self.sitting.answered else ""
            case ":explain":
                if explained := self.sitting.explanation():
                    self._say(rendering.solution(explained, plain=self.plain))
            case ":undo":
                self._undo()
            case ":report":
                if answered := self.sitting.answered:
                    self._say(Text("This judges the last answer again, anywhere; a report needs no more:"))
                    self.screen.console.print(Text(answered.command), soft_wrap=True)  # one line, to be copied

    def _answer(self, text: str) -> None:
        with judging(self.sitting, self.screen, text):
            answered = self.sitting.answer(text)
        predicted = self._asked().puzzle.predicts
        self._say(rendering.verdict_on(answered, self.today, predicted=predicted, plain=self.plain))
        if answered.replaced:
            self._show_puzzle()
        elif self.sitting.session.phase is Phase.ASKING and answered.verdict.status is not Status.UNPARSABLE:
            self._say(Text("Try again, or :hint, :solution, :skip.", style="dim"))

    def _undo(self) -> None:
        try:
            taken = self.sitting.undo()
        except UsageError as error:
            self._say(Text(error.message))
            return
        rating = taken.rating.label if taken.rating else ""
        self._say(Text(f"Taken back: {rating} for {taken.drill}. It is asked again."))

    def _example(self) -> None:
        self._say(Text("New. First a solved one; then it is your turn.", style="dim"))
        with self.screen.waiting("preparing an example…"):
            asked, solved = self.sitting.example()
        self._say(rendering.puzzle(asked, f"example · {asked.drill.title}", plain=self.plain))
        self._say(rendering.solution(solved, plain=self.plain))
        self.pause()
        self.sitting.example_read()

    def _commands(self) -> list[str]:
        """Those that do something now."""
        sitting = self.sitting
        works = {
            ":hint": sitting.hints_left > 0,
            ":edit": self.screen.edits and sitting.answered is not None and sitting.answered.asked is self._asked(),
            ":explain": sitting.finished is not None,
            ":undo": sitting.session.mode is Mode.REVIEW and sitting.ratings > 0,
            ":report": sitting.answered is not None,
        }
        return [name for name in COMMANDS if works.get(name, True)]

    def _show_puzzle(self) -> None:
        session, asked = self.sitting.session, self._asked()
        done = len(session.results)
        facts = [f"{done + 1} of {done + session.left}", f"{self.sitting.seconds / 60:.0f} min"]
        facts += [asked.drill.track, f"level {asked.level}"]
        if session.mode is Mode.PRACTICE:
            facts.append("practice")
        elif session.current and session.current.again:
            facts.append("once more")
        self._say(rendering.puzzle(asked, " · ".join(facts), plain=self.plain))
        self.below = 0

    def _keep_in_view(self) -> None:
        """Show the puzzle again where what came since has pushed it off the screen."""
        if not self.screen.edits or not self.below:
            return
        rows = self._rows(rendering.puzzle(self._asked(), ""))
        height = self.screen.console.height
        if rows + self.below + ROWS_BELOW > height >= rows + ROWS_BELOW:
            self._show_puzzle()

    def _explain_commands(self) -> None:
        puzzle = self._asked().puzzle
        end = "; an empty line ends it" if puzzle.multiline else ""
        commands = " A colon shows what else you can do." if self.screen.edits and not self.started else ""
        self._say(Text(f"Type {puzzle.face.how}{end}.{commands}", style="dim"))
        if not self.screen.edits:
            self._say(Text(" ".join(self._commands()), style="dim"))

    def _asked(self) -> Asked:
        assert self.sitting.current is not None
        return self.sitting.current

    def _say(self, what: RenderableType) -> None:
        self.below += self._rows(what)
        self.screen.console.print(what)

    def _rows(self, what: RenderableType) -> int:
        return len(self.screen.console.render_lines(what, pad=False)) if self.screen.edits else 0
