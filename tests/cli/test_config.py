"""`tensordrill config` as people type it, and what a setting changes in the next session."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tensordrill import paths
from tensordrill.settings import SETTINGS, load

if TYPE_CHECKING:
    from tests.cli.conftest import Run, Sit

pytestmark = pytest.mark.usefixtures("lived_in")

BROKEN = "# mine\nretention = 2\ntheme = 'drak'\nkeys = 'vi'  # fingers\nthem = 1\n"


@pytest.fixture
def kept() -> Path:
    """A settings file with two broken values, and a name that there is not."""
    paths.settings().write_text(BROKEN, encoding="utf-8")
    return paths.settings()


@pytest.mark.parametrize("columns", [40, 80])
def test_it_lists_every_setting(run: "Run", columns: int) -> None:
    done = run("config", env={"COLUMNS": str(columns), "LC_ALL": "C", "NO_COLOR": "1"})
    assert (done.returncode, done.stderr) == (0, "")
    text = " ".join(done.stdout.split())
    for setting in SETTINGS.values():
        assert f"{setting.name} {setting.shown(setting.default)} (default) {setting.meaning}" in text
        assert setting.allowed in text
    assert str(paths.settings()) in done.stdout
    assert all(len(line) <= columns for line in done.stdout.splitlines() if str(paths.settings()) not in line)
    assert "\x1b" not in done.stdout
    assert not paths.settings().exists()


def test_as_data(run: "Run") -> None:
    run("config", "theme", "dark")
    told = json.loads(run("config", "--json").stdout)
    assert told["path"] == str(paths.settings())
    assert told["problems"] == []
    assert [each["name"] for each in told["settings"]] == list(SETTINGS)
    [theme] = json.loads(run("config", "theme", "--json").stdout)["settings"]
    assert (theme["value"], theme["default"], theme["problem"]) == ("dark", "auto", None)


def test_setting_one_says_what_it_was_and_what_it_means(run: "Run") -> None:
    done = run("config", "retention", "0.85")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("retention is 0.85 now; it was 0.90.\n")
    assert "fewer reviews" in done.stdout
    assert "more reviews" in run("config", "retention", "0.95").stdout
    assert run("config", "retention", ".95").stdout == "retention is 0.95 already.\n"
    assert load(paths.settings()).retention == 0.95
    assert "it was 0.95" in run("config", "retention", "--reset").stdout
    assert load(paths.settings()).retention == 0.9
    assert "already" in run("config", "retention", "--reset").stdout


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("new-per-day", "10", "drills have opened after"),
        ("new_per_day", "0", "No new drill opens"),
        ("rollover", "3", "begins at 03:00"),
        ("device", "cuda", "device is cuda now; it was cpu."),
    ],
)
def test_what_others_mean(run: "Run", name: str, value: str, told: str) -> None:
    done = run("config", name, value)
    assert (done.returncode, done.stderr) == (0, "")
    assert told in done.stdout


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("retension", "Did you mean retention?"),
        ("retension 0.8", "Did you mean retention?"),
        ("colour --reset", "There are retention, new_per_day"),
        ("theme drak", "Did you mean dark?"),
        ("retention 90", "from 0.70 to 0.97"),
        ("new_per_day many", "cannot be 'many'"),
        ("keys vi --reset", "--reset takes a name, or nothing"),
        ("keys vi --json", "sets none"),
        ("keys vi extra", "unexpected extra argument"),
    ],
)
def test_a_call_that_is_wrong(run: "Run", call: str, told: str) -> None:
    done = run("config", *call.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert not paths.settings().exists()


def test_broken_values_are_shown_and_mended(run: "Run", kept: Path) -> None:
    today = run("today")
    assert today.returncode == 1
    assert f"In {kept}, retention cannot be 2" in today.stderr
    listed = run("config")
    assert listed.returncode == 1
    assert listed.stdout.count("BROKEN") == 2
    assert all(name in listed.stderr for name in ("retention cannot", "theme cannot", "'them' is not"))
    told = json.loads(run("config", "--json").stdout)
    assert (len(told["problems"]), told["settings"][0]["value"]) == (3, None)

    assert run("config", "retention", "0.9").returncode == 0
    assert run("config", "theme", "--reset").returncode == 0
    mended = run("config", "them", "--reset")
    assert (mended.returncode, mended.stderr) == (0, "")
    assert kept.read_text() == "# mine\nretention = 0.9\nkeys = 'vi'  # fingers\n"
    assert run("config").returncode == 0


def test_what_is_no_toml_is_kept_aside(run: "Run", kept: Path) -> None:
    kept.write_text("retention 0.8\n")
    listed = run("config")
    assert listed.returncode == 1
    assert "is not TOML" in listed.stderr
    assert "So these are the defaults." in listed.stderr
    assert run("config", "keys", "vi").returncode == 1
    assert kept.read_text() == "retention 0.8\n"
    done = run("config", "--reset")
    assert done.returncode == 0
    assert kept.with_name("settings.toml.old").read_text() == "retention 0.8\n"
    assert run("config", "keys", "vi").returncode == 0
    assert load(kept).keys == "vi"


def test_a_session_obeys_them(run: "Run", sit: "Sit", exported: Callable[[], list[dict[str, Any]]]) -> None:
    for name, value in {"retention": "0.80", "new_per_day": "1", "rollover": "0"}.items():
        assert run("config", name, value).returncode == 0
    learner = sit(now="2026-03-02T02:00:00+01:00")
    learner.right()
    learner.end()
    assert "Nothing is due" in run("today", env={"TENSORDRILL_NOW": "2026-03-02T23:00:00+01:00"}).stdout
    [row] = exported()
    assert row["policy"].endswith("/0.80")
    assert row["study_day"] == "2026-03-02"
    due = date.fromisoformat(row["due"])
    run("config", "--reset")
    [after] = exported()
    assert date.fromisoformat(after["due"]) == due, "history does not change with a setting"


def test_without_new_drills_none_is_announced(run: "Run") -> None:
    run("config", "new_per_day", "0")
    done = run("today")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Nothing is due.\n")
