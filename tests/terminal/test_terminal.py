"""The program as somebody sees it who sits at a terminal."""

import json
import os
import signal
import termios
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyte
import pytest

from tensordrill.app import App
from tensordrill.catalog import Catalog
from tensordrill.judge import Judge
from tensordrill.puzzles import Puzzle

if TYPE_CHECKING:
    from tests.terminal.conftest import Terminal

pytestmark = pytest.mark.usefixtures("lived_in")

Start = Callable[..., "Terminal"]
sizes = pytest.mark.parametrize(("columns", "lines"), [(80, 24), (40, 20)])


@pytest.fixture
def asked(tmp_path: Path, catalog: Catalog) -> Callable[[], Puzzle]:
    """The puzzle that the program asks now, from its trace."""

    def puzzle() -> Puzzle:
        line = json.loads((tmp_path / "trace").read_text(encoding="utf-8").splitlines()[-1])
        return catalog[line["drill"]].puzzle(line["seed"], line["level"])

    return puzzle


def history() -> list[dict[str, Any]]:
    with closing(App()) as app:
        return [json.loads(line) for line in app.export("json")]


def one_line(catalog: Catalog) -> str:
    """A drill whose answer is a short line."""
    return next(name for name, drill in catalog.items() if drill.puzzle(1).kind in ("shape", "einsum"))


@sizes
def test_a_review(terminal: Start, asked: Callable[[], Puzzle], judge: Judge, columns: int, lines: int) -> None:
    here = terminal("today", columns=columns, lines=lines)
    here.wait_for("Enter when you have read it.")
    here.wait_for_prompt()
    here.submit()
    here.wait_for_prompt()
    here.wait_for(":hint :solution :skip :quit")  # what works now
    puzzle = asked()
    here.submit("(")
    here.wait_for("Not judged.")
    here.wait_for_prompt()
    here.submit(judge.wrong_answers(puzzle)[0])
    here.wait_for("Again.")
    here.wait_for_prompt()
    assert "Try again, or :hint, :solution, :skip." in " ".join(here.text.split())
    here.submit(":hint")
    here.wait_for("Hint:")
    here.wait_for_prompt()
    here.submit(judge.solution(puzzle))
    here.wait_for("Right.")
    here.wait_for("Enter when you have read it.")  # the next drill is new too
    here.wait_for_prompt()
    here.submit(":quit")
    assert here.ended() == 0
    assert "1 solved, 0 of them alone" in " ".join(here.text.split())
    assert not here.screen.overrun, "a line was wider than the screen"
    assert [(row["correct"], row["hints"], row["rating"]) for row in history()] == [
        (False, 0, "Again"),
        (True, 1, None),
    ]


@sizes
def test_the_prompt_is_in_view_below_every_kind_of_puzzle(
    terminal: Start, catalog: Catalog, columns: int, lines: int
) -> None:
    names = {drill.puzzle(1).kind: name for name, drill in catalog.items()}.values()
    here = terminal("practice", *names, "--count", str(len(names)), columns=columns, lines=lines)
    for n in range(len(names)):
        here.wait_for_prompt()
        here.wait_for(":hint :solution :skip :quit")
        assert here.line == ">", "the cursor waits at the prompt, above the footer"
        assert not here.screen.overrun, f"a line of puzzle {n + 1} was wider than the screen:\n{here.text}"
        here.submit(":skip")
    assert here.ended() == 0


