"""Typing answers: history, completion, new lines, vi's keys, an editor, and what the footer offers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tensordrill.catalog import Catalog
from tensordrill.judge import Judge
from tensordrill.puzzles import Puzzle
from tests.terminal.test_terminal import history

if TYPE_CHECKING:
    from tests.terminal.conftest import Terminal

pytestmark = pytest.mark.usefixtures("lived_in")

Start = Callable[..., "Terminal"]


@pytest.fixture
def asked(tmp_path: Path, catalog: Catalog) -> Callable[[], Puzzle]:
    def puzzle() -> Puzzle:
        line = json.loads((tmp_path / "trace").read_text(encoding="utf-8").splitlines()[-1])
        return catalog[line["drill"]].puzzle(line["seed"], line["level"])

    return puzzle


def test_what_was_typed_can_be_taken_up_again(terminal: Start, asked: Callable[[], Puzzle], judge: Judge) -> None:
    """By :edit within the session, and by the arrow in the next one; commands are no history."""
    here = terminal("practice", "einsum.trace", "--count", "1")
    here.wait_for_prompt()
    here.wait_for(":hint :solution :skip :quit")
    wrong = judge.wrong_answers(asked())[0]
    here.submit(wrong)
    here.wait_for("Not yet.")
    here.wait_for(":hint :solution :skip :edit :report :quit")
    here.submit(":edit")
    here.wait_for(lambda: here.line == f"> {wrong}" and here.text.count(f"> {wrong}") == 2)
    here.type("\x15")
    here.wait_for(lambda: here.line == ">")
    here.submit(":quit")
    assert here.ended() == 0
    again = terminal("practice", "einsum.trace", "--count", "1")
    again.wait_for_prompt()
    again.type("\x1b[A")
    again.wait_for(lambda: again.line == f"> {wrong}")
    again.type("\x03")
    assert again.ended() == 130


def test_tab_completes_and_indents(terminal: Start) -> None:
    here = terminal("practice", "hooks.patch", "--count", "1")
    here.wait_for_prompt()
    here.type("\tx = torch.einsu\t")
    here.wait_for(lambda: here.line == ">     x = torch.einsum")
    here.type("\x15:ski\t")
    here.wait_for(lambda: here.line == "> :skip")
    here.type("\r")
    assert here.ended() == 0


@pytest.mark.parametrize("key", ["\n", "\x1b\r"], ids=["Ctrl-J", "Alt-Enter"])
def test_a_new_line_where_enter_would_submit(terminal: Start, key: str) -> None:
    here = terminal("practice", "hooks.patch", "--count", "1")
    here.wait_for_prompt()
    here.type("return model(tokens)" + key + "# more")
    here.wait_for("# more")
    assert not history()
    here.type("\x15\x7f\x03")
    assert here.ended() == 130


def test_a_body_that_returns_is_submitted_by_enter(terminal: Start) -> None:
    here = terminal("practice", "hooks.patch", "--count", "1")
    here.wait_for_prompt()
    here.submit("return model(tokens)")
    here.wait_for("Not yet.")
    assert [row["answer"] for row in history()] == ["return model(tokens)"]


def test_keys_of_vi(terminal: Start, home: Path) -> None:
    (home / "settings.toml").write_text('keys = "vi"\n')
    here = terminal("practice", "einsum.trace", "--count", "1")
    here.wait_for_prompt()
    here.type("ab->ba\x1b")
    here.wait_for(lambda: here.line == "> ab->ba")
    here.type("0xA!")
    here.wait_for(lambda: here.line == "> b->ba!")
    here.type("\x03")
    assert here.ended() == 130


def test_an_editor_of_one_s_own(terminal: Start, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\necho 'i i -> i' > \"$1\"\n")
    editor.chmod(0o755)
    here = terminal("practice", "einsum.trace", "--count", "1", EDITOR=str(editor), VISUAL=str(editor))
    here.wait_for_prompt()
    here.type("\x18\x05")
    here.wait_for(lambda: here.line == "> i i -> i")
    here.type("\x03")
    assert here.ended() == 130


def test_a_rating_is_taken_back(terminal: Start, asked: Callable[[], Puzzle], judge: Judge) -> None:
    here = terminal("today")
    here.wait_for("Enter when you have read it.")
    here.wait_for_prompt()
    here.submit()
    here.wait_for_prompt()
    here.submit(judge.wrong_answers(asked())[0])
    here.wait_for("Again.")
    here.wait_for(":undo :report")
    here.submit(":undo")
    here.wait_for("Taken back: Again")
    here.wait_for_prompt()
    here.submit(judge.solution(asked()))
    here.wait_for("Right.  Good")
    here.wait_for("Enter when you have read it.")
    here.type("\x03")
    assert here.ended() == 130
    assert [(row["type"], row["rating"]) for row in history()] == [
        ("answer", "Again"), ("undo", None), ("answer", "Good"),
    ]  # fmt: skip
