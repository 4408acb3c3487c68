"""The loop of a session: puzzle, answer, feedback, next."""

from datetime import date

from rich.text import Text

from tensordrill.app.sitting import Asked, Sitting
from tensordrill.domain import Mode, Status
from tensordrill.session import Phase
from tensordrill.ui import rendering
from tensordrill.ui.screen import COMMANDS, Screen, command_of


class Quit(Exception):
    """The learner wants to leave."""


def run(sitting: Sitting, screen: Screen, today: date) -> None:
    """Play the session to its end, or until the learner leaves. Raises KeyboardInterrupt at Ctrl-C."""
    loop = _Loop(sitting, screen, today)
    try:
        while sitting.session.phase is not Phase.OVER:
            loop.item()
    except (EOFError, Quit):
        screen.console.print()


class _Loop:
    def __init__(self, sitting: Sitting, screen: Screen, today: date) -> None:
        self.sitting = sitting
        self.screen = screen
        self.today = today
        self.started = False

    def item(self) -> None:
        """One item, from its example or its prompt to its end."""
        if self.sitting.session.phase is Phase.EXAMPLE:
            self._example()
        self._show_puzzle()
        self._explain_commands()
        while self.sitting.session.phase is Phase.ASKING:
            if not self._turn():
                break
        self.sitting.advance()

    def _turn(self) -> bool:
        """Read once and act on it. False where the puzzle is skipped."""
        asked = self._asked()
        if not self.started:
            self.started = True
            self.sitting.start_judge()  # torch loads while the learner reads
        self.sitting.prompted()
        text = self.screen.read(multiline=asked.puzzle.multiline)
        match command_of(text, list(COMMANDS)):
            case None:
                self._answer(text)
            case ":hint":
                hint = self.sitting.hint()
                self._say(rendering.Prose(f"Hint: {hint}") if hint else Text("There are no more hints."))
            case ":solution":
                self._say(rendering.solution(self.sitting.reveal()))
                self._pause()
            case ":skip":
                self._say(Text("Skipped. It stays for the next session."))
                return False
            case ":quit":
                raise Quit
            case _:
                self._say(Text(f"The commands are {', '.join(COMMANDS)}."))
        return True

    def _answer(self, text: str) -> None:
        if self.sitting.judge_is_loading:
            self._say(Text("torch is still loading; a moment…", style="dim"))
        answered = self.sitting.answer(text)
        self._say(rendering.verdict_on(answered, self.today, predicted=self._asked().puzzle.predicts))
        if answered.replaced:
            self._show_puzzle()
        elif self.sitting.session.phase is Phase.ASKING and answered.verdict.status is not Status.UNPARSABLE:
            self._say(Text("Try again, or :hint, :solution, :skip.", style="dim"))

    def _example(self) -> None:
        self._say(Text("New. First a solved one; then it is your turn.", style="dim"))
        asked, solved = self.sitting.example()
        self._say(rendering.puzzle(asked, f"example · {asked.drill.title}"))
        self._say(rendering.solution(solved))
        self._pause()
        self.sitting.example_read()

    def _pause(self) -> None:
        """Let the learner read before the next puzzle takes the screen. A pipe needs no time."""
        if self.screen.interactive:
            self._say(Text("Enter when you have read it.", style="dim"))
            if command_of(self.screen.read(), list(COMMANDS)) == ":quit":
                raise Quit

    def _show_puzzle(self) -> None:
        session, asked = self.sitting.session, self._asked()
        done = len(session.results)
        facts = [f"{done + 1} of {done + session.left}", asked.drill.track, f"level {asked.level}"]
        if session.mode is Mode.PRACTICE:
            facts.append("practice")
        elif session.current and session.current.again:
            facts.append("once more")
        self._say(rendering.puzzle(asked, " · ".join(facts)))

    def _explain_commands(self) -> None:
        how = self._asked().puzzle.face.how
        end = "; an empty line ends it" if self._asked().puzzle.multiline else ""
        self._say(Text(f"Type {how}{end}.", style="dim"))
        self._say(Text(" ".join(COMMANDS), style="dim"))

    def _asked(self) -> Asked:
        assert self.sitting.current is not None
        return self.sitting.current

    def _say(self, what: object) -> None:
        self.screen.console.print(what)