def test_several_lines(terminal: Start, asked: Callable[[], Puzzle], judge: Judge) -> None:
    """Enter continues and indents; Enter on an empty last line submits."""
    here = terminal("practice", "hooks.patch", "--count", "1")
    here.wait_for_prompt()
    puzzle = asked()
    assert puzzle.multiline
    signature, *body = judge.solution(puzzle).splitlines()
    here.submit(signature)
    here.wait_for(lambda: here.screen.cursor.x == 6)  # indented, after the colon
    indent = 4
    for line in body:
        wanted = len(line) - len(line.lstrip())
        here.type("\x7f" * (indent - wanted) + " " * (wanted - indent) + line.strip() + "\r")
        indent = wanted + 4 * line.endswith(":")
    assert not history()
    here.wait_for(lambda: body[-1].strip() in here.text and here.line.strip() == "")
    here.type("\r")
    here.wait_for("Right.")
    assert here.ended() == 0
    assert history()[-1]["correct"]


def test_a_paste_of_several_lines(terminal: Start, asked: Callable[[], Puzzle], judge: Judge) -> None:
    here = terminal("practice", "hooks.patch", "--count", "1")
    here.wait_for_prompt()
    here.type("\x1b[200~" + judge.solution(asked()) + "\n\x1b[201~")
    here.type("\r")
    here.wait_for("Right.")
    assert here.ended() == 0


@pytest.mark.parametrize("typed", ["", "half an ans"])
@pytest.mark.parametrize(("key", "code"), [("\x03", 130), ("\x04", 0)], ids=["Ctrl-C", "Ctrl-D"])
def test_leaving_leaves_the_terminal_as_it_was(
    terminal: Start, catalog: Catalog, typed: str, key: str, code: int
) -> None:
    here = terminal("practice", one_line(catalog), "--count", "1")
    here.wait_for_prompt()
    here.type(typed)
    here.wait_for(lambda: here.line == f"> {typed}".rstrip())
    if typed and code == 0:
        here.type("\x15")  # Ctrl-D deletes where something is typed
        here.wait_for_prompt()
    here.type(key)
    assert here.ended() == code
    assert "Your place is kept." in here.text
    assert "Traceback" not in here.text
    assert termios.tcgetattr(here.child.child_fd)[:4] == here.modes
    assert pyte.modes.DECTCEM in here.screen.mode, "the cursor is visible"
    assert 2004 << 5 not in here.screen.mode, "bracketed paste is off"


def test_a_terminal_that_is_closed(
    terminal: Start, catalog: Catalog, asked: Callable[[], Puzzle], judge: Judge
) -> None:
    here = terminal("practice", one_line(catalog), "--count", "2")
    here.wait_for_prompt()
    here.submit(judge.solution(asked()))
    here.wait_for("Right.")
    os.kill(here.child.pid, signal.SIGHUP)
    here.child.close()
    assert [row["correct"] for row in history()] == [True]


def test_without_colour(terminal: Start, catalog: Catalog, asked: Callable[[], Puzzle], judge: Judge) -> None:
    def colours(**env: str) -> set[str]:
        here = terminal("practice", one_line(catalog), "--count", "1", **env)
        here.wait_for_prompt()
        here.submit(judge.solution(asked()))
        here.wait_for("Right.")
        assert here.ended() == 0
        return here.colours()

    assert colours()
    assert not colours(NO_COLOR="1")


def test_a_theme(terminal: Start, home: Path) -> None:
    found = {}
    for theme in ("auto", "dark", "light"):
        (home / "settings.toml").write_text(f'theme = "{theme}"\n')
        here = terminal("practice", "hooks.patch", "--count", "1", COLORTERM="truecolor")
        here.wait_for_prompt()
        here.submit(":quit")
        assert here.ended() == 0
        found[theme] = here.colours()
    assert found["auto"] != found["dark"] != found["light"]


def test_a_dumb_terminal(terminal: Start, catalog: Catalog, asked: Callable[[], Puzzle], judge: Judge) -> None:
    here = terminal("practice", one_line(catalog), "--count", "2", TERM="dumb")
    here.wait_for_prompt()
    here.submit(judge.solution(asked()))
    here.wait_for("Right.")
    here.wait_for_prompt()
    here.type("\x04")
    assert here.ended() == 0
    assert b"\x1b" not in here.raw
    assert not here.screen.overrun
