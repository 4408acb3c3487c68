"""One session, typed at the terminal with editing, at one without, in a pipe and in plain text: the same events."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tensordrill.app import App
from tensordrill.catalog import Catalog
from tensordrill.judge import Judge
from tests.cli.conftest import Learner

if TYPE_CHECKING:
    from tests.terminal.conftest import Terminal

pytestmark = pytest.mark.usefixtures("lived_in")

TIMES = ("at", "event", "undoes", "duration_ms", "replica")  # what differs between two files and two moments


@pytest.fixture
def replica(home: Path) -> Callable[[str], Path]:
    """A fresh home whose file has the same name among replicas, so that it asks the same puzzles."""

    def made(name: str) -> Path:
        import sqlite3  # noqa: PLC0415

        from tensordrill.store import Store  # noqa: PLC0415

        folder = home.parent / name
        Store.open(folder / "tensordrill.db").close()
        with closing(sqlite3.connect(folder / "tensordrill.db")) as connection, connection:
            connection.execute("UPDATE meta SET value = 'same' WHERE name = 'replica'")
        return folder

    return made


def script(judge: Judge, catalog: Catalog, trace: Path) -> Iterator[str]:
    """What the learner types: an error, a hint, the answer; a miss taken back; a solution; then everything right."""

    def puzzle() -> Any:
        line = json.loads(trace.read_text(encoding="utf-8").splitlines()[-1])
        return catalog[line["drill"]].puzzle(line["seed"], line["level"])

    yield "((("
    yield ":hint"
    yield judge.solution(puzzle())
    yield judge.wrong_answers(puzzle())[0]
    yield ":undo"
    yield judge.solution(puzzle())
    yield judge.wrong_answers(puzzle())[0]
    yield ":solution"
    yield ":skip"
    while True:
        yield judge.solution(puzzle())


def events(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.setenv("TENSORDRILL_HOME", str(folder))
    with closing(App()) as app:
        rows = [json.loads(line) for line in app.export("json")]
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def test_the_same_events(
    terminal: Callable[..., "Terminal"],
    replica: Callable[[str], Path],
    judge: Judge,
    catalog: Catalog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {}
    for name, args, env in (
        ("editing", ("today",), {}),
        ("dumb", ("today",), {"TERM": "dumb"}),
        ("plain", ("today", "--plain"), {}),
    ):
        trace = tmp_path / f"trace-{name}"
        here = terminal(*args, TENSORDRILL_HOME=str(replica(name)), TENSORDRILL_TRACE=str(trace), **env)
        play(here, script(judge, catalog, trace))
        found[name] = events(tmp_path / name, monkeypatch)
    piped = Learner(
        catalog,
        judge,
        tmp_path / "trace-piped",
        ("today",),
        {"TENSORDRILL_NOW": "2026-03-02T18:00:00+01:00", "TENSORDRILL_HOME": str(replica("piped"))},
    )
    with piped:
        typed = script(judge, catalog, tmp_path / "trace-piped")
        while piped.prompt:
            piped.type(next(typed))
        assert piped.ended() == 0
    found["piped"] = events(tmp_path / "piped", monkeypatch)
    assert len(found["editing"]) >= 8
    assert found["editing"] == found["dumb"] == found["plain"] == found["piped"]


def play(here: "Terminal", typed: Iterator[str]) -> None:
    """Type the script to the end of the session; Enter where there is something to read."""
    while True:
        here.wait_for(lambda: not here.child.isalive() or waits(here))
        if not here.child.isalive():
            break
        reading = "Enter when you have read it." in here.text.rpartition("\n>")[0].splitlines()[-1:][0]
        here.submit("" if reading else next(typed))
    assert here.ended() == 0


def waits(here: "Terminal") -> bool:
    since = here.raw[here._submitted :]
    return (b"\x1b[?2004h" in since or b"\n> " in since) and here.line == ">" and here.screen.cursor.x == 2
