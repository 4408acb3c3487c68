"""Typing in a real terminal: history, and several lines where the answer is code."""

import os

from prompt_toolkit import PromptSession
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth


class EditingReader:
    """Reads with prompt_toolkit. In code, Enter continues, and Enter on an empty last line submits."""

    def __init__(self) -> None:
        self._multiline = False
        self._session: PromptSession[str] = PromptSession(
            history=InMemoryHistory(),
            color_depth=ColorDepth.DEPTH_1_BIT if os.environ.get("NO_COLOR") else None,
            key_bindings=self._bindings(),
            prompt_continuation="  ",
        )

    def read(self, *, multiline: bool) -> str:
        self._multiline = multiline
        return self._session.prompt("> ", multiline=multiline)

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()

        @bindings.add("enter", filter=Condition(lambda: self._multiline))
        def _(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            line = buffer.document.current_line_before_cursor
            typed = buffer.text.strip()
            done = typed and not line.strip() and not buffer.document.text_after_cursor.strip()
            if done or typed.startswith(":"):
                buffer.validate_and_handle()
            else:
                indent = line[: len(line) - len(line.lstrip())] + ("    " if line.rstrip().endswith(":") else "")
                buffer.insert_text("\n" + indent)

        @bindings.add("escape", "enter", filter=Condition(lambda: self._multiline))
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        return bindings
