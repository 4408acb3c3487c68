"""Typing in a real terminal: editing, history, completion, and several lines where the answer is code."""

import ast
import os
import re
import textwrap
from contextlib import suppress

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Condition, emacs_insert_mode, has_completions
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import DummyHistory, FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout.processors import HighlightMatchingBracketProcessor
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style
from pygments.lexers.python import PythonLexer

from tensordrill import paths
from tensordrill.settings import Settings
from tensordrill.ui.completing import IN_WORDS, PuzzleCompleter, names_of
from tensordrill.ui.screen import Question
from tensordrill.ui.themes import PALETTES, Palette

INDENT = "    "
PYTHON = ("code", "expr", "fix")  # kinds whose answers are Python


class EditingReader:
    """Reads with prompt_toolkit, under a footer with the commands that work now.

    In code, Enter goes on to the next line until the code is complete: at an empty last line, or when its last
    statement is the function's own `return`. Alt-Enter and Ctrl-J always go on.
    """

    def __init__(self, settings: Settings) -> None:
        self._vi = settings.keys == "vi"
        self._style = _style(PALETTES[settings.theme])
        self._question = Question()
        self._sessions: dict[str, PromptSession[str]] = {}

    def read(self, question: Question) -> str:
        self._question = question
        if question.kind not in self._sessions:
            self._sessions[question.kind] = self._session(question.kind)
        session = self._sessions[question.kind]
        names = names_of(question.face) if question.face else []
        return session.prompt(
            "> ",
            multiline=question.multiline,
            default=question.given,
            completer=PuzzleCompleter(names, question.commands, calls=question.kind not in IN_WORDS),
        )

    def _session(self, kind: str) -> PromptSession[str]:
        plain = bool(os.environ.get("NO_COLOR"))
        return PromptSession(
            history=_history(kind),
            color_depth=ColorDepth.DEPTH_1_BIT if plain else ColorDepth.DEPTH_8_BIT,
            editing_mode=EditingMode.VI if self._vi else EditingMode.EMACS,
            key_bindings=self._bindings(),
            prompt_continuation="  ",
            complete_while_typing=False,
            enable_open_in_editor=True,
            tempfile_suffix=".py",
            lexer=PygmentsLexer(PythonLexer) if kind in PYTHON and not plain else None,
            input_processors=[HighlightMatchingBracketProcessor()],
            style=self._style,
            include_default_pygments_style=False,
            bottom_toolbar=self._footer,
        )

    def _footer(self) -> FormattedText:
        """The commands, broken into lines that fit."""
        width = get_app().output.get_size().columns
        return FormattedText([("", textwrap.fill(" ".join(self._question.commands), max(10, width - 1)))])

    def _ends(self, code: str) -> bool:
        return ends_by_itself(code, self._question.face.signature if self._question.face else None)

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        several = Condition(lambda: self._question.multiline)
        at_indent = Condition(lambda: not get_app().current_buffer.document.current_line_before_cursor.strip())

        @bindings.add("enter", filter=several & ~has_completions)
        def _(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            line = buffer.document.current_line_before_cursor
            typed, after = buffer.text.strip(), buffer.document.text_after_cursor.strip()
            if typed.startswith(":") or (typed and not after and (not line.strip() or self._ends(buffer.text))):
                buffer.validate_and_handle()
            else:
                buffer.insert_text("\n" + _indent_after(buffer.document.text_before_cursor))

        @bindings.add("escape", "enter", filter=several)
        @bindings.add("c-j", filter=several)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n" + _indent_after(event.current_buffer.document.text_before_cursor))

        @bindings.add("c-x", "c-e", filter=emacs_insert_mode)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.open_in_editor(validate_and_handle=False)  # what it leaves is looked at first

        @bindings.add("tab", filter=several & at_indent)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text(INDENT)

        return bindings


def _style(palette: Palette) -> Style:
    def colour(name: str) -> str:
        return name if name.startswith("#") else f"ansi{name}"

    return Style.from_dict(
        {
            "bottom-toolbar": "noreverse",
            "pygments.keyword": f"bold {colour(palette.keyword)}",
            "pygments.literal.string": colour(palette.string),
            "pygments.literal.number": colour(palette.number),
            "pygments.comment": "italic",
        }
    )


def ends_by_itself(code: str, signature: str | None) -> bool:
    """Whether nothing can follow: the last statement is the `return` or `raise` of the function that is asked for.

    That of a bare body counts as well; that of a helper does not.
    """
    try:
        last = ast.parse(textwrap.dedent(code)).body[-1]
    except (SyntaxError, ValueError, IndexError, RecursionError):
        return False
    if isinstance(last, ast.FunctionDef) and re.search(rf"\bdef {last.name}\b", signature or ""):
        last = last.body[-1]
    return isinstance(last, ast.Return | ast.Raise)


def _indent_after(before: str) -> str:
    """The spaces that the next line begins with: those of this one, and more after a colon or an open bracket."""
    line = before.rpartition("\n")[2]
    deeper = line.rstrip().endswith((":", "(", "[", "{"))
    return line[: len(line) - len(line.lstrip())] + INDENT * deeper


class AnswerHistory(FileHistory):
    """The answers of a kind, over all sessions, without the commands. It is a convenience: a full disk only ends it."""

    def append_string(self, string: str) -> None:
        if string.strip() and not string.startswith(":"):
            super().append_string(string)

    def store_string(self, string: str) -> None:
        with suppress(OSError, UnicodeError):
            super().store_string(string)


def _history(kind: str) -> History:
    """The history of a kind; of this session alone where its file cannot be kept."""
    if not kind:
        return DummyHistory()
    path = paths.history(kind)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        return AnswerHistory(path)
    except OSError:
        return InMemoryHistory()
