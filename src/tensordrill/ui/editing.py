"""Typing in a real terminal: history, and several lines where the answer is code."""

import os

from prompt_toolkit import PromptSession
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth


class EditingReader:
    """Reads with prompt_toolkit. In code, Enter continues, and Enter on an empty last line submits."""

    def __init__(self) -> None:
        depth = ColorDepth.DEPTH_1_BIT if os.environ.get("NO_COLOR") else None
        self._session: PromptSession[str] = PromptSession(
            history=InMemoryHistory(), color_depth=depth, key_bindings=_bindings(), prompt_continuation="  "
        )

    def read(self, *, multiline: bool) -> str:
        return self._session.prompt("> ", multiline=multiline)


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        line = buffer.document.current_line_before_cursor
        at_end = buffer.document.is_cursor_at_the_end
        typed = buffer.text.strip()
        is_code = bool(buffer.multiline())
        if not is_code or typed.startswith(":") or (typed and at_end and not line.strip()):
            buffer.validate_and_handle()
            return
        indent = line[: len(line) - len(line.lstrip())] + ("    " if line.rstrip().endswith(":") else "")
        buffer.insert_text("\n" + indent)

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings
